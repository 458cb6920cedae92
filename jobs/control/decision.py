"""What is to be done about the jobs there are, decided from what control has seen. Pure.

Every action may be repeated: an attempt is claimed with a write-once param and its Ray submission id is
refused the second time, so a control that died in between is followed by one that finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_state import RayJob
from journeyman.jobs.admission import Candidate, Verdict, admit
from journeyman.jobs.attempt import ran_s, read_attempts
from journeyman.jobs.control.attempts import (
    attempt_sizes,
    driverless,
    next_attempt,
    retry_due_s,
    start_overdue,
    why_final,
)
from journeyman.jobs.control.hang import FLOOR_S, Pace, Watch, hang_reason
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import Phase
from journeyman.jobs.spec import TrainSpec, gang
from journeyman.tracking import records
from journeyman.tracking.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that has not ended, as its run tells it."""

    run: Run
    spec: TrainSpec

    @property
    def phase(self) -> Phase:
        return Phase(self.run.phase)

    @property
    def submission_id(self) -> str:
        return f"{self.run.run_id}-{self.run.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of the steps of a job that runs."""

    watch: Watch
    pace: Pace | None
    """None too where it is not read: of a job that steps nobody asks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What control knows at one moment."""

    jobs: Sequence[Job]
    """Oldest first."""
    ray_jobs: Mapping[str, RayJob]
    capacity: Capacity
    code_there: frozenset[str]
    """Hashes of the code that the cluster holds."""
    progress: Mapping[str, Progress]
    """By run, of the jobs that run or hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Bring a job's code to the cluster, off the loop."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Claim an attempt and submit its driver."""

    job: Job
    attempt: int
    workers: int
    """The size of this attempt."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Have Ray stop a job's driver."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """Record that an attempt does not start, and have Ray stop its driver; another one may follow."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Record a phase with its reason."""

    job: Job
    phase: Phase
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Store the stacks of a job that hangs, off the loop, and record that it does."""

    job: Job
    reason: str


Action = Upload | Start | Stop | Abandon | Mark | Suspect


def decide(snapshot: Snapshot, now: float) -> list[Action]:
    """What is to be done now, oldest job first."""
    actions: list[Action] = []
    queue: list[Job] = []
    first = _first_of_key(snapshot.jobs)
    for job in snapshot.jobs:
        match job.phase:
            case Phase.QUEUED if job.run.milliseconds(records.CANCEL_MS):
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason="cancelled before it started"))
            case Phase.QUEUED if (twin := first[_key(job)]) is not job:
                reason = f"was submitted twice: it is job {twin.run.run_id[:8]}"
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason=reason))
            case Phase.QUEUED if retry_due_s(read_attempts(job.run)) > now:
                # Its reason says so already.
                continue
            case Phase.QUEUED:
                queue.append(job)
            case Phase.STARTING | Phase.RUNNING | Phase.HUNG | Phase.CANCELLING:
                actions += _follow(job, snapshot, now)
            case _:
                # It ended, and control died before MLflow's own status said so.
                actions.append(Mark(job=job, phase=job.phase, reason=job.run.reason))
    # What a starting job has not taken yet is not free, whatever the nodes say.
    capacity = snapshot.capacity
    for job in snapshot.jobs:
        if job.phase is Phase.STARTING:
            capacity = capacity.after(gang(job.spec, read_attempts(job.run)[-1].workers))
    starting: list[tuple[Job, str]] = []
    for job, admission in zip(queue, admit([_candidate(job) for job in queue], capacity), strict=True):
        match admission.verdict:
            case Verdict.NEVER:
                # It fitted when it was submitted: a node is gone, and may come back.
                reason = f"waits for nodes: {admission.reason}"
                actions.append(Mark(job=job, phase=Phase.QUEUED, reason=reason))
            case Verdict.WAIT:
                actions.append(Mark(job=job, phase=Phase.QUEUED, reason=admission.reason))
            case Verdict.START if job.run.tags[records.CODE_SHA256] not in snapshot.code_there:
                actions.append(Upload(job=job, reason="takes its code to the cluster"))
            case Verdict.START:
                starting.append((job, admission.reason))
            case _:
                assert_never(admission.verdict)
    sizes = attempt_sizes([job.spec for job, _ in starting], capacity)
    for (job, reason), workers in zip(starting, sizes, strict=True):
        actions.append(Start(job=job, attempt=job.run.attempt + 1, workers=workers, reason=reason))
    return actions


def _key(job: Job) -> str:
    return job.run.tags.get(records.SUBMISSION_KEY, job.run.run_id)


def _first_of_key(jobs: Sequence[Job]) -> dict[str, Job]:
    """The job that counts of each submission key: one that has begun, else the oldest.

    Two tries at the same submission at once may both leave a run: MLflow has nothing that is unique to hold
    them apart, and control, of which there is one, has.
    """
    first: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda job: job.run.attempt == 0):
        first.setdefault(_key(job), job)
    return first


def only_tells(action: Action) -> bool:
    """Whether an action changes nothing but the reason that people read."""
    return isinstance(action, Mark) and action.phase is action.job.phase


def _candidate(job: Job) -> Candidate:
    return Candidate(run_id=job.run.run_id, name=job.spec.name, gang=gang(job.spec))


def _follow(job: Job, snapshot: Snapshot, now: float) -> list[Action]:
    """A job whose attempt is claimed."""
    run, ray_job = job.run, snapshot.ray_jobs.get(job.submission_id)
    if ray_job is None:
        if run.milliseconds(records.CANCEL_MS):
            return [Mark(job=job, phase=Phase.CANCELLED, reason="cancelled")]
        if job.phase is Phase.STARTING and f"{records.OUTCOME}.{run.attempt}" not in run.tags:
            workers = read_attempts(run)[-1].workers or job.spec.workers.least
            return [Start(job=job, attempt=run.attempt, workers=workers, reason=run.reason)]
    elif not ray_job.ended:
        return _follow_living(job, snapshot, now)
    return [_judge(job, ray_job)]


def _follow_living(job: Job, snapshot: Snapshot, now: float) -> list[Action]:
    run = job.run
    if job.phase is Phase.CANCELLING:
        return []
    if run.milliseconds(records.CANCEL_MS):
        return [Stop(job=job, reason="stops: cancel was asked for")]
    started_ms = run.milliseconds(records.WORKERS_STARTED_MS)
    attempts = read_attempts(run)
    if job.phase is Phase.STARTING and f"{records.OUTCOME}.{run.attempt}" in run.tags and started_ms is None:
        # It was given up, and is there still.
        return [Abandon(job=job, reason="")]
    limit_s = job.spec.max_duration
    if limit_s is not None and ran_s(attempts, now) > limit_s:
        return [Stop(job=job, reason=f"stops: it ran for its max_duration of {limit_s:g} s")]
    if job.phase is Phase.STARTING and started_ms is not None:
        return [Mark(job=job, phase=Phase.RUNNING, reason=f"runs on {job.spec.in_workers}")]
    if job.phase is Phase.STARTING and (late := start_overdue(attempts[-1], job.spec.start_timeout, now)):
        return [Abandon(job=job, reason=late)]
    if job.phase is Phase.STARTING:
        # Ray learns late that a node is gone: what it said was free when the attempt began may not be there.
        [admission] = admit([_candidate(job)], snapshot.capacity)
        if admission.verdict is Verdict.NEVER:
            return [Mark(job=job, phase=Phase.STARTING, reason=f"waits for nodes: {admission.reason}")]
    progress = snapshot.progress.get(job.run.run_id)
    if progress is None:
        return []
    watch = progress.watch
    if job.phase is Phase.HUNG and watch.stepped and watch.silent_s < FLOOR_S:
        reason = f"runs on {job.spec.in_workers}, and steps again"
        return [Mark(job=job, phase=Phase.RUNNING, reason=reason)]
    if job.phase is Phase.RUNNING and not _publishes(run):
        hangs = hang_reason(watch.silent_s, progress.pace)
        return [Suspect(job=job, reason=hangs)] if hangs else []
    return []


def _publishes(run: Run) -> bool:
    """Whether the ranks are past training: while a model is exported no step is due."""
    return f"{records.CLAIM_PARAM}.{run.attempt}.publication" in run.params


def _judge(job: Job, ray_job: RayJob | None) -> Action:
    """An attempt that is over: the job's true end, or another attempt."""
    run = job.run
    written = run.tags.get(f"{records.OUTCOME}.{run.attempt}")
    if written is not None:
        outcome = Outcome.from_json(written)
    else:
        outcome = driverless(
            ray_job.message if ray_job else "the cluster it ran on is gone", job.spec.requirements
        )
    if outcome.cause is Cause.FINISHED:
        version = run.tags.get(records.MODEL_VERSION)
        reason = f"published {version}" if version else "training is done"
        return Mark(job=job, phase=Phase.FINISHED, reason=reason)
    if job.phase is Phase.CANCELLING or run.milliseconds(records.CANCEL_MS):
        if run.milliseconds(records.CANCEL_MS):
            return Mark(job=job, phase=Phase.CANCELLED, reason="cancelled while it ran")
        return Mark(job=job, phase=Phase.FAILED, reason=run.reason)
    where = f"rank {outcome.rank}: " if outcome.rank is not None else ""
    attempts = read_attempts(run)
    if retry := next_attempt(attempts, outcome):
        return Mark(job=job, phase=Phase.QUEUED, reason=retry.reason)
    reason = f"{where}{outcome.message}{why_final(attempts, outcome)}"
    return Mark(job=job, phase=Phase.FAILED, reason=reason)
