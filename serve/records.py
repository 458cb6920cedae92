"""What control and the replicas of a service tell each other, through its run and the Serve config"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DEPLOYMENT = "model"
GENERATION = "JOURNEYMAN_GENERATION"
"""In a replica's environment: which of a service's generations of replicas it belongs to."""

READY = "ready"
FAILED = "failed"
NEW_REPLICAS = "new_replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What the Serve config of one service carries.

    A change of `generation` gives the service new replicas. `trial` numbers the candidates, so that what a
    replica said of one is not taken for what it says of the next.
    """

    model: str
    serving: str
    generation: int = 1
    trial: int = 1
    proven: bool = False
    """Whether replicas have answered with `serving`."""
    candidate: str | None = None
    candidate_since_s: float = 0.0
    """Epoch seconds: when the candidate was named."""
    surge_because: str = ""
    """Why the candidate is tried by new replicas; empty where it is loaded in place."""
    refused: str | None = None
    """The version that was tried last and cannot serve."""
    refused_because: str = ""

    @property
    def surge(self) -> bool:
        """Whether the candidate is tried by new replicas instead of in place."""
        return bool(self.surge_because)

    @property
    def target(self) -> str:
        """The version that replicas started now begin with."""
        return self.candidate if self.surge and self.candidate else self.serving

    @property
    def beside(self) -> str | None:
        """The version that replicas load beside the one that serves."""
        return None if self.surge else self.candidate

    @property
    def target_generation(self) -> int:
        return self.trial if self.surge else self.generation


def read_rollout(text: str) -> Rollout:
    return Rollout(**json.loads(text))


def write_rollout(rollout: Rollout) -> str:
    return json.dumps(asdict(rollout))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one replica says it has."""

    generation: int
    serving: str
    trial: int
    candidate: str | None
    candidate_state: str | None
    """ready, failed or new_replicas."""
    reason: str
    hardware: str = ""
    """The key of what it computes on."""
    engine: str = ""
    """What computes the version that serves."""
    engine_trouble: str = ""
    """Why that is not what was ordered, or measured to be the fastest."""


def read_report(text: str) -> Report:
    body: Mapping[str, Any] = json.loads(text)
    return Report(**{field: body[field] for field in Report.__dataclass_fields__ if field in body})


def write_report(report: Report) -> str:
    return json.dumps(asdict(report))
