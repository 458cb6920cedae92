"""What control and the replicas of a service tell each other, through its run and the Serve config"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from journeyman.errors import UnreadableError
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run, check_schema

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """A service as its run tells it."""

    run: Run
    spec: ServiceSpec
    rollout: Rollout | None
    """None before control has taken it up."""
    reports: Mapping[str, Report]
    """By the id of the replica."""


def read_service(run: Run) -> ServiceRecord:
    """Raises UnreadableError with what of it cannot be read."""
    check_schema(run)
    try:
        spec = ServiceSpec.model_validate_json(run.tags.get(records.SPEC, ""))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableError(f"its spec: {where + ': ' if where else ''}{first['msg']}") from None
    told = "its rollout"
    try:
        written = run.tags.get(records.ROLLOUT)
        rollout = read_rollout(written) if written else None
        reports = {}
        for key, text in run.tags.items():
            if key.startswith(f"{records.REPLICA}."):
                told = f"the report of replica {key.removeprefix(f'{records.REPLICA}.')}"
                reports[key.removeprefix(f"{records.REPLICA}.")] = read_report(text)
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(f"{told}: {error}") from None
    return ServiceRecord(run=run, spec=spec, rollout=rollout, reports=reports)
