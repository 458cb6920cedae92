"""How an attempt ended, and whether another is due. Pure.

A person's own exception is final: running the same code again gives the same exception. What the machines did
(a worker, a node or the driver died) is retried from the last checkpoint, in the same run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

MAX_ATTEMPTS = 5

# What a healthy rank raises when its peer's process is gone: it says nothing about this rank's code.
_PEER_GONE = re.compile(
    r"Connection (closed|reset) by peer|Connection refused|Socket closed|remote process exited|"
    r"NCCL error|ncclRemoteError|Broken pipe",
    re.IGNORECASE,
)


class Cause(StrEnum):
    """Whose doing an attempt's end was."""

    FINISHED = "finished"
    USER = "user"
    """The training code raised, or its script exited with a code other than 0."""
    MODEL = "model"
    """Training is done and its weights are safe, but the model was not registered."""
    MACHINE = "machine"
    """A worker, a node, the driver or the cluster went away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended."""

    cause: Cause
    message: str
    rank: int | None = None
    """The first rank that failed."""
    detail: str = ""
    """The traceback, or the last lines that were printed."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Outcome:
        body = json.loads(text)
        return Outcome(**body | {"cause": Cause(body["cause"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class RankFailure:
    """What one rank's process reported."""

    message: str
    traceback: str
    raised: bool
    """Whether the person's code raised it, rather than the process dying."""


def classify(failures: Mapping[int, RankFailure]) -> Outcome:
    """The outcome of an attempt whose ranks failed like this: the first cause, not the echoes of it."""
    own = {r: f for r, f in failures.items() if f.raised and not _PEER_GONE.search(f.message)}
    if own:
        rank = min(own)
        first = own[rank]
        return Outcome(cause=Cause.USER, message=first.message, rank=rank, detail=first.traceback)
    dead = {r: f for r, f in failures.items() if not f.raised} or dict(failures)
    rank = min(dead)
    return Outcome(cause=Cause.MACHINE, message=dead[rank].message, rank=rank, detail=dead[rank].traceback)


def another_attempt(outcome: Outcome, attempt: int) -> bool:
    """Whether attempt `attempt` + 1 is due."""
    return outcome.cause is Cause.MACHINE and attempt < MAX_ATTEMPTS
