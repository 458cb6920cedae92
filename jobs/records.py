"""A job's record, read from its run: each alone, in one place, whoever asks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from journeyman.errors import UnreadableError
from journeyman.jobs.outcome import Outcome
from journeyman.jobs.phases import Phase
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run, check_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as its run tells it."""

    run: Run
    spec: TrainSpec
    phase: Phase
    attempt: int
    """The newest that was claimed; 0 before the first."""
    submitted_ms: int
    cancel_ms: int | None
    workers_started_ms: int | None
    outcome: Outcome | None
    """How the newest attempt ended, as its driver saw it."""


def read_job(run: Run) -> JobRecord:
    """Raises UnreadableError with what of it cannot be read."""
    check_schema(run)
    try:
        spec = TrainSpec.model_validate_json(run.tags.get(records.SPEC, ""))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableError(f"its spec: {where + ': ' if where else ''}{first['msg']}") from None
    phase = run.tags.get(records.PHASE, "")
    if phase not in Phase._value2member_map_:
        raise UnreadableError(f"its phase is {phase[:40]!r}")
    attempt = _number(run, records.ATTEMPT) or 0
    return JobRecord(
        run=run,
        spec=spec,
        phase=Phase(phase),
        attempt=attempt,
        submitted_ms=_number(run, records.SUBMITTED_MS) or run.start_ms,
        cancel_ms=_number(run, records.CANCEL_MS),
        workers_started_ms=_number(run, records.WORKERS_STARTED_MS),
        outcome=_outcome(run, attempt),
    )


def _number(run: Run, key: str) -> int | None:
    written = run.tags.get(key)
    if not written:
        return None
    if not (written.isascii() and written.isdigit()):
        raise UnreadableError(f"{key} is {written[:40]!r} and no number")
    return int(written)


def _outcome(run: Run, attempt: int) -> Outcome | None:
    written = run.tags.get(f"{records.OUTCOME}.{attempt}")
    if not written:
        return None
    try:
        return Outcome.from_json(written)
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(f"the outcome of its attempt {attempt}: {error}") from None
