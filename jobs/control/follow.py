"""What is to be done about a job whose attempt is claimed: until it runs, while it does, and once it is over.

Pure. What Ray says of the attempt goes before what was sent to it: a stop is sent until it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_state import RayJob
from journeyman.jobs.admission import GROWTH_LIMIT_S, Candidate, Verdict, admit
from journeyman.jobs.attempt import ran_s
from journeyman.jobs.control.actions import Abandon, Action, Admit, AskToEnd, Mark, Start, Stop, Suspect
from journeyman.jobs.control.attempts import driverless, next_attempt, start_overdue, why_final
from journeyman.jobs.control.hang import FLOOR_S, WAITS, Pace, Watch, hang_reason
from journeyman.jobs.control.refusals import is_due, is_given_up, refusal_reason
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import RUN_STATUS, Phase
from journeyman.jobs.records import JobRecord
from journeyman.jobs.spec import gang
from journeyman.jobs.waits import Wait, nobody_moves, who_waits
from journeyman.tracking import records
from journeyman.tracking.records import Run

AFTER_GRACE_S = 15.0
"""What it takes beside the grace that a script hears of its end, and that its driver writes it down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of the steps of a job that runs."""

    watch: Watch
    pace: Pace | None
    """None too where it is not read: of a job that steps nobody asks it."""
    waits: Sequence[Wait] | None = None
    """What its ranks say of themselves; None where it is not read."""


def candidate(job: JobRecord) -> Candidate:
    """A job as admission sees it."""
    return Candidate(run_id=job.run.run_id, name=job.spec.name, gang=gang(job.spec))


def follow(
    job: JobRecord,
    ray_job: RayJob | None,
    progress: Progress | None,
    capacity: Capacity,
    workers: int,
    now: float,
) -> list[Action]:
    """`ray_job` is the attempt as Ray tells it: None where it knows none, which lives no more then.

    `workers` is the size that the attempt has where it is submitted now.
    """
    if ray_job is not None and not ray_job.ended:
        return _follow_living(job, progress, capacity, now)
    if is_to_be_submitted(job, ray_job):
        return [_submit_again(job, workers, now)]
    return [_judge(job, ray_job)]


def is_to_be_submitted(job: JobRecord, ray_job: RayJob | None) -> bool:
    """Whether an attempt is claimed that Ray does not know."""
    never_began = ray_job is None and job.phase is Phase.STARTING
    return never_began and job.outcome is None and not job.outcome_trouble and job.cancel_ms is None


def _submit_again(job: JobRecord, workers: int, now: float) -> Action:
    if job.refusal is None or is_due(job.refusal, now):
        reason = "starts: its attempt is submitted again"
        return Start(job=job, workers=workers, reason=reason, demand=bool(job.demand_ms))
    phase = Phase.FAILED if is_given_up(job.refusal) else job.phase
    return Mark(job=job, phase=phase, reason=refusal_reason(job.refusal))


def _follow_living(job: JobRecord, progress: Progress | None, capacity: Capacity, now: float) -> list[Action]:
    if job.cancel_ms is not None:
        return _end(job, "cancelling at the user's request", now)
    started_ms, limit_s = job.workers_started_ms, job.spec.max_duration
    if job.phase is Phase.CANCELLING:
        return _end(job, job.run.reason, now)
    if job.phase is Phase.STARTING and started_ms is None and (job.outcome or job.outcome_trouble):
        # It was given up, and is there still.
        return [Abandon(job=job, reason=job.run.reason)]
    if limit_s is not None and ran_s(job.attempts, now) > limit_s:
        return _end(job, f"stops: it ran for its max_duration of {limit_s:g} s", now)
    if job.phase is Phase.STARTING and started_ms is not None:
        return [Mark(job=job, phase=Phase.RUNNING, reason=f"runs on {job.spec.in_workers}")]
    if job.phase is Phase.STARTING and job.attempts[-1].admitted_ms is None:
        # Of a version that wrote no moments: it is waited for from now on.
        reason = "waits for its workers"
        return [Admit(job=job, workers=job.spec.workers.least, reason=reason)]
    if job.phase is Phase.STARTING and (late := start_overdue(job.attempts[-1], job.spec.start_timeout, now)):
        return [Abandon(job=job, reason=late)]
    if job.phase is Phase.STARTING:
        # Ray learns late that a node is gone: what it said was free when the attempt began may not be there.
        [admission] = admit([candidate(job)], capacity)
        since_s = now - job.demand_ms / 1000 if job.demand_ms else 0.0
        if admission.verdict is Verdict.GROW and since_s > GROWTH_LIMIT_S:
            reason = f"no nodes came for it within {GROWTH_LIMIT_S / 60:g} min: {admission.reason}"
            return [Stop(job=job, reason=reason)]
        if admission.verdict in (Verdict.NEVER, Verdict.GROW):
            return [Mark(job=job, phase=Phase.STARTING, reason=f"waits for nodes: {admission.reason}")]
    if progress is not None and (action := _look_at_steps(job, progress)):
        return [action]
    if job.run.status != RUN_STATUS[job.phase]:
        # Control died before MLflow's own status said so.
        return [Mark(job=job, phase=job.phase, reason=job.run.reason)]
    return []


def _end(job: JobRecord, reason: str, now: float) -> list[Action]:
    """A script that runs has its grace first: its processes tell it, and record what it does meanwhile."""
    told_ms = job.stop_ms
    if job.spec.run is None or job.workers_started_ms is None:
        return [Stop(job=job, reason=reason)]
    if told_ms is None and job.phase is not Phase.CANCELLING:
        return [AskToEnd(job=job, reason=reason)]
    if told_ms is not None and 0 <= now - told_ms / 1000 < job.spec.grace + AFTER_GRACE_S:
        return []
    return [Stop(job=job, reason=reason)]


def _look_at_steps(job: JobRecord, progress: Progress) -> Action | None:
    watch = progress.watch
    if job.phase is Phase.HUNG and watch.stepped and watch.silent_s < FLOOR_S:
        reason = f"runs on {job.spec.in_workers}, and steps again"
        return Mark(job=job, phase=Phase.RUNNING, reason=reason)
    ranks = job.attempts[-1].workers or job.spec.workers.least
    if job.phase is Phase.HUNG and job.run.reason.startswith(WAITS) and progress.waits is not None:
        if nobody_moves(progress.waits, ranks) or who_waits(progress.waits, ranks):
            return None
        return Mark(job=job, phase=Phase.RUNNING, reason=f"runs on {job.spec.in_workers}, and moves again")
    if job.phase is Phase.RUNNING and not _publishes(job.run, job.attempt):
        hangs = hang_reason(watch.silent_s, progress.pace, progress.waits or (), ranks)
        return Suspect(job=job, reason=hangs) if hangs else None
    return None


def _publishes(run: Run, attempt: int) -> bool:
    """Whether the ranks are past training: while a model is exported no step is due."""
    return f"{records.CLAIM_PARAM}.{attempt}.publication" in run.params


def _judge(job: JobRecord, ray_job: RayJob | None) -> Action:
    """An attempt that is over: the job's true end, or another attempt."""
    outcome = _outcome(job, ray_job)
    if outcome.cause is Cause.FINISHED:
        version = job.run.tags.get(records.MODEL_VERSION)
        reason = f"published {version}" if version else "training is done"
        return Mark(job=job, phase=Phase.FINISHED, reason=reason)
    if job.cancel_ms is not None:
        reason = "cancelled before it ran" if job.workers_started_ms is None else "cancelled while it ran"
        if outcome.cause is Cause.STOPPED:
            reason = f"{reason}: {outcome.message}"
        return Mark(job=job, phase=Phase.CANCELLED, reason=reason)
    if job.phase is Phase.CANCELLING:
        # Why it was stopped was recorded before it was.
        return Mark(job=job, phase=Phase.FAILED, reason=job.run.reason)
    if job.outcome is None and ray_job is not None and ray_job.status == "STOPPED":
        reason = "its driver was stopped in Ray: by hand, or by control while its run was deleted in MLflow"
        return Mark(job=job, phase=Phase.CANCELLED, reason=reason)
    where = f"rank {outcome.rank}: " if outcome.rank is not None else ""
    told = f"{where}{outcome.message.strip() or 'nothing tells why'}"
    if retry := next_attempt(job.attempts, outcome):
        return Mark(job=job, phase=Phase.QUEUED, reason=retry.reason)
    return Mark(job=job, phase=Phase.FAILED, reason=f"{told}{why_final(job.attempts, outcome)}")


def _outcome(job: JobRecord, ray_job: RayJob | None) -> Outcome:
    if job.outcome is not None:
        return job.outcome
    message = ray_job.message if ray_job else "the cluster it ran on is gone"
    if not job.outcome_trouble:
        return driverless(message, job.spec.requirements)
    # Its driver wrote one, so it was not the driver that died, and it exits with 0 where all is done. What
    # failed otherwise fails for good: texts so long that MLflow cut them were people's own exceptions.
    done = ray_job is not None and ray_job.status == "SUCCEEDED"
    cause = Cause.FINISHED if done else Cause.USER
    return Outcome(cause=cause, message=f"{job.outcome_trouble}; of its driver Ray says: {message}")
