"""The driver of one attempt: the entrypoint of its Ray job. It trains, and writes down how that ended."""

from __future__ import annotations

import os
import posixpath
import sys
from dataclasses import dataclass, replace

import ray
from pyarrow.fs import FileSystem
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train import ControllerError, RunConfig, TrainingFailedError, WorkerGroupError
from ray.train.v2.api.exceptions import PreemptionError

from journeyman.compat.ray_train import failed_health_check
from journeyman.errors import UnreadableError, described
from journeyman.jobs.attempt import ENDED_MS, RESUMED, moment
from journeyman.jobs.driver.checkpoints import Committed, committed, newest_committed
from journeyman.jobs.driver.classify import classify, death_of_worker, ran_out_of_memory
from journeyman.jobs.driver.keep import KeepCheckpoints, prune_quietly
from journeyman.jobs.driver.superseded import remove_superseded
from journeyman.jobs.driver.trainer import build_trainer, run_config
from journeyman.jobs.environment import CLAIMANT, START_RETRIES, STORAGE
from journeyman.jobs.log_files import DRIVER
from journeyman.jobs.log_shipper import LogShipper, own_output_files
from journeyman.jobs.outcome import Cause, Outcome, RankError
from journeyman.jobs.place import read_places
from journeyman.jobs.publication import Publication
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking.job_store import environment
from journeyman.tracking.job_store.environment import WORKERS
from journeyman.tracking.mlflow_rest import Mlflow, job_client
from journeyman.tracking.records import CLAIM_PARAM, OUTCOME, PUBLICATION, Run


def main() -> int:
    run_id, attempt = os.environ[environment.RUN_ID], int(os.environ[environment.ATTEMPT])
    mlflow = job_client(os.environ)
    run = mlflow.run(run_id)
    if run.params.get(f"{CLAIM_PARAM}.{attempt}") != os.environ[CLAIMANT]:
        sys.stderr.write(f"attempt {attempt} of job {run_id} belongs to another claimant\n")
        return 3
    if run.attempt != attempt or not run.active:
        # It was submitted late: the job has another attempt, or was cancelled meanwhile.
        sys.stderr.write(f"attempt {attempt} of job {run_id} is not wanted any more\n")
        return 3
    spec = TrainSpec.model_validate(run.spec)
    with LogShipper(mlflow, run, DRIVER, attempt, own_output_files()):
        ray.init(log_to_driver=False)
        outcome = _attempted(mlflow, run, spec, attempt)
        if outcome.rank is not None:
            outcome = replace(outcome, node=_node_of(mlflow, run, attempt, outcome.rank))
        if outcome.cause is Cause.FINISHED and mlflow.run(run_id).attempt == attempt:
            outcome = _published(mlflow, spec, run_id) or outcome
        sys.stdout.write(f"attempt {attempt} ended: {outcome.message}\n")
    mlflow.claim(run_id, moment(attempt, ENDED_MS), str(mlflow.now_ms()))
    mlflow.set_tags(run_id, {f"{OUTCOME}.{attempt}": outcome.to_json()})
    if outcome.checkpoint_step is not None and attempt > 1:
        # Last: how it ended is known, however long the storage takes.
        context = run_config(run_id, attempt, os.environ[STORAGE], 0).storage_context
        folder = posixpath.join(context.storage_fs_path, run_id)
        remove_superseded(mlflow, run_id, attempt, context.storage_filesystem, folder)
    mlflow.close()
    # Where the interpreter does it at its end, Ray waits half a second first for messages that nobody reads.
    ray.shutdown()
    return 0 if outcome.cause is Cause.FINISHED else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storage:
    """The storage of a job, which was found to be usable."""

    config: RunConfig
    files: FileSystem
    folder: str
    """The job's own."""
    resume: Committed | None


