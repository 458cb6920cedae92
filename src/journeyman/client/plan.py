"""What would become of a job if it were submitted now, by the decision that control makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journeyman.client.connection import Connection
from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_state import RayJob
from journeyman.errors import UnreadableError
from journeyman.jobs.admission import TURN, Candidate, Verdict, admit, behind, waits_for_room
from journeyman.jobs.control.actions import CancelUnread, Mark
from journeyman.jobs.control.decision import Snapshot, decide
from journeyman.jobs.records import JobRecord, read_job
from journeyman.jobs.spec import gang
from journeyman.tracking import records
from journeyman.tracking.records import Run

if TYPE_CHECKING:
    from journeyman.jobs.submit.submission import Order

_ATTEMPT = re.compile(r"([0-9a-f]{32})-\d+")
"""What Ray calls an attempt of a job."""
_PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would become of a job if it were submitted now."""

    name: str
    verdict: str
    reason: str
    workers: str
    code_files: int
    code_bytes: int
    remarks: tuple[str, ...]
    """What a person may not have meant."""


def alone(connection: Connection, order: Order) -> tuple[Verdict, str]:
    """What would become of the job if there were no other, and why."""
    job = Candidate(run_id=_PLANNED, name=order.spec.name, gang=gang(order.spec))
    [admission] = admit([job], _capacity(connection))
    match admission.verdict:
        case Verdict.NEVER:
            reason = f"can never run: {admission.reason}; ask for fewer workers or smaller resources"
        case Verdict.GROW:
            reason = f"fits no node there is: {admission.reason}; the cluster may grow for it"
        case _:
            reason = admission.reason
    return admission.verdict, reason


def plan_of(connection: Connection, order: Order) -> Plan:
    verdict, reason = alone(connection, order)
    if verdict not in (Verdict.NEVER, Verdict.GROW):
        verdict, reason = _decided(connection, order)
    return Plan(
        name=order.spec.name,
        verdict=verdict.value,
        reason=reason,
        workers=str(order.spec.workers),
        code_files=order.files,
        code_bytes=len(order.code.content),
        remarks=order.remarks,
    )


def _decided(connection: Connection, order: Order) -> tuple[Verdict, str]:
    # Ray first, as control does: what is seen to run has its record in what is read next.
    ray_jobs = connection.ray.jobs()
    unfinished = connection.unfinished_orders()
    now_ms = connection.mlflow.now_ms()
    queue = sorted(_readable(unfinished), key=lambda job: (job.submitted_ms or 0, job.run.run_id))
    planned = read_job(_planned(connection, order, now_ms))
    snapshot = Snapshot(
        jobs=[*queue, planned],
        ray_jobs=ray_jobs,
        capacity=_capacity(connection),
        code_there=frozenset(job.run.tags.get(records.CODE_SHA256, "") for job in (*queue, planned)),
        progress={},
    )
    decided = [each for each in decide(snapshot, now_ms / 1000) if not isinstance(each, CancelUnread)]
    [action] = (each for each in decided if each.job.run.run_id == _PLANNED)
    verdict = Verdict.WAIT if isinstance(action, Mark) else Verdict.START
    reason = action.reason
    if reason == TURN:
        first = next(each.job for each in decided if waits_for_room(each.reason))
        reason = behind(first.spec.name, first.run.run_id)
    hidden = _hidden(ray_jobs.items(), {run.run_id for run in unfinished})
    if not hidden:
        return verdict, reason
    return verdict, (
        f"{reason}; MLflow does not show you every job ({hidden} of those that run are hidden), "
        "and some may wait before it"
    )


def _readable(runs: Iterable[Run]) -> Iterator[JobRecord]:
    """Those that control takes into account too: what it cannot read it sets aside."""
    for run in runs:
        try:
            yield read_job(run)
        except UnreadableError:
            continue


def _planned(connection: Connection, order: Order, now_ms: int) -> Run:
    """The run that the order would be, the last of the queue."""
    from journeyman.jobs.submit.submission import order_tags

    tags = order_tags(order, connection.settings, key=_PLANNED) | {records.SUBMITTED_MS: str(now_ms)}
    return Run(
        run_id=_PLANNED,
        experiment_id="",
        run_name=order.spec.name,
        status="SCHEDULED",
        artifact_uri="",
        start_ms=now_ms,
        end_ms=None,
        tags=tags,
        params={},
        metrics={},
        steps={},
    )


def _hidden(ray_jobs: Iterable[tuple[str, RayJob]], seen: set[str]) -> int:
    """How many jobs run of which MLflow shows the caller no run."""
    named = (_ATTEMPT.fullmatch(submission_id) for submission_id, job in ray_jobs if not job.ended)
    return len({each[1] for each in named if each is not None} - seen)


def _capacity(connection: Connection) -> Capacity:
    return connection.ray.capacity(connection.settings.growth, connection.ray.applications())
