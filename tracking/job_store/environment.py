"""The job that a process belongs to, as the variables of its environment tell it"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from journeyman.errors import UsageError

RUN_ID = "JOURNEYMAN_RUN_ID"
"""The job's run. A process that has it is a process of that job."""
EXPERIMENT_ID = "JOURNEYMAN_EXPERIMENT_ID"
ARTIFACT_URI = "JOURNEYMAN_ARTIFACT_URI"
RUN_NAME = "JOURNEYMAN_RUN_NAME"
ATTEMPT = "JOURNEYMAN_ATTEMPT"
"""Which attempt at the job this is, from 1."""
RANK = "JOURNEYMAN_RANK"
"""The rank of the process among the job's workers; torchrun's own RANK where it is not set."""
WORKERS = "JOURNEYMAN_WORKERS"
"""How many workers the attempt has: control decides it, within the spec's bounds."""
POINTS = "JOURNEYMAN_POINTS"
"""A folder of this machine where the processes of one rank say which points are theirs."""
TRACKING_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that a process belongs to, as its environment tells it."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    run_name: str
    started_ms: int = field(default_factory=lambda: int(time.time() * 1000))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Job:
        missing = [name for name in (RUN_ID, EXPERIMENT_ID, ARTIFACT_URI) if name not in environment]
        if missing:
            raise UsageError(
                f"this process has {RUN_ID} but not {', '.join(missing)}",
                "They are set together by the job's driver; pass all of them on, or none.",
            )
        return cls(
            run_id=environment[RUN_ID],
            experiment_id=environment[EXPERIMENT_ID],
            artifact_uri=environment[ARTIFACT_URI],
            run_name=environment.get(RUN_NAME, environment[RUN_ID]),
        )


def rank() -> int:
    """The rank of this process, asked anew each time: frameworks set RANK after MLflow is imported.

    A process that rank 0 has started, and which has a rank of its own among others, is not rank 0.
    """
    return _number(RANK) or _number("RANK")


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0
