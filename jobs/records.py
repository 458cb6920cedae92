"""A job's record, read from its run: every field typed, or an error that names the key. Pure.

A record is read alone and in this one place, so that one which is damaged, or which another version wrote in
a form of its own, is the trouble of its own job.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from journeyman.errors import UnreadableError
from journeyman.jobs.attempt import Attempt, read_attempts
from journeyman.jobs.outcome import Outcome
from journeyman.jobs.phases import Phase
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run, check_schema, fitted

_NUMBER = re.compile(r"[0-9]{1,15}")
_DIGEST = re.compile(r"[0-9a-f]{1,64}")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The tries to start one attempt that were refused; they are counted, so that they have an end."""

    attempt: Annotated[int, Field(ge=0, le=10**9)]
    tries: Annotated[int, Field(ge=0, le=10**9)]
    last_ms: Annotated[int, Field(ge=0, le=10**15)]
    message: str
    """What was said to the last of them."""

    def to_json(self) -> str:
        return fitted(asdict(self), "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as its run tells it."""

    run: Run
    spec: TrainSpec
    phase: Phase
    attempt: int
    """The newest attempt that was claimed; 0 before the first."""
    submitted_ms: int | None
    """None until the order is whole."""
    cancel_ms: int | None
    """When it was asked to be cancelled."""
    stop_ms: int | None
    """When its script was told to end."""
    workers_started_ms: int | None
    """Of the newest attempt."""
    demand_ms: int | None
    """When the newest attempt began, where it began for the cluster to grow."""
    code_sha256: str
    outcome: Outcome | None
    """Of the newest attempt, where its driver wrote one that can be read."""
    outcome_trouble: str
    """Why the outcome that its driver wrote cannot be read; empty where it can, or where there is none."""
    refusal: Refusal | None
    """Of the attempt that is to start next."""
    attempts: tuple[Attempt, ...]
    """All that were begun, oldest first."""

    @property
    def submission_id(self) -> str:
        """What Ray calls the newest attempt."""
        return f"{self.run.run_id}-{self.attempt}"

    @property
    def due_attempt(self) -> int:
        """The attempt that is to start next: one that is claimed and has not begun is not passed over."""
        return self.attempt + 1 if self.phase is Phase.QUEUED else self.attempt


def read_job(run: Run) -> JobRecord:
    """Raises UnreadableError, whose message names the key and what is wrong with its value.

    An outcome that cannot be read leaves the record readable: that its attempt ended is known without it.
    """
    check_schema(run)
    phase, attempt = _phase(run), _number(run, records.ATTEMPT) or 0
    if attempt == 0 and phase in (Phase.STARTING, Phase.RUNNING, Phase.HUNG):
        raise UnreadableError(f"{records.PHASE} is {phase} and {records.ATTEMPT} names no attempt")
    outcome, trouble = _outcome(run, attempt)
    _number(run, records.WORKERS_STARTED_MS)
    attempts = read_attempts(run, attempt)
    due = attempt + 1 if phase is Phase.QUEUED else attempt
    refusal = _refusal(run)
    return JobRecord(
        run=run,
        spec=_spec(run),
        phase=phase,
        attempt=attempt,
        submitted_ms=_number(run, records.SUBMITTED_MS),
        cancel_ms=_number(run, records.CANCEL_MS),
        stop_ms=_number(run, records.STOP_MS),
        workers_started_ms=attempts[-1].started_ms if attempts else None,
        demand_ms=_number(run, records.DEMAND_MS),
        code_sha256=_code(run),
        outcome=outcome,
        outcome_trouble=trouble,
        refusal=refusal if refusal is not None and refusal.attempt == due else None,
        attempts=attempts,
    )


def _spec(run: Run) -> TrainSpec:
    try:
        return TrainSpec.model_validate_json(run.tags.get(records.SPEC, ""))
    except ValidationError as error:
        raise UnreadableError(f"{records.SPEC}: {_first(error)}") from None


def _phase(run: Run) -> Phase:
    try:
        return Phase(run.phase)
    except ValueError:
        raise UnreadableError(f"{records.PHASE} is {_shown(run.phase)}, which is no phase of a job") from None


def _number(run: Run, key: str) -> int | None:
    value = run.tags.get(key, "")
    if value and not _NUMBER.fullmatch(value):
        raise UnreadableError(f"{key} is {_shown(value)} and no number")
    return int(value) if value else None


def _code(run: Run) -> str:
    value = run.tags.get(records.CODE_SHA256, "")
    if not _DIGEST.fullmatch(value):
        raise UnreadableError(f"{records.CODE_SHA256} is {_shown(value)} and no digest of code")
    return value


def _outcome(run: Run, attempt: int) -> tuple[Outcome | None, str]:
    key = f"{records.OUTCOME}.{attempt}"
    if key not in run.tags:
        return None, ""
    try:
        return Outcome.from_json(run.tags[key]), ""
    except UnreadableError as error:
        return None, f"{key} cannot be read: {error.message}"


_REFUSAL: TypeAdapter[Refusal] = TypeAdapter(Refusal)


def _refusal(run: Run) -> Refusal | None:
    value = run.tags.get(records.REFUSAL)
    try:
        return _REFUSAL.validate_json(value) if value else None
    except ValidationError as error:
        raise UnreadableError(f"{records.REFUSAL}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else str(detail["msg"])


def _shown(value: str) -> str:
    return repr(records.shortened(value, _SHOWN_CHARACTERS))
