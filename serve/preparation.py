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
    allow_pickle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The versions that serve, and what Ray has run for them."""

    lacking: tuple[Preparation, ...]
    """Those that serve on hardware for which there is no verdict."""
    no_room: frozenset[Preparation]
    """Of those, the ones whose replicas hold all the GPUs of their node."""
    jobs: Mapping[str, str]
    """Status of every Ray job, by submission id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The job to submit, if any, and the preparations that are given up."""

    submit: tuple[str, Preparation] | None
    """With its submission id."""
    give_up: tuple[tuple[str, Preparation], ...]
    """With the submission id of the last attempt."""


def decide(snapshot: Snapshot) -> Decision:
    """One race at a time on the whole cluster: two would be each other's disturbance.

    Where there is no room none is ordered: Ray would keep the job waiting, and it the next ones.
    """
    busy = any(id_.startswith(_PREFIX) and not _ended(status) for id_, status in snapshot.jobs.items())
    submit: tuple[str, Preparation] | None = None
    give_up = []
    for preparation in snapshot.lacking:
        ids = [submission_id(preparation, attempt) for attempt in range(1, ATTEMPTS + 1)]
        tried = [id_ for id_ in ids if id_ in snapshot.jobs]
        if len(tried) == ATTEMPTS and _ended(snapshot.jobs[tried[-1]]):
            give_up.append((tried[-1], preparation))
        elif not busy and submit is None and preparation not in snapshot.no_room and len(tried) < ATTEMPTS:
            submit = (submission_id(preparation, len(tried) + 1), preparation)
    return Decision(submit=submit, give_up=tuple(give_up))


def submission_id(preparation: Preparation, attempt: int) -> str:
    """One a version, kind of hardware and attempt: Ray refuses the second of a name."""
    told = preparation.model_dump_json().encode()
    return f"{_PREFIX}{hashlib.sha256(told).hexdigest()[:_KEY_CHARACTERS]}-{attempt}"


def _ended(status: str) -> bool:
    return status in ("STOPPED", "SUCCEEDED", "FAILED")
