"""An order for a service: the run that carries it, and what a new order would change."""

from __future__ import annotations

import getpass

import yaml

from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError
from journeyman.serve.phases import Phase
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run


def create_service(spec: ServiceSpec, mlflow: MlflowApi, settings: Settings) -> Run:
    """The run of a new service; control takes it up."""
    tags = {
        records.SCHEMA: records.SCHEMA_VERSION,
        records.KIND: records.SERVICE,
        records.CLUSTER: settings.cluster,
        records.NAME: spec.name,
        records.SPEC: spec.model_dump_json(),
        records.PHASE: Phase.DEPLOYING,
        records.REASON: "ordered",
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": spec.model,
        "mlflow.source.type": "PROJECT",
    }
    run = mlflow.create_run(mlflow.experiment_id(spec.project), f"service-{spec.name}", tags)
    _keep(spec, run, mlflow)
    return run


def redeploy(spec: ServiceSpec, run: Run, mlflow: MlflowApi) -> None:
    """Change the order of a service that is there; the same order changes nothing."""
    if ServiceSpec.model_validate(run.spec) != spec:
        _keep(spec, run, mlflow)
        mlflow.set_tags(run.run_id, {records.SPEC: spec.model_dump_json()})


def previous_order(run: Run, mlflow: MlflowApi) -> ServiceSpec:
    """The order before the one that stands. Raises NotFoundError where there is none."""
    now = ServiceSpec.model_validate(run.spec)
    for path in sorted(mlflow.artifacts(run.run_id, records.ORDERS_ARTIFACT), reverse=True):
        kept = ServiceSpec.model_validate(yaml.safe_load(mlflow.download(run, path)))
        if kept != now:
            return kept
    raise NotFoundError(
        f"service {run.name} has had no other order", "`journeyman deploy service.yaml` changes it."
    )


def _keep(spec: ServiceSpec, run: Run, mlflow: MlflowApi) -> None:
    number = len(mlflow.artifacts(run.run_id, records.ORDERS_ARTIFACT)) + 1
    readable = yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True) | {"kind": spec.kind})
    mlflow.upload(run, f"{records.ORDERS_ARTIFACT}/{number:04d}.yaml", readable.encode())


HOW = {
    "model": "its version is swapped in place, or by new replicas where it loads for long or brings Python",
    "replicas": "live",
    "limits": "live",
    "engine": "live",
    "resources": "by new replicas, the old ones answering until they are there",
    "allow_pickle": "by new replicas, the old ones answering until they are there",
    "env": "by new replicas, the old ones answering until they are there",
    "project": "not at all: a service stays in the project it began in",
}
"""How a change of each key of the spec reaches a service that answers."""


def changes(before: ServiceSpec | None, after: ServiceSpec) -> list[str]:
    """What a new order changes and how, a line each. Pure."""
    if before is None:
        return [f"new service {after.name}: {after.model} on {after.replicas} replicas"]
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [f"{key}: {old[key]} → {new[key]} ({HOW[key]})" for key in new if old[key] != new[key]]
