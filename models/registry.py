"""The registry: a package becomes a model of its run, and the model a registered version, once a run.

Only a job's processes import this: it loads mlflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_MODEL_VERSIONS,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from journeyman.errors import PublishError, described
from journeyman.models.packages import Package
from journeyman.tracking.records import CLAIM_PARAM

# Read from the run by MLflow's own pages of models.
_SOURCE_TAGS = (MLFLOW_USER, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE, MLFLOW_GIT_COMMIT)


def log_package(client: MlflowClient, package: Package, run_id: str, name: str) -> str:
    """Upload the verified folder as a model of the run; its page shows it as one logged by MLflow itself.

    Returns MLflow's id of the model (`m-…`). Raises PublishError where MLflow refuses.
    """
    try:
        run = client.get_run(run_id)
        logged = client.create_logged_model(
            run.info.experiment_id,
            name=name,
            source_run_id=run_id,
            params={k: v for k, v in run.data.params.items() if not k.startswith(f"{CLAIM_PARAM}.")},
            tags={tag: run.data.tags[tag] for tag in _SOURCE_TAGS if tag in run.data.tags},
        )
        metadata = package.metadata
        metadata.run_id = run_id
        metadata.model_id = metadata.model_uuid = logged.model_id
        metadata.artifact_path = logged.artifact_location
        metadata.save(str(package.path / MLMODEL_FILE_NAME))
        try:
            client.log_model_artifacts(logged.model_id, str(package.path))
        except BaseException:
            # A model that stays PENDING looks like an upload that is still going on.
            client.finalize_logged_model(logged.model_id, LoggedModelStatus.FAILED)
            raise
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    except MlflowException as error:
        raise PublishError(f"the model of run {run_id} could not be logged: {described(error)}") from error
    return str(logged.model_id)


def registered_version(client: MlflowClient, name: str, run_id: str) -> str | None:
    """The version of `name` that this run has registered, if it has."""
    try:
        found = client.search_model_versions(f"run_id = '{run_id}'")
    except MlflowException as error:
        raise PublishError(f"the versions of '{name}' could not be listed: {described(error)}") from error
    versions = [int(version.version) for version in found if version.name == name]
    return str(min(versions)) if versions else None


def register(
    client: MlflowClient, model_id: str, name: str, run_id: str, tags: Mapping[str, str], alias: str | None
) -> str:
    """Make the run's model a version of `name`, wait until it is READY, and point `alias` at it.

    Once per run: a run that has a version keeps it, however often this is called. An alias that someone has
    moved on to a newer version since stays there. Returns the version. Raises PublishError where MLflow
    refuses.
    """
    version = registered_version(client, name, run_id)
    try:
        if version is None:
            _ensure_registered_model(client, name)
            # A version is not found by its run unless it is told the run: its source names a model.
            created = client.create_model_version(
                name, f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id
            )
            version = str(created.version)
            # What MLflow's page of the model reads its registered versions from.
            client.set_logged_model_tags(
                model_id, {MLFLOW_MODEL_VERSIONS: json.dumps([{"name": name, "version": version}])}
            )
        if alias is not None and int(client.get_registered_model(name).aliases.get(alias, 0)) < int(version):
            client.set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        raise PublishError(
            f"model {model_id} could not be registered as '{name}': {described(error)}",
            "The model is logged and verified; register it from MLflow's page, or retry the job.",
        ) from error
    return version


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
