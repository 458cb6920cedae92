"""An order for a service: the run that carries it, and what a new order would change."""

from __future__ import annotations

import getpass

from journeyman.cluster.settings import Settings
from journeyman.serve.phases import Phase
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run


def create_service(spec: ServiceSpec, mlflow: Mlflow, settings: Settings) -> Run:
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
    return mlflow.create_run(mlflow.experiment_id(spec.project), f"service-{spec.name}", tags)


def redeploy(spec: ServiceSpec, run: Run, mlflow: Mlflow) -> None:
    """Change the order of a service that is there; the same order changes nothing."""
    if ServiceSpec.model_validate(run.spec) != spec:
        mlflow.set_tags(run.run_id, {records.SPEC: spec.model_dump_json()})


def changes(before: ServiceSpec | None, after: ServiceSpec) -> list[str]:
    """What a new order changes, a line each. Pure."""
    if before is None:
        return [f"new service {after.name}: {after.model} on {after.replicas} replicas"]
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [f"{key}: {old[key]} → {new[key]}" for key in new if old[key] != new[key]]
