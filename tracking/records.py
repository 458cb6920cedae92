"""The records Journeyman keeps in MLflow: their keys, and how a run is read back as a job or a service.

Pure: what a run of MLflow's REST API holds goes in, frozen records come out. The table of every key, its
writer and its reader is in docs/records.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from journeyman.errors import SpecError, UnreadableError

SCHEMA_VERSION = "2"
READ_SCHEMA_VERSIONS = ("1", "2")
"""What this version understands; a record of any other is left as it is. 1 has an attempt's claim and outcome
alone, 2 its moments too."""

SCHEMA = "journeyman.schema_version"
KIND = "journeyman.kind"
CLUSTER = "journeyman.cluster"
NAME = "journeyman.name"
SPEC = "journeyman.spec"
PHASE = "journeyman.phase"
REASON = "journeyman.reason"

SUBMISSION_KEY = "journeyman.submission_key"
SUBMITTED_MS = "journeyman.submitted_ms"
"""Written last by a submitter: everything else of the order is in place."""
TAKEN_UP_MS = "journeyman.taken_up_ms"
"""When control took an order up, written as it first records what it makes of it; the order of a service that
is changed has it taken away, so that control looks at it in its next turn."""
CODE_SHA256 = "journeyman.code_sha256"
CANCEL_MS = "journeyman.cancel_requested_ms"
STOP_MS = "journeyman.stop_requested_ms"
"""When control told a script to end; Ray is told to end it when its grace is over."""
ATTEMPT = "journeyman.attempt"
OUTCOME = "journeyman.outcome"
"""How an attempt ended, as its driver saw it: `journeyman.outcome.<attempt>`, JSON."""
ADMITTED = "journeyman.admitted"
"""Since when an attempt is waited for, where its param does not tell: `journeyman.admitted.<attempt>`."""
WORKERS_STARTED_MS = "journeyman.workers_started_ms"
TOTAL_STEPS = "journeyman.total_steps"
"""How many steps there will be, as the code told."""
REFUSAL = "journeyman.refusal"
"""The tries to start an attempt that were refused, JSON; control alone reads it."""
DEMAND_MS = "journeyman.demand_ms"
"""When the attempt began, where it began for the cluster to grow."""
MODEL_VERSION = "journeyman.model_version"
"""`<model>/<version>` that a job published."""
PUBLICATION = "journeyman.publication"
"""What became of a job's model, JSON, as the worker saw it that published it."""
DATA_DIGESTS = "journeyman.data_digests"
"""Digest of each path under `data`, JSON by name."""

GRAPH_BYTES = "journeyman.graph_bytes"
"""Of a version: the size of its program's graph, which tells how long loading it holds up a process."""

ENGINES = "journeyman.engines"
"""Of a version: which engine computes it the fastest, `journeyman.engines.<key of the hardware>`, JSON."""
ONNX_TROUBLE = "journeyman.onnx_trouble"
"""Of a version: why it was published without an ONNX form."""

UNDEPLOY_MS = "journeyman.undeploy_requested_ms"
SERVING = "journeyman.serving_version"
CANDIDATE = "journeyman.candidate_version"
"""The version on its way to take the place of the one that serves; empty where there is none."""
ROLLOUT = "journeyman.rollout"
"""What control decided last of a service's versions, JSON; control alone reads it."""
OBSERVED = "journeyman.observed"
"""`<digest of the order> <version>`: what control saw to be ordered when it wrote the phase."""
MODEL = "journeyman.model"
MODEL_RUN = "journeyman.model_run"
"""The run that trained the version a service answers with."""
URL = "journeyman.url"
REPLICA = "journeyman.replica"
"""What one replica has loaded: `journeyman.replica.<replica id>`, JSON."""

NOTE = "mlflow.note.content"
GIT_COMMIT = "mlflow.source.git.commit"
GIT_DIRTY = "journeyman.git_dirty"

CLAIM_PARAM = "attempt"
"""Params are write-once in MLflow: the claimant whose `attempt.<n>` was stored owns attempt n."""

RAY_CLUSTER = "journeyman.ray_cluster"
"""Ray's own id of the cluster, beside the lease; empty where Ray does not tell."""
BEAT = "journeyman.beat"
"""Of the control that is in control: `<term> <count> <milliseconds>`, another one every few seconds."""
TERM_PARAM = "term"
"""The claimant whose `term.<n>` was stored, of the highest n there is, is in control of the cluster."""

JOB = "job"
SERVICE = "service"
CONTROL = "control"

ENDED_STATUSES = ("FINISHED", "FAILED", "KILLED")
MAX_TAG_CHARACTERS = 8000
"""MLflow's own limit on the value of a tag."""

