"""Which variables a spec does not set."""

from __future__ import annotations

import pytest

from journeyman.cluster.identity import check_names, is_identity, told_left_out, without_identity
from journeyman.errors import SpecError

OURS = [
    "JOURNEYMAN_RUN_ID",
    "JOURNEYMAN_CLAIMANT",
    "JOURNEYMAN_HOME",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "RAY_ADDRESS",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_MODE",
    "RAY_JOB_ID",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_ACTIVE_MODEL_ID",
    "_MLFLOW_ACTIVE_MODEL_ID",
    "MLFLOW_WORKSPACE",
    "MLFLOW_WORKSPACE_STORE_URI",
    "MLFLOW_TRACING_DESTINATION",
    "MLFLOW_RUN_CONTEXT",
    "RAY_NAMESPACE",
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_OVERRIDE_JOB_RUNTIME_ENV",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "RAY_SERVE_INTERNAL_DEPLOYMENT_NAME",
    "RAY_TLS_SERVER_KEY",
    "RAY_REDIS_PASSWORD",
]
THEIRS = [
    "JOURNEYMAN_WARM",
    "HF_HOME",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING",
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S",
    "MLFLOW",
    "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_ENABLE_ASYNC_LOGGING",
    "RAY_TRAIN_CALLBACKS",
    "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH",
    "PYTHONSTARTUP",
    "LD_PRELOAD",
]


@pytest.mark.parametrize("name", OURS)
def test_name_that_tells_who_a_process_is_is_refused_by_its_key(name: str) -> None:
    with pytest.raises(SpecError, match=f"train.yaml: env.{name}: a spec does not set it"):
        check_names({"A": "1", name: "x"}, "train.yaml: env")
    assert without_identity({"A": "1", name: "x"}) == {"A": "1"}
    assert name in told_left_out(["A", name])


@pytest.mark.parametrize("name", THEIRS)
def test_other_names_are_a_specs_own(name: str) -> None:
    check_names([name], "train.yaml: env")
    assert not is_identity(name)
    assert without_identity({name: "x"}) == {name: "x"}
    assert told_left_out([name]) == ""


def test_every_name_that_is_refused_is_told() -> None:
    with pytest.raises(SpecError) as caught:
        check_names(OURS, "env")
    assert all(f"env.{name}:" in caught.value.message for name in OURS)
