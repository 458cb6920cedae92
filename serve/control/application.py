"""The Serve config: what control tells Ray Serve of the services there are to be. Pure.

A key of `args` or `ray_actor_options` that changes gives a service new replicas; `user_config` reaches the
replicas there are, and `autoscaling_config` none of them. For a change of `args` Serve first starts a process
that builds the application anew, 1 s of processor time that whoever answers there waits for: new replicas for
another version are therefore had by a change of their environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from journeyman.cluster.archive import Archive, package_uri
from journeyman.cluster.identity import without_identity
from journeyman.cluster.requirement_lines import pip_environment
from journeyman.cluster.resources import actor_options
from journeyman.cluster.spec_file import Range
from journeyman.cluster.warm.command import warm_python
from journeyman.serve.records import DEPLOYMENT, GENERATION, Rollout
from journeyman.serve.spec import ServiceSpec

GRPC_SERVICE = (
    "journeyman.serve.protocols.open_inference_rpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server"
)
IMPORT_PATH = "journeyman.serve.replica.deployment:build"
# Without -P a folder of the name `ray` where Ray starts its workers would be imported.
_STARTED = ("-P", "-m", "journeyman.serve.replica.process")

_TARGET_ONGOING_REQUESTS = 16
_UPSCALE_DELAY_S = 3
_DOWNSCALE_DELAY_S = 60
_LOOK_BACK_S = 5
_METRICS_INTERVAL_S = 1
"""How often replicas tell their load; Ray's own 10 s are twice the look back.

Ray calls the key deprecated, but the variables that are to replace it do nothing in 2.60.
"""


def application_config(
    spec: ServiceSpec,
    rollout: Rollout,
    verdicts: str,
    run_id: str,
    mlflow_url: str,
    package: Archive | None,
) -> dict[str, Any]:
    """One service as an application of Serve.

    `verdicts` names those on the version that serves; `package` is Journeyman itself, where nodes lack it.
    """
    return {
        "name": spec.name,
        "route_prefix": f"/{spec.name}",
        "import_path": IMPORT_PATH,
        "runtime_env": {"py_modules": [package_uri(package.package)]}
        if package
        else {"py_executable": replica_python()},
        "args": {
            "service": spec.name,
            "run_id": run_id,
            "model": rollout.model,
            "mlflow_url": mlflow_url,
            "allow_code": spec.allow_code,
        },
        "deployments": [
            {
                "name": DEPLOYMENT,
                "user_config": _user_config(spec, rollout, verdicts),
                "ray_actor_options": _actor_options(spec, rollout.target_generation, package is not None),
                # Ray holds back what is above it, and a replica must see the requests it refuses.
                "max_ongoing_requests": spec.limits.ongoing,
                # New replicas beside the old ones: without it a single replica is gone before its successor
                # is there. A quarter at a time, one at least: all at once they take the cores from those that
                # answer while they load.
                "max_surge_percent": 25,
                "rolling_update_percentage": 1.0,
                "health_check_period_s": 5,
                "health_check_timeout_s": 30,
                "graceful_shutdown_timeout_s": 35,
                # One line a request costs more than a small model does.
                "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
                **_scale(spec.replicas),
            }
        ],
    }


def replica_python() -> str:
    """What Ray is told to start instead of Python (`py_executable`), on a machine that has this very one."""
    return warm_python(*_STARTED)


def process_environment(spec: ServiceSpec) -> dict[str, str]:
    """What a process that computes the service's model has in its environment."""
    return {"OMP_NUM_THREADS": str(max(1, int(spec.resources.cpus))), **without_identity(spec.env)}


def serve_config(
    applications: Sequence[Mapping[str, Any]], listens: str, grpc_address: str | None
) -> dict[str, Any]:
    """The whole config. Serve deletes every application that is not in it, and applies them in this order.

    `listens` is an address and a port of the nodes, which a Serve that runs already does not change.
    """
    address = urlsplit(f"//{listens}")
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": address.hostname, "port": address.port},
        **({"grpc_options": _grpc(grpc_address)} if grpc_address else {}),
        "applications": list(applications),
    }


def _grpc(address: str) -> dict[str, Any]:
    return {"port": urlsplit(f"//{address}").port, "grpc_servicer_functions": [GRPC_SERVICE]}


def _user_config(spec: ServiceSpec, rollout: Rollout, verdicts: str) -> dict[str, Any]:
    return {
        "limits": spec.limits.model_dump(),
        "engine": spec.engine,
        "verdicts": verdicts,
        "serving": rollout.target,
        "candidate": rollout.beside,
        "trial": rollout.trial,
        "follows": rollout.serving if rollout.surge else None,
        # Left out where it says nothing: services of before are told nothing new.
        **({"cors": list(spec.cors)} if spec.cors else {}),
    }


def _actor_options(spec: ServiceSpec, generation: int, sent: bool) -> dict[str, Any]:
    environment: dict[str, Any] = {
        "env_vars": {**process_environment(spec), GENERATION: str(generation)},
        **pip_environment(spec.requirements),
    }
    if spec.requirements and not sent:
        # Not the Python of this process, but the one of its environment, which Ray puts first in PATH.
        environment["py_executable"] = shlex.join(["python", *_STARTED])
    return {**actor_options(spec.resources), "runtime_env": environment}


def _scale(replicas: Range) -> dict[str, Any]:
    if replicas.least == replicas.most:
        return {"num_replicas": replicas.most}
    return {
        "autoscaling_config": {
            "min_replicas": replicas.least,
            "max_replicas": replicas.most,
            "target_ongoing_requests": _TARGET_ONGOING_REQUESTS,
            "upscale_delay_s": _UPSCALE_DELAY_S,
            "downscale_delay_s": _DOWNSCALE_DELAY_S,
            "look_back_period_s": _LOOK_BACK_S,
            "metrics_interval_s": _METRICS_INTERVAL_S,
        }
    }
