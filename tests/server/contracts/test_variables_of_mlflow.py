"""Every variable by which MLflow tells who asks, and what is written to, is a spec's or is refused to it."""

from __future__ import annotations

import re

from mlflow import environment_variables

from journeyman.cluster.identity import is_identity

_LEADS = re.compile(
    r"_UR[IL]$|_ID$|_NAME$|WORKSPACE|EXPERIMENT|DESTINATION|TOKEN|PASSWORD|USER|CONTEXT|TARGET"
)
_A_SPECS_OWN = {
    # Of servers alone, which no spec starts.
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_ENABLE_WORKSPACES",
    "MLFLOW_GATEWAY_BUDGET_REDIS_URL",
    "MLFLOW_GATEWAY_RATE_LIMITS_STORAGE_URI",
    "MLFLOW_READ_REPLICA_BACKEND_STORE_URI",
    "MLFLOW_SERVER_JOB_HUEY_REDIS_URL",
    "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN",
    "_MLFLOW_SERVER_BOOT_ID",
    # Other services that a person's code asks, with what it shows them.
    "MLFLOW_DEPLOYMENTS_TARGET",
    "MLFLOW_GATEWAY_URI",
    "MLFLOW_GENAI_JUDGE_BASE_URL",
    "MLFLOW_KERBEROS_USER",
    "MLFLOW_MODEL_CATALOG_URI",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_TRACING_SQL_WAREHOUSE_ID",
    "MLFLOW_UC_OSS_TOKEN",
    # Of what is shown and measured.
    "MLFLOW_DATABRICKS_TRAFFIC_ID",
    "MLFLOW_DEPLOYMENT_FLAVOR_NAME",
    "MLFLOW_NOTEBOOK_TRACE_RENDERER_BASE_URL",
    "MLFLOW_SAGEMAKER_DEPLOY_IMG_URL",
    "MLFLOW_SYSTEM_METRICS_NODE_ID",
    "MLFLOW_TRACE_PROPAGATE_TO_OTEL_CONTEXT",
    "_MLFLOW_SGI_NAME",
    "SERVERLESS_GPU_COMPUTE_ASSOCIATED_JOB_RUN_ID",
    "_MLFLOW_TELEMETRY_SESSION_ID",
}


def test_every_variable_that_may_lead_elsewhere_was_looked_at() -> None:
    names = {str(each.name) for each in vars(environment_variables).values() if hasattr(each, "name")}
    assert len(names) > 100
    leading = {name for name in names if _LEADS.search(name) and not is_identity(name)}
    assert leading - _A_SPECS_OWN == set()
    assert {name for name in _A_SPECS_OWN if is_identity(name)} == set()
