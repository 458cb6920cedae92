"""The record of a service: its order, and what control and replicas tell each other in its run. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError

from journeyman.errors import UnreadableError
from journeyman.serve.phases import Phase
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking.records import PHASE, REPLICA, ROLLOUT, SPEC, UNDEPLOY_MS, Run, check_schema, fitted

DEPLOYMENT = "model"
GENERATION = "JOURNEYMAN_GENERATION"
"""In a replica's environment: which of a service's generations of replicas it belongs to."""

READY = "ready"
FAILED = "failed"
"""The version cannot serve, wherever it is loaded."""
PASSING = "passing"
"""It could not be tried, for a cause that is not in the version, as a server that was away."""
NEW_REPLICAS = "new_replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A replica that Serve replaced since it did not get on."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    replica_id: str
    version: str
    at_s: float
    """Epoch seconds: since when it did not get on."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What the Serve config of one service carries.

    A change of `generation` gives the service new replicas. `trial` numbers the candidates, so that what a
    replica said of one is not taken for what it says of the next.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    model: str
    serving: str
    generation: int = 1
    trial: int = 1
    proven: bool = False
    """Whether replicas have answered with `serving`."""
    candidate: str | None = None
    candidate_since_s: float = 0.0
    """Epoch seconds: when the candidate was named."""
    ready: int = 0
    """The most replicas that have been ready with the candidate."""
    loading_since_s: float | None = None
    """Epoch seconds: since when replicas load the candidate and no further one got ready.

    None while none loads it."""
    surge_because: str = ""
    """Why the candidate is tried by new replicas; empty where it is loaded in place."""
    refused: str | None = None
    """The version that was tried last and cannot serve."""
    refused_because: str = ""
    retry_at_s: float | None = None
    """Epoch seconds: when the candidate is tried again, which could not be tried. Until then no replica is
    told of it."""
    tries: int = 0
    """How often it could not be tried."""
    put_off_because: str = ""
    replaced: tuple[Replacement, ...] = ()
    """Of the last minutes, the oldest first."""
    failing: str = ""
    """The version that is marked: replicas with it had to be replaced again and again."""

    @property
    def put_off(self) -> bool:
        """Whether the candidate waits to be tried again."""
        return self.retry_at_s is not None

    @property
    def surge(self) -> bool:
        """Whether the candidate is tried by new replicas instead of in place."""
        return bool(self.surge_because) and not self.put_off

    @property
    def target(self) -> str:
        """The version that replicas started now begin with."""
        return self.candidate if self.surge and self.candidate else self.serving

    @property
    def beside(self) -> str | None:
        """The version that replicas load beside the one that serves."""
        return None if self.surge or self.put_off else self.candidate

    @property
    def target_generation(self) -> int:
        return self.trial if self.surge else self.generation


_ADDED = {"retry_at_s": None, "tries": 0, "put_off_because": "", "replaced": (), "failing": ""}
"""Left out where they say nothing: versions that do not know them read the record then."""


def write_rollout(rollout: Rollout) -> str:
    fields = asdict(rollout)
    told = {key: value for key, value in fields.items() if key not in _ADDED or value != _ADDED[key]}
    return fitted(told, *(_TEXTS & told.keys()))


_TEXTS = {"refused_because", "surge_because", "put_off_because"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one replica says it has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    generation: int
    serving: str
    trial: int
    candidate: str | None
    candidate_state: str | None
    """ready, failed, passing or new_replicas."""
    reason: str
    hardware: str = ""
    """The key of what it computes on."""
    engine: str = ""
    """What computes the version that serves."""
    engine_trouble: str = ""
    """Why that is not what was ordered, or measured to be the fastest."""
    unhealthy: str = ""
    """Why Serve is to replace it; empty for one that gets on."""
    unhealthy_version: str = ""
    """Whose doing that is; empty where it was not told apart from the version that serves."""
    unhealthy_since_s: float = 0.0
    """Epoch seconds, by its node's clock."""


def write_report(report: Report) -> str:
    told = asdict(report)
    if not report.unhealthy:
        # Versions that do not know them read the report then.
        del told["unhealthy"], told["unhealthy_version"], told["unhealthy_since_s"]
        return fitted(told, "reason", "engine_trouble")
    return fitted(told, "reason", "engine_trouble", "unhealthy")


_ROLLOUT = TypeAdapter(Rollout)
_REPORT = TypeAdapter(Report)


def read_rollout(text: str) -> Rollout:
    """Raises UnreadableError."""
    try:
        return _ROLLOUT.validate_json(text)
    except ValidationError as error:
        raise UnreadableError(f"its rollout cannot be read: {_said(error)}") from None


def read_report(text: str) -> Report:
    """Raises UnreadableError."""
    try:
        return _REPORT.validate_json(text)
    except ValidationError as error:
        raise UnreadableError(f"a report of a replica cannot be read: {_said(error)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """A service as its run tells it."""

    run: Run
    spec: ServiceSpec
    """What is ordered."""
    phase: Phase
    rollout: Rollout | None
    """As it was decided last; None before the first time."""
    reports: Mapping[str, Report]
    """By the id of the replica. One that cannot be read counts as none."""
    undeploy: bool
    """Whether it is ordered to end."""

    @property
    def name(self) -> str:
        return self.spec.name


def read_service(run: Run) -> ServiceRecord:
    """Raises UnreadableError where this version cannot read the record; it is then nobody's to change."""
    check_schema(run)
    try:
        spec = ServiceSpec.model_validate_json(run.tags.get(SPEC, ""))
    except ValidationError as error:
        raise UnreadableError(f"its spec cannot be read: {_said(error)}") from None
    if spec.name != run.name:
        raise UnreadableError(f"its spec is that of a service {spec.name}")
    try:
        phase = Phase(run.tags.get(PHASE, Phase.DEPLOYING))
    except ValueError:
        raise UnreadableError(f"its phase {run.phase[:40]!r} is none that is known") from None
    return ServiceRecord(
        run=run,
        spec=spec,
        phase=phase,
        rollout=read_rollout(run.tags[ROLLOUT]) if ROLLOUT in run.tags else None,
        reports=_reports(run),
        undeploy=UNDEPLOY_MS in run.tags,
    )


def observed_text(spec: str, version: str | None) -> str:
    """Of an order as it is stored, and the version that it named then; the same text is the same order."""
    return f"{hashlib.sha256(spec.encode()).hexdigest()[:16]} {version or ''}"


def _reports(run: Run) -> dict[str, Report]:
    found = {}
    for key, text in run.tags.items():
        if not key.startswith(f"{REPLICA}."):
            continue
        try:
            found[key.removeprefix(f"{REPLICA}.")] = read_report(text)
        except UnreadableError:
            continue
    return found


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"[:300] if where else first["msg"][:300]
