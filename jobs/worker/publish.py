"""How a model is published: weights first, then exported, verified, logged and registered, once a job."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow.fs
from mlflow import MlflowClient

from journeyman.errors import JourneymanError, PublishError, described
from journeyman.jobs.environment import STORAGE
from journeyman.jobs.publication import Publication
from journeyman.jobs.spec import Publish, TrainSpec
from journeyman.models.example_batch import Example
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import EXPORTED, graph_bytes, save_package
from journeyman.models.registry import log_package, register, registered_version
from journeyman.models.weights import save_weights
from journeyman.tracking.job_store import environment, store
from journeyman.tracking.job_store.shared_models import of_one_rank
from journeyman.tracking.mlflow_rest import Mlflow, job_client
from journeyman.tracking.records import (
    CLAIM_PARAM,
    CLUSTER,
    DATA_DIGESTS,
    GIT_COMMIT,
    GIT_DIRTY,
    GRAPH_BYTES,
    MODEL_VERSION,
    NAME,
    ONNX_TROUBLE,
    PUBLICATION,
    Run,
)

_logger = logging.getLogger(__name__)
_FLUSH_S = 30.0
_LINEAGE = (NAME, CLUSTER, GIT_COMMIT, GIT_DIRTY, DATA_DIGESTS)


def publish(
    model: Any,
    example: Example,
    alias: str | None = None,
    dynamic: Mapping[str, Collection[int]] | None = None,
) -> str | None:
    """Export the model, check that what was exported answers as the model does, and register it.

    Call it on all ranks or on one, at the end of training. `example` is an input of at least one row: an
    array or tensor, a tuple of them for several inputs, or a dict by the names of forward's parameters.
    `dynamic` names dimensions that a request may have of any size beside 0, the batch, as in
    `dynamic={"tokens": [0, 1]}` for sentences of any length; every other dimension is as in `example`.
    The version is registered under the spec's `publish.model`, or else under the job's name.

    Returns the version, or None on the ranks that had nothing to do and where it could not be registered:
    then the weights are safe, the job ends as failed, and its reason says what to change. Outside a job
    nothing is registered and a PublishError is raised.
    """
    run_id = os.environ.get(environment.RUN_ID)
    if run_id is None:
        _check(model, example, dynamic)
        return None
    rest = job_client(os.environ)
    attempt = os.environ[environment.ATTEMPT]
    rank = environment.rank()
    if not rest.claim(run_id, f"{CLAIM_PARAM}.{attempt}.publication", f"rank {rank}"):
        return None
    run = rest.run(run_id)
    if run.attempt > int(attempt):
        # It was replaced: what the one in its place trains is published.
        return None
    spec = TrainSpec.model_validate(run.spec)
    order = spec.publish or Publish(model=spec.name)
    order = order if alias is None else order.model_copy(update={"alias": alias})
    client = MlflowClient()
    weights = _weights_location(os.environ[STORAGE], run_id, attempt)
    store.flush(_FLUSH_S)
    stored = ""
    try:
        if registered_version(client, order.model, run_id):
            return _register(rest, client, run, order, "", {})
        _store_weights(model, weights)
        stored = weights
        with tempfile.TemporaryDirectory() as scratch:
            package = save_package(model, example, Path(scratch) / "model", dynamic)
            told = {GRAPH_BYTES: str(graph_bytes(package.path / EXPORTED))}
            if trouble := add_onnx(package):
                _logger.warning("published without an ONNX form: %s", trouble)
                told[ONNX_TROUBLE] = trouble
            with of_one_rank():
                model_id = log_package(client, package, run_id, "model")
        return _register(rest, client, run, order, model_id, told, weights)
    except PublishError as error:
        _not_registered(rest, run, order, error, stored)
        return None
    except OSError as error:
        full = PublishError(f"the model could not be written: {described(error)}", "make room in its TMPDIR")
        _not_registered(rest, run, order, full, stored)
        return None


def publish_logged(run_id: str) -> None:
    """At the end of a training that has published nothing: its newest logged model is registered.

    So a loop that knows `mlflow.<flavor>.log_model` alone has its model registered as the spec orders; where
    there is none, the run says so.
    """
    rest = job_client(os.environ)
    run = rest.run(run_id)
    order = TrainSpec.model_validate(run.spec).publish
    assert order is not None, "the driver asks where the spec orders it"
    client = MlflowClient()
    try:
        logged = client.search_logged_models(
            [run.experiment_id], filter_string=f"source_run_id='{run_id}'", max_results=1
        )
        if not logged:
            raise PublishError(
                "the training code published nothing",
                "Call journeyman.publish(model, example) at its end, or mlflow.<flavor>.log_model(…).",
            )
        _register(rest, client, run, order, logged[0].model_id, {})
    except PublishError as error:
        _not_registered(rest, run, order, error, weights="")


def _not_registered(rest: Mlflow, run: Run, order: Publish, error: PublishError, weights: str) -> None:
    _logger.error("model not registered: %s", error)
    failed = Publication(model=order.model, error=error.message, hint=error.hint, weights=weights)
    rest.set_tags(run.run_id, {PUBLICATION: failed.to_json()})


def lineage(run: Run) -> dict[str, str]:
    """Where a version comes from, as its tags."""
    return {key: run.tags[key] for key in _LINEAGE if key in run.tags} | {"journeyman.job": run.run_id}


def _register(
    rest: Mlflow,
    client: MlflowClient,
    run: Run,
    order: Publish,
    model_id: str,
    told: Mapping[str, str],
    weights: str = "",
) -> str:
    """`model_id` says nothing where the run has a version already: that one stands."""
    tags = {**lineage(run), **told}
    version = register(client, model_id, order.model, run.run_id, tags, order.alias)
    done = Publication(model=order.model, version=version, weights=weights)
    rest.set_tags(run.run_id, {PUBLICATION: done.to_json(), MODEL_VERSION: f"{order.model}/{version}"})
    _logger.info("published %s version %s", order.model, version)
    return version


def _weights_location(storage: str, run_id: str, attempt: str) -> str:
    """Where the attempt alone writes, below the storage, before what its address may end in: `s3://runs?region=eu-west-1`."""
    address, mark, options = storage.partition("?")
    return f"{address}/{run_id}/{attempt}/weights.pt{mark}{options}"


def _store_weights(model: Any, location: str) -> None:
    """Raises PublishError where the place cannot be written."""
    try:
        if "://" not in location:
            save_weights(model, Path(location))
            return
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / "weights.pt"
            save_weights(model, local)
            pyarrow.fs.copy_files(str(local), location)
    except (OSError, RuntimeError) as error:
        # torch raises a RuntimeError of its own while it closes a file that could not be written.
        cause = error if isinstance(error, OSError) else error.__context__ or error
        folder = location.rpartition("/")[0]
        raise PublishError(
            f"the weights could not be written to {location}: {described(cause)}",
            f"make room there or name another place in `storage:`; the checkpoints are in {folder}",
        ) from error


def _check(model: Any, example: Example, dynamic: Mapping[str, Collection[int]] | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            save_package(model, example, Path(scratch) / "model", dynamic)
        except JourneymanError as error:
            raise PublishError(f"the model could not be published: {error.message}", error.hint) from error
    _logger.warning("outside a job: the model exports and answers alike, and was not registered")
