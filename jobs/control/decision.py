"""What is to be done about the jobs there are, decided from what control has seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_state import RayJob
from journeyman.jobs.admission import Candidate, Verdict, admit, is_demand
from journeyman.jobs.control.actions import Action, CancelUnread, Mark, Start, Upload
from journeyman.jobs.control.attempts import PAUSES_S, attempt_sizes, retry_due_s
from journeyman.jobs.control.follow import Progress, candidate, follow, is_to_be_submitted
from journeyman.jobs.control.refusals import is_due, is_given_up, refusal_reason
from journeyman.jobs.phases import Phase
from journeyman.jobs.records import JobRecord
from journeyman.jobs.spec import gang
from journeyman.tracking import records
from journeyman.tracking.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What control knows at one moment."""

    jobs: Sequence[JobRecord]
    """Those that have not ended, oldest first."""
    unread: Sequence[Run] = ()
    """Jobs whose records cannot be read: they are set aside, what runs of them goes on."""
    ray_jobs: Mapping[str, RayJob]
    capacity: Capacity
    code_there: frozenset[str]
    """Hashes of the code that the cluster holds."""
    progress: Mapping[str, Progress]
    """By run, of the jobs that run or hang."""
    barred: frozenset[str] = frozenset()
    """Runs that control was not allowed to write to a moment ago."""


def decide(snapshot: Snapshot, now: float) -> list[Action]:
    """What is to be done now, oldest job first."""
    actions: list[Action] = []
    queue: list[JobRecord] = []
    first = _first_of_key(snapshot.jobs)
    sizes = _sizes(snapshot, now)
    for job in snapshot.jobs:
        match job.phase:
            case Phase.QUEUED if job.cancel_ms is not None:
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason="cancelled before it started"))
            case Phase.QUEUED if (twin := first[_key(job)]) is not job:
                reason = f"was submitted twice: it is job {twin.run.run_id[:8]}"
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason=reason))
            case Phase.QUEUED if job.run.run_id in snapshot.barred:
                pass
            case Phase.QUEUED if job.refusal is not None and not is_due(job.refusal, now):
                phase = Phase.FAILED if is_given_up(job.refusal) else job.phase
                actions.append(Mark(job=job, phase=phase, reason=refusal_reason(job.refusal)))
            case Phase.QUEUED if 0 < retry_due_s(job.attempts) - now <= PAUSES_S[-1]:
                # Its reason says so already.
                pass
            case Phase.QUEUED:
                queue.append(job)
            case Phase.STARTING | Phase.RUNNING | Phase.HUNG | Phase.CANCELLING:
                ray_job = snapshot.ray_jobs.get(job.submission_id)
                progress = snapshot.progress.get(job.run.run_id)
                workers = sizes.get(job.run.run_id, job.spec.workers.least)
                actions += follow(job, ray_job, progress, snapshot.capacity, workers, now)
            case Phase.FINISHED | Phase.FAILED | Phase.CANCELLED:
                # It ended, and control died before MLflow's own status said so.
                actions.append(Mark(job=job, phase=job.phase, reason=job.run.reason))
            case _:
                assert_never(job.phase)
    actions += _admit(queue, snapshot, sizes)
    actions += [_cancel_unread(run, snapshot) for run in snapshot.unread if records.CANCEL_MS in run.tags]
    return actions


def _sizes(snapshot: Snapshot, now: float) -> dict[str, int]:
    """By run, how many workers those start with that are about to take what is free.

    Until Ray has taken a submission its size is decided anew, by what is free now.
    """
    sizes: dict[str, int] = {}
    capacity = snapshot.capacity
    again = list[JobRecord]()
    for job in snapshot.jobs:
        if not _is_about_to_take(job, snapshot, now):
            continue
        if is_to_be_submitted(job, snapshot.ray_jobs.get(job.submission_id)):
            again.append(job)
        else:
            sizes[job.run.run_id] = workers = job.attempts[-1].workers or job.spec.workers.least
            capacity = capacity.after(gang(job.spec, workers))
    decided = attempt_sizes([job.spec for job in again], capacity)
    return sizes | {job.run.run_id: size for job, size in zip(again, decided, strict=True)}


def _admit(queue: Sequence[JobRecord], snapshot: Snapshot, taking: Mapping[str, int]) -> list[Action]:
    """`taking`: the sizes of those that are about to take what is free."""
    actions: list[Action] = []
    capacity = snapshot.capacity
    growing: Candidate | None = None
    for job in snapshot.jobs:
        if job.run.run_id not in taking:
            continue
        if is_demand(gang(job.spec), snapshot.capacity):
            # It holds nothing until all its nodes are there.
            growing = growing or candidate(job)
        else:
            capacity = capacity.after(gang(job.spec, taking[job.run.run_id]))
    starting: list[tuple[JobRecord, str]] = []
    admissions = admit([candidate(job) for job in queue], capacity, growing)
    for job, admission in zip(queue, admissions, strict=True):
        match admission.verdict:
            case Verdict.NEVER:
                # It fitted when it was submitted: a node is gone, and may come back.
                reason = f"waits for nodes: {admission.reason}"
                actions.append(Mark(job=job, phase=Phase.QUEUED, reason=reason))
            case Verdict.WAIT:
                actions.append(Mark(job=job, phase=Phase.QUEUED, reason=admission.reason))
            case Verdict.START | Verdict.GROW if job.code_sha256 not in snapshot.code_there:
                if admission.verdict is Verdict.START:
                    # Its place is its own while its code is on its way: no other job grows into it.
                    capacity = capacity.after(gang(job.spec))
                actions.append(Upload(job=job, reason="uploading its code to the cluster"))
            case Verdict.START:
                starting.append((job, admission.reason))
            case Verdict.GROW:
                reason = f"starts for the cluster to grow: {admission.reason}"
                least = job.spec.workers.least
                actions.append(Start(job=job, workers=least, reason=reason, demand=True))
            case _:
                assert_never(admission.verdict)
    sizes = attempt_sizes([job.spec for job, _ in starting], capacity)
    for (job, reason), workers in zip(starting, sizes, strict=True):
        actions.append(Start(job=job, workers=workers, reason=reason))
    return actions


def _is_about_to_take(job: JobRecord, snapshot: Snapshot, now: float) -> bool:
    """What a starting job has not taken yet is not free, whatever the nodes say; one that is refused takes
    nothing, and one whose workers are there has taken it."""
    if job.phase is not Phase.STARTING or job.attempts[-1].ready_ms is not None:
        return False
    return job.submission_id in snapshot.ray_jobs or is_due(job.refusal, now)


def _cancel_unread(run: Run, snapshot: Snapshot) -> CancelUnread:
    living = [
        submission_id
        for submission_id, ray_job in snapshot.ray_jobs.items()
        if submission_id.startswith(f"{run.run_id}-") and not ray_job.ended
    ]
    return CancelUnread(run=run, living=living)


def _key(job: JobRecord) -> str:
    return job.run.tags.get(records.SUBMISSION_KEY) or job.run.run_id


def _first_of_key(jobs: Sequence[JobRecord]) -> dict[str, JobRecord]:
    """The job that counts of each submission key: one that has begun, else the oldest.

    Two tries at the same submission at once may both leave a run: MLflow has nothing that is unique to hold
    them apart, and control, of which there is one, has.
    """
    first: dict[str, JobRecord] = {}
    for job in sorted(jobs, key=lambda job: job.attempt == 0):
        first.setdefault(_key(job), job)
    return first
