"""Whether another attempt at a job is due, when and of what size; when a start is given up. Pure.

What machines do to a job is made good, but not without end: one that breaks its nodes would go on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from journeyman.cluster.capacity import Capacity, fits_now
from journeyman.cluster.requirements import why_not_installed
from journeyman.cluster.resources import ray_amounts
from journeyman.jobs.attempt import Attempt
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec, gang

MAX_FAILURES = 5
"""With that many failures of machines that count, a job has failed."""
FREE_PREEMPTIONS = 2
"""So many nodes may be taken away without a checkpoint in between; from then on each counts as a failure."""
PAUSES_S = (0.0, 10.0, 30.0, 60.0, 120.0)
"""Before the attempt that follows one failure, two, and so on, without a checkpoint in between."""
READY_S = 3600.0
"""How long nodes that a cluster grows by, and what is installed on them, may take."""

_NO_ENVIRONMENT = "runtime_env setup failed"
_DIED = Outcome(cause=Cause.MACHINE, message="the driver died")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt is due."""

    pause_s: float
    reason: str


def driverless(message: str, requirements: Sequence[str]) -> Outcome:
    """The outcome of an attempt whose driver wrote none; `message` is what Ray says of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if requirements and message.startswith(_NO_ENVIRONMENT) and (why := why_not_installed(message)):
        return Outcome(cause=Cause.USER, message=why)
    # Ray repeats the end of the driver's output: its last line is the cause, the rest is in the log.
    return Outcome(cause=Cause.MACHINE, message=f"the driver died: {lines[-1] if lines else 'cause unknown'}")


def next_attempt(attempts: Sequence[Attempt], outcome: Outcome) -> Retry | None:
    """What follows the newest of these attempts, which ended like that; None where nothing does."""
    if not _made_good(outcome):
        return None
    history = [*attempts[:-1], replace(attempts[-1], outcome=outcome)]
    if _failures(history) >= MAX_FAILURES:
        return None
    pause_s = _pause_s(history)
    when = f"retries in {pause_s:g} s, from" if pause_s else "resumes from"
    last = history[-1]
    where = f"rank {outcome.rank}: " if outcome.rank is not None else ""
    return Retry(
        pause_s=pause_s,
        reason=f"{when} its last checkpoint (attempt {last.number} died: {where}{outcome.message})",
    )


def why_final(attempts: Sequence[Attempt], outcome: Outcome) -> str:
    """What is added to the reason of a job that machines ended for good; empty for any other end."""
    if not _made_good(outcome):
        return ""
    return f" (attempt {attempts[-1].number}; failures of machines that count: {MAX_FAILURES})"


def retry_due_s(attempts: Sequence[Attempt]) -> float:
    """From when on the attempt after these may begin, by MLflow's clock; 0 where that is at once."""
    if not attempts or (ended_ms := attempts[-1].ended_ms) is None:
        return 0.0
    return ended_ms / 1000 + _pause_s(attempts)


def _made_good(outcome: Outcome) -> bool:
    return outcome.cause in (Cause.MACHINE, Cause.PREEMPTED)


def _failures(attempts: Sequence[Attempt]) -> int:
    """How many failures count: those since the newest checkpoint, and each for want of memory."""
    progress = _progress(attempts)
    since = _newest_progress(progress)
    failures = preemptions = 0
    for index, attempt in enumerate(attempts):
        ended = _ended(attempt)
        if ended.out_of_memory or (index >= since and ended.cause is not Cause.PREEMPTED):
            failures += 1
        elif index >= since and not progress[index]:
            preemptions += 1
    return failures + max(0, preemptions - FREE_PREEMPTIONS)


def _pause_s(attempts: Sequence[Attempt]) -> float:
    since = len(attempts) - _newest_progress(_progress(attempts))
    return PAUSES_S[min(since, len(PAUSES_S)) - 1]


def _newest_progress(progress: Sequence[bool]) -> int:
    """The index of the last attempt that committed a checkpoint further on; 0 where none did."""
    return next((index for index in reversed(range(len(progress))) if progress[index]), 0)


def _progress(attempts: Sequence[Attempt]) -> list[bool]:
    """Of each attempt whether it committed a checkpoint further on than all before it.

    A driver that died tells nothing of it; the one after it does, by what it resumed from.
    """
    progress, furthest = [], -1
    for attempt, after in zip(attempts, [*attempts[1:], None], strict=True):
        furthest = max(furthest, _or_none(attempt.resumed_step))
        reached = _or_none(_ended(attempt).checkpoint_step)
        if after is not None:
            reached = max(reached, _or_none(after.resumed_step))
        progress.append(reached > furthest)
        furthest = max(furthest, _or_none(_ended(attempt).checkpoint_step))
    return progress


def _or_none(step: int | None) -> int:
    """What is before every step, where there is none."""
    return -1 if step is None else step


def _ended(attempt: Attempt) -> Outcome:
    return attempt.outcome or _DIED


def attempt_sizes(starting: Sequence[TrainSpec], capacity: Capacity) -> list[int]:
    """With how many workers each of these jobs starts, which are admitted with their least.

    The most that fit now, beside the least of the others, oldest first.
    """
    for spec in starting:
        capacity = capacity.after(gang(spec))
    sizes = []
    for spec in starting:
        size, worker = spec.workers.least, [ray_amounts(spec.resources)]
        while size < spec.workers.most and fits_now(worker, capacity):
            capacity = capacity.after(worker)
            size += 1
        sizes.append(size)
    return sizes


def start_overdue(attempt: Attempt, limit_s: float, now_s: float) -> str:
    """Why an attempt that has not started is given up; empty where it is waited for."""
    if attempt.started_ms is not None:
        return ""
    if attempt.ready_ms is not None:
        late = now_s - attempt.ready_ms / 1000 > limit_s
        return f"it did not start within its start_timeout of {limit_s:g} s" if late else ""
    if attempt.admitted_ms is not None and now_s - attempt.admitted_ms / 1000 > READY_S + limit_s:
        return f"its nodes and its environment were not there after {READY_S + limit_s:g} s"
    return ""


def missing_ranks(workers: int | None, told: Iterable[int]) -> str:
    """Which ranks have not said where they run, in words; empty where that is not known."""
    missing = sorted(set(range(workers or 0)) - set(told))
    if not missing:
        return ""
    many = "s" if len(missing) > 1 else ""
    return f"rank{many} {', '.join(map(str, missing))} {'are' if many else 'is'} missing"
