"""Jobs as the SDK shows them, and what a person does with them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeyman.client.connection import ID, NAME, SHOWN_IDS, Connection, only_one
from journeyman.client.log_reader import LogChunk, LogReader
from journeyman.client.plan import Plan, alone, plan_of
from journeyman.errors import NotFoundError, UnreadableError, UsageError
from journeyman.jobs.admission import ROOM_LIKE, TURN, Verdict, behind
from journeyman.jobs.attempt import Attempt
from journeyman.jobs.outcome import Outcome
from journeyman.jobs.phases import ENDED, RUN_STATUS, Phase
from journeyman.jobs.place import read_places
from journeyman.jobs.records import read_job
from journeyman.jobs.stacks import RankStack, read_stacks
from journeyman.tracking import records
from journeyman.tracking.records import Run

if TYPE_CHECKING:
    from journeyman.jobs.submit.submission import Order

_EXIT_CODES: Mapping[str, int] = {
    Phase.FINISHED: 0,
    Phase.FAILED: 1,
    Phase.CANCELLED: 130,
    "FINISHED": 0,
    "FAILED": 1,
    "KILLED": 130,
}
"""By phase, and by the status of a run whose phase cannot be read."""
_DELETED = "its run was deleted in MLflow, and control ends what runs of it within a minute or two"
_FOLLOW_INTERVAL_S = 0.5
_STEPS = ("steps", "total_steps", "max_steps", "num_steps")
"""Keys of a config that tell how many steps there will be; epochs are no steps."""
_MOST_DIGITS = 15
HOW_TO_SAY_GROWTH = "Say what it may add: `journeyman up --address … --grow 4:CPU=8`, or `none`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its run tells it."""

    run_id: str
    name: str
    project: str
    phase: str
    """As it is written, also where it is one that this version does not know."""
    status: str
    """MLflow's, of the run."""
    readable: bool
    """Whether this version can read the record; where not, `reason` tells why, and what is told is less."""
    reason: str
    attempt: int
    workers: str
    submitted_ms: int
    started_ms: int | None
    ended_ms: int | None
    metrics: Mapping[str, float]
    steps: Mapping[str, int]
    params: Mapping[str, str]
    total_steps: int | None
    """How many steps there will be, where the code or its config tells."""
    model_version: str | None
    """`digits/3` once the job has published."""
    outcome: Outcome | None
    """How the newest attempt ended, as its driver saw it: None before, and where the driver itself died."""
    attempts: Sequence[Attempt]
    """All that were begun, oldest first."""
    url: str
    deleted: bool = False
    """Whether its run was deleted in MLflow: control ends what runs of it."""

    @property
    def ended(self) -> bool:
        """By its phase; of a job that cannot be read also by the status of its run."""
        return (
            self.deleted
            or self.phase in ENDED
            or (not self.readable and self.status in records.ENDED_STATUSES)
        )

    @property
    def exit_code(self) -> int:
        """0 finished, 1 failed, 130 cancelled; 0 while it has not ended."""
        if not self.ended:
            return 0
        if self.deleted and self.phase not in ENDED:
            return _EXIT_CODES[Phase.CANCELLED]
        return _EXIT_CODES[self.phase if self.phase in ENDED else self.status]


def job_of(run: Run, url: str) -> Job:
    """What a run tells of its job, however much of it this version can read."""
    shared: dict[str, Any] = {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "ended_ms": run.end_ms,
        "metrics": run.metrics,
        "steps": run.steps,
        "params": {k: v for k, v in run.params.items() if not k.startswith(f"{records.CLAIM_PARAM}.")},
        "model_version": run.tags.get(records.MODEL_VERSION),
        "url": url,
        "deleted": run.deleted,
    }
    try:
        record = read_job(run)
    except UnreadableError as error:
        return Job(
            **shared,
            project="",
            phase=run.phase or "unreadable",
            readable=False,
            reason=_DELETED if run.deleted else f"cannot be read: {error.message}",
            attempt=0,
            workers="",
            total_steps=None,
            submitted_ms=run.start_ms,
            started_ms=None,
            outcome=None,
            attempts=(),
        )
    return Job(
        **shared,
        project=record.spec.project,
        phase=record.phase.value,
        readable=True,
        reason=f"{_DELETED}; before: {run.reason}" if run.deleted else run.reason,
        attempt=record.attempt,
        workers=str(record.spec.workers),
        total_steps=_total_steps(run, record.spec.config),
        submitted_ms=record.submitted_ms or run.start_ms,
        started_ms=record.workers_started_ms,
        outcome=record.outcome,
        attempts=record.attempts,
    )


