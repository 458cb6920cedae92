"""Which versions have their engines raced, on what, and when a race is given up. Pure.

A version serves with its safest engine first. Once its service is healthy, a prepare job a kind of hardware
races the engines; its verdict is a tag of the version, and replicas that hear of it change their engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

ATTEMPTS = 3
DEADLINE_S = 1800.0
"""A race takes a minute, loading large versions and compiling for them some more: after so long it hangs."""
_PREFIX = "journeyman-prepare-"
_KEY_CHARACTERS = 16


class Preparation(BaseModel):
    """What a prepare job is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mlflow_url: str
    model: str
    version: str
    hardware: str
    """The key of what the replicas compute on."""
    allow_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The versions that serve, and what Ray has run for them."""

    lacking: tuple[Preparation, ...]
    """Those that serve on hardware for which there is no verdict."""
    no_room: frozenset[Preparation]
    """Of those, the ones whose replicas hold all the GPUs of their node."""
    jobs: Mapping[str, str]
    """Status of every Ray job, by submission id."""
    since_s: Mapping[str, float]
    """Since when control has seen those prepare jobs that have not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The job to submit, if any, and the preparations that are given up."""

    submit: tuple[str, Preparation] | None
    """With its submission id."""
    give_up: tuple[tuple[str, Preparation], ...]
    """With the submission id of the last attempt."""
    stop: tuple[str, ...] = ()
    """Jobs that take too long. Ray is told until they have ended; nobody waits for that."""


def decide(snapshot: Snapshot, now: float) -> Decision:
    """One race at a time on the whole cluster: two would be each other's disturbance.

    Where there is no room none is ordered: Ray would keep the job waiting, and it the next ones. One that
    hangs keeps the others from their turn until its deadline, and comes after those that were tried less.
    """
    live = {id_ for id_, status in snapshot.jobs.items() if is_race(id_) and not _ended(status)}
    overdue = {id_ for id_ in live if now - snapshot.since_s.get(id_, now) > DEADLINE_S}
    submit: tuple[str, Preparation] | None = None
    give_up = []
    tries = {each: _tried(each, snapshot.jobs) for each in snapshot.lacking}
    for preparation, tried in sorted(tries.items(), key=lambda each: len(each[1])):
        if len(tried) == ATTEMPTS and (tried[-1] not in live or tried[-1] in overdue):
            give_up.append((tried[-1], preparation))
        elif len(tried) < ATTEMPTS and not live - overdue and preparation not in snapshot.no_room:
            submit = submit or (submission_id(preparation, len(tried) + 1), preparation)
    return Decision(submit=submit, give_up=tuple(give_up), stop=tuple(sorted(overdue)))


def is_race(id_: str) -> bool:
    """Whether a Ray job is a prepare job."""
    return id_.startswith(_PREFIX)


def _tried(preparation: Preparation, jobs: Mapping[str, str]) -> list[str]:
    """The attempts that Ray knows of, the first one first."""
    ids = [submission_id(preparation, attempt) for attempt in range(1, ATTEMPTS + 1)]
    return [id_ for id_ in ids if id_ in jobs]


def submission_id(preparation: Preparation, attempt: int) -> str:
    """One a version, kind of hardware and attempt: Ray refuses the second of a name."""
    told = preparation.model_dump_json().encode()
    return f"{_PREFIX}{hashlib.sha256(told).hexdigest()[:_KEY_CHARACTERS]}-{attempt}"


def _ended(status: str) -> bool:
    return status in ("STOPPED", "SUCCEEDED", "FAILED")