def _attempted(mlflow: Mlflow, run: Run, spec: TrainSpec, attempt: int) -> Outcome:
    storage = os.environ[STORAGE]
    try:
        # Looked at here first: in Ray's controller, what is wrong with it would be the death of an actor.
        kept = _look_at(storage, run.run_id, attempt)
    except (OSError, ValueError) as error:
        # A connection will be back.
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        return Outcome(cause=Cause.STORAGE, message=f"storage {storage} cannot be used: {described(error)}")
    if kept.resume is not None:
        mlflow.claim(run.run_id, moment(attempt, RESUMED), f"{kept.resume.step} {kept.resume.place}")
        sys.stdout.write(f"attempt {attempt} resumes from {kept.resume.path}\n")
    keep, own = None, posixpath.join(kept.folder, str(attempt))
    if spec.keep_checkpoints != "all":
        keep = KeepCheckpoints(kept.files, own, spec.keep_checkpoints)
    outcome = train(spec, kept.config, kept.resume.path if kept.resume else None, keep)
    if spec.keep_checkpoints != "all":
        # What was committed last may have come after the last look.
        prune_quietly(kept.files, own, spec.keep_checkpoints)
    try:
        written = committed(kept.files, kept.folder, str(attempt))
    except (OSError, ValueError) as error:
        # How it ended is known all the same.
        sys.stderr.write(f"its checkpoints cannot be listed: {described(error)}\n")
        return outcome
    return replace(outcome, checkpoint_step=written.step if written else None)


def _look_at(storage: str, run_id: str, attempt: int) -> _Storage:
    """Raises OSError and ValueError where it cannot be written or read."""
    config = run_config(run_id, attempt, storage, int(os.environ[START_RETRIES]))
    context = config.storage_context
    folder = f"{context.storage_fs_path}/{run_id}"
    resume = newest_committed(context.storage_filesystem, folder, attempt)
    return _Storage(config=config, files=context.storage_filesystem, folder=folder, resume=resume)


def train(
    spec: TrainSpec, config: RunConfig, resume: str | None, keep: KeepCheckpoints | None = None
) -> Outcome:
    """Run the trainer to its end, whatever that is."""
    workers = int(os.environ[WORKERS])
    config.callbacks = [*(config.callbacks or []), *([keep] if keep is not None else [])]
    try:
        trainer = build_trainer(spec, config, workers, resume)
    except ValueError as error:
        return Outcome(cause=Cause.USER, message=f"Ray Train does not take the spec: {described(error)}")
    try:
        trainer.fit()
    except WorkerGroupError as error:
        return _outcome_of_workers(error, workers)
    except PreemptionError as error:
        ranks = ", ".join(str(rank) for rank in error.preemption_info.preempted_ranks)
        return Outcome(cause=Cause.PREEMPTED, message=f"the cluster took away the nodes of ranks {ranks}")
    except ControllerError as error:
        if isinstance(error.controller_failure, WorkerGroupError):
            return _outcome_of_workers(error.controller_failure, workers)
        return Outcome(cause=Cause.MACHINE, message=described(error.controller_failure))
    except TrainingFailedError as error:
        return Outcome(cause=Cause.MACHINE, message=described(error))
    return Outcome(cause=Cause.FINISHED, message="training finished")


def _outcome_of_workers(error: WorkerGroupError, workers: int) -> Outcome:
    return classify({rank: _rank_error(failure) for rank, failure in error.worker_failures.items()}, workers)


def _node_of(mlflow: Mlflow, run: Run, attempt: int, rank: int) -> str:
    places = read_places(mlflow, run, attempt)
    return next((place.node for place in places if place.rank == rank), "")


def _rank_error(error: Exception) -> RankError:
    """Whatever a worker did not raise as its own is what became of its process."""
    if isinstance(error, RankError):
        return error
    gone = failed_health_check(error)
    if isinstance(gone, RayActorError) and gone.preempted:
        return RankError("the cluster took its node away", cause=Cause.PREEMPTED)
    told = str(error)
    return RankError(
        death_of_worker(told) or described(error),
        cause=Cause.MACHINE,
        out_of_memory=isinstance(gone, OutOfMemoryError) or ran_out_of_memory(told),
    )


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
    try:
        publication = Publication.from_json(told) if told else None
    except UnreadableError as error:
        return Outcome(cause=Cause.MODEL, message=error.message)
    if publication is None or not publication.error:
        return None
    weights = f" (weights: {publication.weights})" if publication.weights else ""
    hint = f", {publication.hint}" if publication.hint else ""
    return Outcome(cause=Cause.MODEL, message=f"model not registered: {publication.error}{hint}{weights}")