def _total_steps(run: Run, config: Mapping[str, Any]) -> int | None:
    """What the code told, else what its config calls a number of steps."""
    told = run.tags.get(records.TOTAL_STEPS, "")
    if told.isascii() and told.isdecimal() and len(told) <= _MOST_DIGITS:
        return int(told) or None
    named = (config.get(key) for key in _STEPS)
    return next((n for n in named if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)


def submit(
    connection: Connection, file: Path, assignments: Sequence[str], warn: Callable[[str], None]
) -> Job:
    """Raises SpecError, and UsageError where it could never run on this cluster."""
    from journeyman.jobs.submit.submission import submit as write_down

    order = _order(connection, file, assignments)
    verdict, reason = alone(connection, order)
    if verdict is Verdict.NEVER:
        raise UsageError(f"{file}: {reason}")
    if verdict is Verdict.GROW:
        warn(f"{file}: {reason}\n{HOW_TO_SAY_GROWTH}")
    for remark in order.remarks:
        warn(remark)
    run = write_down(order, connection.mlflow, connection.settings, key=uuid.uuid4().hex)
    return job_of(run, connection.page(run))


def plan(connection: Connection, file: Path, assignments: Sequence[str]) -> Plan:
    return plan_of(connection, _order(connection, file, assignments))


def _order(connection: Connection, file: Path, assignments: Sequence[str]) -> Order:
    from journeyman.jobs.submit.submission import check_storage, read_order

    settings = connection.settings
    home = None if settings.attached else settings.home
    order = read_order(file, assignments, home, settings.storage)
    if not settings.attached and order.spec.storage:
        check_storage(order.spec.storage)
    return order


def jobs(connection: Connection, limit: int) -> list[Job]:
    return _told(connection, connection.orders(limit=limit))


def unfinished_jobs(connection: Connection) -> list[Job]:
    return [job for job in _told(connection, connection.unfinished_orders()) if not job.ended]


def job(connection: Connection, reference: str | None) -> Job:
    [found] = _told(connection, [_job_run(connection, reference)])
    return found


def _told(connection: Connection, runs: Sequence[Run]) -> list[Job]:
    """The jobs; of those that wait for their turn, behind which one."""
    found = [job_of(run, connection.page(run)) for run in runs]
    if not any(_waits_for_its_turn(job) for job in found):
        return found
    conditions = (
        f"attributes.status = '{RUN_STATUS[Phase.QUEUED]}'",
        f"tags.`{records.REASON}` LIKE '{ROOM_LIKE}'",
    )
    first = min(connection.orders(*conditions), key=lambda run: (run.start_ms, run.run_id), default=None)
    if first is None:
        return found
    reason = behind(first.name, first.run_id)
    return [replace(job, reason=reason) if _waits_for_its_turn(job) else job for job in found]


def _waits_for_its_turn(job: Job) -> bool:
    return job.readable and job.phase == Phase.QUEUED and job.reason == TURN


def job_to_cancel(connection: Connection, reference: str) -> Job:
    run = _run_to_cancel(connection, reference)
    return job_of(run, connection.page(run))


def cancel(connection: Connection, reference: str) -> Job:
    run = _run_to_cancel(connection, reference)
    if run.deleted:
        raise UsageError(f"job {run.run_id[:8]}: {_DELETED}", "Restore the run in MLflow to have it back.")
    if job_of(run, "").ended:
        raise UsageError(f"job {run.run_id[:8]} has ended: {run.phase}")
    now_ms = connection.mlflow.now_ms()
    tags = {records.CANCEL_MS: str(now_ms)}
    if records.SUBMITTED_MS in run.tags:
        connection.mlflow.set_tags(run.run_id, tags)
    else:
        # Control takes no notice of what was never wholly ordered: nobody else would end it.
        reason = "cancelled; its submission had been cut short"
        tags |= {records.PHASE: Phase.CANCELLED.value, records.REASON: reason}
        connection.mlflow.set_tags(run.run_id, tags)
        connection.mlflow.update_run(run.run_id, RUN_STATUS[Phase.CANCELLED], now_ms)
    run = connection.mlflow.run(run.run_id)
    return job_of(run, connection.page(run))


def logs(connection: Connection, job: Job, source: str, tail: int | None) -> Iterator[LogChunk]:
    reader = log_reader(connection, job, source)
    return reader.read() if tail is None else reader.tail(tail)


def follow_logs(connection: Connection, job: Job, source: str, tail: int | None) -> Iterator[LogChunk]:
    reader = log_reader(connection, job, source)
    if tail is not None:
        yield from reader.tail(tail)
    while True:
        ended = job_of(connection.mlflow.run(job.run_id), "").ended
        yield from reader.read()
        if ended:
            return
        time.sleep(_FOLLOW_INTERVAL_S)


def log_reader(connection: Connection, job: Job, source: str) -> LogReader:
    if source not in ("all", "driver") and not source.isdigit():
        raise UsageError(f"{source!r} is no rank", "Give a number, `driver` or `all`.")
    wanted = f"rank-{source}" if source.isdigit() else source
    return LogReader(mlflow=connection.mlflow, run=connection.mlflow.run(job.run_id), source=wanted)


def stacks(connection: Connection, job: Job, rank: int | None) -> list[RankStack]:
    told = f"job {job.name} ({job.run_id[:8]})"
    if not job.readable:
        raise UsageError(f"{told} {job.reason}")
    if job.ended:
        raise UsageError(f"{told} has ended: it is {job.phase}")
    places = []
    if job.phase not in (Phase.QUEUED, Phase.STARTING):
        places = read_places(connection.mlflow, connection.mlflow.run(job.run_id), job.attempt)
    if not places:
        raise UsageError(f"{told} has not started: it is {job.phase}")
    wanted = [place for place in places if rank in (None, place.rank)]
    if not wanted:
        ranks = ", ".join(str(place.rank) for place in places)
        raise UsageError(f"{told} has no rank {rank}; it has {ranks}")
    return read_stacks(connection.ray, wanted)


def history(connection: Connection, job: Job, metric: str) -> list[tuple[int, float]]:
    points = connection.mlflow.metric_history(job.run_id, metric)
    return sorted((int(point.get("step", 0)), float(point["value"])) for point in points)


# -- which run is meant --------------------------------------------------------------------------------


def _job_run(connection: Connection, reference: str | None) -> Run:
    if reference is None:
        newest = connection.orders(limit=1)
        if not newest:
            raise NotFoundError("no job was submitted yet", "Submit one: `journeyman submit train.yaml`.")
        return newest[0]
    run = connection.run_of_id(records.JOB, reference)
    if run is not None and records.SUBMITTED_MS in run.tags:
        return run
    found: Run | None = None
    if ID.fullmatch(reference):
        begun = connection.orders(f"attributes.run_id LIKE '{reference}%'", limit=SHOWN_IDS)
        found = only_one(begun, reference, "job")
    if found is None and NAME.fullmatch(reference):
        found = next(iter(connection.orders(f"tags.`{records.NAME}` = '{reference}'", limit=1)), None)
    if found is None:
        raise NotFoundError(f"there is no job {reference!r}", "`journeyman jobs` lists those there are.")
    return found


def _run_to_cancel(connection: Connection, reference: str) -> Run:
    """As for a job; and by an id also an order that was cut in half, of which no listing tells."""
    try:
        return _job_run(connection, reference)
    except NotFoundError:
        if not ID.fullmatch(reference):
            raise
        begun = connection.runs(records.JOB, f"attributes.run_id LIKE '{reference}%'", limit=SHOWN_IDS)
        found = only_one(begun, reference, "job")
        if found is None:
            raise
        return found
