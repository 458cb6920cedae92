"""The variables that tell Journeyman, MLflow and Ray who a process is: those who start it set them, no spec.

A job that named another run would write into it, and one that named another server would be told what is not
its own, credentials among it. What merely runs code in the processes of a spec (`PYTHONPATH`, `LD_PRELOAD`,
callbacks) is its author's to set: the spec brings code anyway. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from journeyman.cluster.warm.node import SWITCH
from journeyman.errors import SpecError

_NAMES = frozenset(
    {
        "MLFLOW_RUN_ID",
        "MLFLOW_RUN_CONTEXT",
        "MLFLOW_REGISTRY_URI",
        "MLFLOW_ACTIVE_MODEL_ID",
        "_MLFLOW_ACTIVE_MODEL_ID",
        # An experiment, for traces.
        "MLFLOW_TRACING_DESTINATION",
        "RAY_ADDRESS",
        "RAY_API_SERVER_ADDRESS",
        "RAY_CLIENT_MODE",
        "RAY_NAMESPACE",
        "RAY_JOB_ID",
        "RAY_JOB_CONFIG_JSON_ENV_VAR",
        "RAY_RAYLET_PID",
        "RAY_USE_TLS",
        # What a job's own environment is: control says it to Ray.
        "RAY_OVERRIDE_JOB_RUNTIME_ENV",
        "RAY_RUNTIME_ENV_HOOK",
    }
)
_BEGINNINGS = (
    "JOURNEYMAN_",
    "MLFLOW_TRACKING_",
    "MLFLOW_EXPERIMENT_",
    "MLFLOW_WORKSPACE",
    "RAY_AUTH_",
    "RAY_REDIS_",
    "RAY_SERVE_INTERNAL_",
    "RAY_TLS_",
)


def is_identity(name: str) -> bool:
    return name in _NAMES or (name.startswith(_BEGINNINGS) and name != SWITCH)


def check_names(names: Collection[str], where: str) -> None:
    """Raises SpecError for what a spec may not set; `where` is the key that it does it under."""
    if refused := sorted(filter(is_identity, names)):
        told = "\n".join(f"{where}.{name}: a spec does not set it" for name in refused)
        raise SpecError(
            told,
            "Take it out: it tells Journeyman, MLflow or Ray who a process is, and is set where it starts.",
        )


def without_identity(environment: Mapping[str, str]) -> dict[str, str]:
    """What is set of the `env` of a spec that was stored before that was refused."""
    return {name: value for name, value in environment.items() if not is_identity(name)}


def told_left_out(names: Collection[str]) -> str:
    """`; env leaves out …` for a reason; empty where nothing is left out."""
    left_out = sorted(filter(is_identity, names))
    return f"; of its env {', '.join(left_out)} is left out, which a spec does not set" if left_out else ""
