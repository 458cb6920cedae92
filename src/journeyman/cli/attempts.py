"""The attempts at a job as `job` shows them: a line each, with its moments, its size and how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from journeyman.cli.output import duration

if TYPE_CHECKING:
    from journeyman.client import Attempt, Job

HEADINGS = ("ATTEMPT", "WORKERS", "BEGAN", "READY", "STARTED", "FIRST STEP", "ENDED", "STEPS", "")
"""READY to ENDED are counted from when the attempt began. STEPS are those of checkpoints: of the one that it
resumed from, and of its last."""


def attempt_rows(job: Job) -> list[tuple[str, ...]]:
    return [_row(job, attempt) for attempt in job.attempts]


def clock(moment_ms: float | None) -> str:
    return "" if moment_ms is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment_ms / 1000))


def _row(job: Job, attempt: Attempt) -> tuple[str, ...]:
    later = (attempt.ready_ms, attempt.started_ms, attempt.first_step_ms, attempt.ended_ms)
    return (
        str(attempt.number),
        "" if attempt.workers is None else str(attempt.workers),
        _began(attempt.admitted_ms, job.submitted_ms),
        *(_after(moment_ms, attempt.admitted_ms) for moment_ms in later),
        _steps(attempt),
        how_it_ended(job, attempt),
    )


def _began(moment_ms: int | None, submitted_ms: int) -> str:
    """Without the day where that is the day of the submit."""
    day, _, hour = clock(moment_ms).partition(" ")
    return hour if clock(submitted_ms).startswith(day) else f"{day} {hour}"


def _steps(attempt: Attempt) -> str:
    last = None if attempt.outcome is None else attempt.outcome.checkpoint_step
    if attempt.resumed_step is None and last is None:
        return ""
    return f"{_or_nothing(attempt.resumed_step)} → {_or_nothing(last)}".strip()


def _or_nothing(step: int | None) -> str:
    return "" if step is None else str(step)


def _after(moment_ms: int | None, begun_ms: int | None) -> str:
    """A moment as the time since the attempt began; where nobody knows when that was, as a time of day."""
    if moment_ms is None or begun_ms is None:
        return clock(moment_ms)
    return f"+{duration((moment_ms - begun_ms) / 1000)}"


def how_it_ended(job: Job, attempt: Attempt) -> str:
    """Whose doing it was and in which words; of one that has not ended, where it is."""
    from journeyman.jobs.attempt import DIED

    if attempt.outcome is not None:
        return attempt.outcome.told
    if attempt.number < job.attempt or (job.phase == "queued" and attempt.number == job.attempt):
        return DIED
    return job.phase
