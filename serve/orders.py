"""An order for a service: the run that carries it, and what a new order would change."""

from __future__ import annotations

import contextlib
import getpass

import yaml
from pydantic import ValidationError

from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError, UnreadableError
from journeyman.serve.phases import Phase
from journeyman.serve.records import read_service
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run


def deploy(spec: ServiceSpec, mlflow: MlflowApi, settings: Settings) -> Run:
    """Order a service, or change the order of the one that has its name; the run that carries the order.

    Two who order one name at once both write a run, and look again: the second run ends itself, and its
    order goes to the first. Raises SpecError, and UnreadableError where what is ordered cannot be read.
    """
    run = to_change(spec.name, mlflow, settings)
    if run is None:
        own = create_service(spec, mlflow, settings)
        run = to_change(spec.name, mlflow, settings) or own
        if run.run_id == own.run_id:
            return own
        _step_back(own, run, mlflow)
    redeploy(spec, run, mlflow)
    return run


def services_named(name: str, mlflow: MlflowApi, settings: Settings) -> list[Run]:
    """Those of a name that have not ended, the live one first: the one that started first.

    One that is to be undeployed comes last: an order of its name is for the one that follows it. `name` is
    one that a spec was allowed to have.
    """
    conditions = (
        f"tags.`{records.KIND}` = '{records.SERVICE}'",
        f"tags.`{records.CLUSTER}` = '{settings.cluster}'",
        f"tags.`{records.NAME}` = '{name}'",
        "attributes.status = 'RUNNING'",
    )
    found = mlflow.search_runs(mlflow.experiments(), " and ".join(conditions))
    return sorted(found, key=lambda run: (records.UNDEPLOY_MS in run.tags, run.start_ms, run.run_id))


def to_change(name: str, mlflow: MlflowApi, settings: Settings) -> Run | None:
    """The run whose order a new one of this name changes; None where that makes a new service."""
    first = next(iter(services_named(name, mlflow, settings)), None)
    return None if first is None or records.UNDEPLOY_MS in first.tags else first


def _step_back(own: Run, first: Run, mlflow: MlflowApi) -> None:
    reason = f"ended: run {first.run_id} is the service {first.name}, and has its order now"
    mlflow.set_tags(own.run_id, {records.PHASE: Phase.UNDEPLOYED.value, records.REASON: reason})
    mlflow.update_run(own.run_id, "KILLED", mlflow.now_ms())


def check_fits(spec: ServiceSpec) -> str:
    """The order as it is stored. Raises SpecError where MLflow would cut it."""
    stored = spec.model_dump_json()
    records.check_order_fits(stored, f"the order for service {spec.name}")
    return stored


def ordered(run: Run) -> ServiceSpec:
    """What is ordered by a run. Raises UnreadableError."""
    try:
        return read_service(run).spec
    except UnreadableError as error:
        raise UnreadableError(
            f"service {run.name} cannot be read, and is left as it is: {error.message}",
            error.hint or f"`journeyman undeploy {run.name}` takes it down; then deploy it anew.",
        ) from None


def create_service(spec: ServiceSpec, mlflow: MlflowApi, settings: Settings) -> Run:
    """The run of a new service; control takes it up."""
    tags = {
        records.SCHEMA: records.SCHEMA_VERSION,
        records.KIND: records.SERVICE,
        records.CLUSTER: settings.cluster,
        records.NAME: spec.name,
        records.SPEC: check_fits(spec),
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
    stored = check_fits(spec)
    if ordered(run) != spec:
        _keep(spec, run, mlflow)
        mlflow.set_tags(run.run_id, {records.SPEC: stored})
        # After: control, which reads the run before it says so, has taken up no order that it has not read.
        with contextlib.suppress(NotFoundError):
            mlflow.delete_tag(run.run_id, records.TAKEN_UP_MS)


def previous_order(run: Run, mlflow: MlflowApi) -> ServiceSpec:
    """The order before the one that stands. Raises NotFoundError where there is none."""
    now = ordered(run)
    for path in sorted(mlflow.artifacts(run.run_id, records.ORDERS_ARTIFACT), reverse=True):
        try:
            kept = ServiceSpec.model_validate(yaml.safe_load(mlflow.download(run, path)))
        except (yaml.YAMLError, ValidationError):
            raise UnreadableError(
                f"the order before of service {run.name}, {path} of its run, cannot be read",
                "Another version of Journeyman wrote it: deploy what you want in full.",
            ) from None
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
    "cors": "live",
    "engine": "live",
    "resources": "by new replicas, the old ones answering until they are there",
    "allow_code": "by new replicas, the old ones answering until they are there",
    "env": "by new replicas, the old ones answering until they are there",
    "requirements": "by new replicas, the old ones answering until it is installed and they are there",
    "project": "not at all: a service stays in the project it began in",
}
"""How a change of each key of the spec reaches a service that answers."""


def changes(before: ServiceSpec | None, after: ServiceSpec) -> list[str]:
    """What a new order changes and how, a line each. Pure."""
    if before is None:
        return [f"new service {after.name}: {after.model} on {after.replicas} replicas"]
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [f"{key}: {old[key]} → {new[key]} ({HOW[key]})" for key in new if old[key] != new[key]]
