"""The attempts at a job, as its run tells of them: moments, what each resumed from, how it ended. Pure.

Each moment is a param of the run, which MLflow stores once: what is written again, by whoever is late, is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from journeyman.cluster.spec_file import MOST_COUNT
from journeyman.errors import UnreadableError
from journeyman.jobs.outcome import Outcome
from journeyman.tracking import records
from journeyman.tracking.records import Run, shortened

ADMITTED = "admitted"
"""`<ms> <workers>`: when control began it, and with how many workers.

In a tag too, which goes before the param, where it was submitted again: until Ray has taken it, its size is
decided anew, and nobody waits for its nodes. In a tag alone of a version before, which wrote no moments."""
READY_MS = "ready_ms"
"""When its nodes were there, its environment was built on them, and every worker had answered."""
STARTED_MS = "started_ms"
"""When rank 0 began."""
FIRST_STEP_MS = "first_step_ms"
"""When rank 0 reported first."""
ENDED_MS = "ended_ms"
RESUMED = "resumed"
"""`<step> <place>` of the committed checkpoint of an earlier attempt that it goes on from."""


def moment(attempt: int, event: str) -> str:
    """The key of a param."""
    return f"{records.CLAIM_PARAM}.{attempt}.{event}"


def admitted_text(now_ms: int, workers: int) -> str:
    return f"{now_ms} {workers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt. Times are of MLflow's clock, in milliseconds; None is what nobody has written."""

    number: int
    workers: int | None = None
    admitted_ms: int | None = None
    ready_ms: int | None = None
    started_ms: int | None = None
    first_step_ms: int | None = None
    ended_ms: int | None = None
    resumed_step: int | None = None
    outcome: Outcome | None = None
    """None too of an attempt whose driver died without a word."""


DIED = "machine: its driver died without an error message"
"""Of an attempt that is over and has no outcome."""
_NUMBER = re.compile(r"[0-9]{1,15}")
MAX_ATTEMPTS = 1_000
"""More than any job comes to: a larger number was not written by a control."""


def read_attempts(run: Run, newest: int) -> tuple[Attempt, ...]:
    """All that were begun, oldest first; `newest` is the number of the last.

    An outcome that cannot be read is as none: that its attempt ended is known without it. Raises
    UnreadableError where a moment is in no form that this version reads.
    """
    if newest > MAX_ATTEMPTS:
        raise UnreadableError(f"{records.ATTEMPT} is {newest}, and no job has more than {MAX_ATTEMPTS}")
    try:
        return tuple(_read(run, number, newest) for number in range(1, newest + 1))
    except ValueError as error:
        raise UnreadableError(f"what is stored of its attempts cannot be read: {error}") from error


def _read(run: Run, number: int, newest: int) -> Attempt:
    def told(event: str) -> str | None:
        return run.params.get(moment(number, event))

    def milliseconds(event: str) -> int | None:
        text = told(event)
        return _number(text) if text else None

    param, resumed = told(ADMITTED), told(RESUMED)
    admitted = run.tags.get(f"{records.ADMITTED}.{number}") or param
    admitted_ms, workers = _admitted(admitted) if admitted else (None, None)
    started_ms = milliseconds(STARTED_MS)
    if started_ms is None and param is None and number == newest:
        # Of a record of before: it has the newest attempt's alone.
        started = run.tags.get(records.WORKERS_STARTED_MS)
        started_ms = _number(started) if started else None
    outcome = run.tags.get(f"{records.OUTCOME}.{number}")
    return Attempt(
        number=number,
        workers=workers,
        admitted_ms=admitted_ms,
        ready_ms=milliseconds(READY_MS),
        started_ms=started_ms,
        first_step_ms=milliseconds(FIRST_STEP_MS),
        ended_ms=milliseconds(ENDED_MS),
        resumed_step=_number(resumed.partition(" ")[0]) if resumed else None,
        outcome=_outcome(outcome) if outcome else None,
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{shortened(text, 60)!r} is no number")
    return int(text)


def _admitted(text: str) -> tuple[int, int]:
    milliseconds, _, workers = text.partition(" ")
    count = _number(workers)
    if not 1 <= count <= MOST_COUNT:
        raise ValueError(f"{count} is no number of workers")
    return _number(milliseconds), count


def _outcome(text: str) -> Outcome | None:
    try:
        return Outcome.from_json(text)
    except UnreadableError:
        return None


def ran_s(attempts: Sequence[Attempt], now_s: float) -> float:
    """How long workers ran, all attempts together; one that has no end yet runs until now."""
    ran_ms = 0.0
    for index, attempt in enumerate(attempts):
        after = attempts[index + 1] if index + 1 < len(attempts) else None
        if attempt.started_ms is None:
            continue
        ended_ms: float | None = attempt.ended_ms
        if ended_ms is None:
            ended_ms = after.admitted_ms if after is not None else now_s * 1000
        ran_ms += max(0.0, (ended_ms or attempt.started_ms) - attempt.started_ms)
    return ran_ms / 1000