CODE_ARTIFACT = "code/code.zip"
SPEC_ARTIFACT = "spec.yaml"
LOGS_ARTIFACT = "logs"
RANKS_ARTIFACT = "ranks"
"""Where each rank runs: `ranks/<attempt>-<rank>.json`."""
WAITS_ARTIFACT = "waits"
"""What a rank that does not move says of itself: `waits/<attempt>-<rank>.json`."""
STACKS_ARTIFACT = "stacks"
"""What the ranks of a job that hung were doing: `stacks/<attempt>-<time>.txt`."""
ORDERS_ARTIFACT = "orders"
"""Every order for a service, oldest first: `orders/<n>.yaml`."""


def storable(text: str) -> str:
    """A text as every database takes it: PostgreSQL refuses NUL, and all of them lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def shortened(text: str, characters: int) -> str:
    """At most so many characters of it: the beginning and the end, which tell the most."""
    if len(text) <= characters:
        return text
    if characters < 2:
        return "…"[:characters]
    end = (characters - 1) // 2
    return f"{text[: characters - 1 - end]}…{text[len(text) - end :]}"


def fitted(body: Mapping[str, Any], *texts: str) -> str:
    """A record as JSON that fits into one tag as MLflow stores it, whatever language its texts are in.

    Where it does not, the fields named in `texts` are shortened, the first of them first. Nothing else is
    changed: a record is read back, and MLflow would cut it in the middle. Raises ValueError where the rest
    alone does not fit.
    """
    fitting = {key: storable(value) if isinstance(value, str) else value for key, value in body.items()}
    written = json.dumps(fitting, ensure_ascii=False)
    for field in texts:
        # JSON writes some characters as six: by how much a text must shrink is not known beforehand.
        while len(written) > MAX_TAG_CHARACTERS and fitting[field]:
            over = len(written) - MAX_TAG_CHARACTERS
            keep = max(0, len(fitting[field]) - max(1, over // 6))
            fitting[field] = shortened(fitting[field], keep)
            written = json.dumps(fitting, ensure_ascii=False)
    if len(written) > MAX_TAG_CHARACTERS:
        raise ValueError(f"a record of {len(written)} characters does not fit into a tag")
    return written


def check_order_fits(stored: str, named: str) -> None:
    """Raises SpecError where an order, as it is stored, is more than one tag holds: MLflow would cut it."""
    if len(stored) > MAX_TAG_CHARACTERS:
        raise SpecError(
            f"{named} is {len(stored):,} characters as it is stored, and MLflow keeps {MAX_TAG_CHARACTERS:,}",
            "Move what is large, under `config` or `env`, to a file of the code or of the model.",
        )


def check_schema(run: Run) -> None:
    """Raises UnreadableError where another version of Journeyman wrote the run in a form of its own."""
    written = run.tags.get(SCHEMA, "1")
    if written not in READ_SCHEMA_VERSIONS:
        raise UnreadableError(
            f"its record has schema_version {written[:40]!r}, and this Journeyman reads "
            f"{' and '.join(READ_SCHEMA_VERSIONS)}",
            "Use the version of Journeyman that wrote it, or a newer one.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One MLflow run as its REST API tells it."""

    run_id: str
    experiment_id: str
    run_name: str
    status: str
    artifact_uri: str
    start_ms: int
    end_ms: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: Mapping[str, int]
    """Step of each metric's newest point."""
    deleted: bool = False
    """In MLflow, where it can be restored; no listing has it meanwhile, and nothing can be written to it."""

    @property
    def active(self) -> bool:
        return self.status not in ENDED_STATUSES

    @property
    def name(self) -> str:
        return self.tags.get(NAME, self.run_name)

    @property
    def phase(self) -> str:
        return self.tags.get(PHASE, "")

    @property
    def reason(self) -> str:
        return self.tags.get(REASON, "")

    @property
    def spec(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.tags.get(SPEC, "{}"))
        return loaded

    @property
    def attempt(self) -> int:
        """The newest attempt that was claimed; 0 before the first."""
        return int(self.tags.get(ATTEMPT) or "0")

    def milliseconds(self, key: str) -> int | None:
        value = self.tags.get(key)
        return int(value) if value else None


def parse_run(body: Mapping[str, Any]) -> Run:
    """A run from the `run` object of MLflow's REST answers."""
    info, data = body["info"], body.get("data", {})
    metrics: Sequence[Mapping[str, Any]] = data.get("metrics", [])
    return Run(
        run_id=info["run_id"],
        experiment_id=info["experiment_id"],
        run_name=info.get("run_name", ""),
        status=info["status"],
        artifact_uri=info.get("artifact_uri", ""),
        start_ms=int(info.get("start_time", 0)),
        end_ms=int(info["end_time"]) if info.get("end_time") else None,
        tags={tag["key"]: tag["value"] for tag in data.get("tags", [])},
        params={param["key"]: param["value"] for param in data.get("params", [])},
        metrics={metric["key"]: float(metric["value"]) for metric in metrics},
        steps={metric["key"]: int(metric.get("step", 0)) for metric in metrics},
        deleted=info.get("lifecycle_stage") == "deleted",
    )
