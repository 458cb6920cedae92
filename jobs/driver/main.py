"""The driver of one attempt: the entrypoint of its Ray job. It trains, and writes down how that ended."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import ray
from ray.train import ControllerError, TrainingFailedError, WorkerGroupError

from journeyman.errors import described
from journeyman.jobs.driver.classify import classify, death_of_worker
from journeyman.jobs.driver.trainer import build_trainer
from journeyman.jobs.environment import CLAIMANT, STORAGE
from journeyman.jobs.log_files import DRIVER
from journeyman.jobs.log_shipper import LogShipper, own_output_files
from journeyman.jobs.outcome import Cause, Outcome, RankError
from journeyman.jobs.place import read_places
from journeyman.jobs.publication import Publication
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking.job_store import environment
from journeyman.tracking.mlflow_rest import Mlflow, job_client
from journeyman.tracking.records import CLAIM_PARAM, OUTCOME, PUBLICATION, Run


def main() -> int:
    run_id, attempt = os.environ[environment.RUN_ID], int(os.environ[environment.ATTEMPT])
    mlflow = job_client(os.environ)
    run = mlflow.run(run_id)
    if run.params.get(f"{CLAIM_PARAM}.{attempt}") != os.environ[CLAIMANT]:
        sys.stderr.write(f"attempt {attempt} of job {run_id} belongs to another claimant\n")
        return 3
    spec = TrainSpec.model_validate(run.spec)
    with LogShipper(mlflow, run, DRIVER, attempt, own_output_files()):
        ray.init(log_to_driver=False)
        outcome = train(spec, run_id, os.environ[STORAGE])
        if outcome.rank is not None:
            outcome = replace(outcome, node=_node_of(mlflow, run, attempt, outcome.rank))
        if outcome.cause is Cause.FINISHED:
            outcome = _published(mlflow, spec, run_id) or outcome
        sys.stdout.write(f"attempt {attempt} ended: {outcome.message}\n")
    mlflow.set_tags(run_id, {f"{OUTCOME}.{attempt}": outcome.to_json()})
    mlflow.close()
    return 0 if outcome.cause is Cause.FINISHED else 1


def train(spec: TrainSpec, run_id: str, storage: str) -> Outcome:
    """Run the trainer to its end, whatever that is."""
    try:
        trainer = build_trainer(spec, run_id, storage)
        # Looked at here first: in Ray's controller, what is wrong with it would be the death of an actor.
        trainer.run_config.storage_context  # noqa: B018
        trainer.fit()
    except WorkerGroupError as error:
        return _outcome_of_workers(error)
    except ControllerError as error:
        if isinstance(error.controller_failure, WorkerGroupError):
            return _outcome_of_workers(error.controller_failure)
        return Outcome(cause=Cause.MACHINE, message=described(error.controller_failure))
    except TrainingFailedError as error:
        return Outcome(cause=Cause.MACHINE, message=described(error))
    except (OSError, ValueError) as error:
        # Of the storage. A connection is Ray's own, or will be back.
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        return Outcome(cause=Cause.STORAGE, message=f"storage {storage} cannot be used: {described(error)}")
    return Outcome(cause=Cause.FINISHED, message="training finished")


def _outcome_of_workers(error: WorkerGroupError) -> Outcome:
    return classify({rank: _rank_error(failure) for rank, failure in error.worker_failures.items()})


def _node_of(mlflow: Mlflow, run: Run, attempt: int, rank: int) -> str:
    places = read_places(mlflow, run, attempt)
    return next((place.node for place in places if place.rank == rank), "")


def _rank_error(error: Exception) -> RankError:
    """Whatever a worker did not raise as its own is what became of its process."""
    if isinstance(error, RankError):
        return error
    return RankError(death_of_worker(str(error)) or described(error), cause=Cause.MACHINE)


def _published(mlflow: Mlflow, spec: TrainSpec, run_id: str) -> Outcome | None:
    """The outcome of a job whose training finished but whose model was not registered.

    Here and not on a worker: only once all ranks are done is it known that none of them publishes.
    """
    told = mlflow.run(run_id).tags.get(PUBLICATION)
    if told is None and spec.publish is not None:
        # Loads torch and mlflow, which a driver whose workers published does without.
        from journeyman.jobs.worker.publish import publish_logged

        publish_logged(run_id)
        told = mlflow.run(run_id).tags.get(PUBLICATION)
    publication = Publication.from_json(told) if told else None
    if publication is None or not publication.error:
        return None
    weights = f" (weights: {publication.weights})" if publication.weights else ""
    hint = f", {publication.hint}" if publication.hint else ""
    return Outcome(cause=Cause.MODEL, message=f"model not registered: {publication.error}{hint}{weights}")
