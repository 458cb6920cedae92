"""MLflow's tracking store as a job's process sees it: the names in its environment, and which store answers.

Nothing here imports MLflow before it must. MLflow loads this module (entry point `mlflow.tracking_store`)
while `import mlflow` is still under way: imported from here, it would find half a module whenever this one
comes first, and go on without it. And whoever only needs the names is spared the second it takes.
"""

from __future__ import annotations

import atexit
import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from journeyman.errors import UsageError

if TYPE_CHECKING:
    from journeyman.tracking.recorder import Recorder

RUN_ID = "JOURNEYMAN_RUN_ID"
"""The job's run. A process that has it is a process of that job."""
EXPERIMENT_ID = "JOURNEYMAN_EXPERIMENT_ID"
ARTIFACT_URI = "JOURNEYMAN_ARTIFACT_URI"
RUN_NAME = "JOURNEYMAN_RUN_NAME"
ATTEMPT = "JOURNEYMAN_ATTEMPT"
"""Which attempt at the job this is, from 1."""
RANK = "JOURNEYMAN_RANK"
"""The rank of the process among the job's workers; torchrun's own RANK where it is not set."""

TRACKING_URI = "MLFLOW_TRACKING_URI"
EXIT_FLUSH_S = 10.0


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
    """The rank of this process, asked anew each time: frameworks set RANK after MLflow is imported."""
    return int(os.environ.get(RANK) or os.environ.get("RANK") or 0)


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """MLflow's tracking store for a server: its own RestStore, or in a job's process the OneRunStore.

    `artifact_uri` is of MLflow's making and says nothing to a server behind HTTP.
    """
    from journeyman.tracking.one_run import OneRunStore, plain_store

    if RUN_ID not in os.environ:
        return plain_store(store_uri)
    return OneRunStore(store_uri, _recorder(_job_server(store_uri)))


def flush(timeout_s: float) -> bool:
    """Whether everything this process logged to the job's run is on the server, after at most `timeout_s`."""
    if not _recorder.cache_info().currsize:
        return True
    from mlflow import get_tracking_uri

    return _recorder(_job_server(get_tracking_uri())).flush(timeout_s)


@functools.cache
def _recorder(server_url: str) -> Recorder:
    """One per process, whatever the user makes of the tracking URI: two would log a step twice."""
    from journeyman.tracking.recorder import Recorder

    return Recorder(server_url, Job.from_environment(os.environ))


# As the process began: `mlflow.set_tracking_uri` sets the variable, and a job's run does not move.
_SERVER_URL = os.environ.get(TRACKING_URI)


def _job_server(store_uri: str) -> str:
    return (_SERVER_URL or store_uri).rstrip("/")


if RUN_ID in os.environ:
    # Here and not with the recorder: callbacks run last in, first out, and MLflow's own, which ends the run
    # and logs the last system metrics, is registered after this module is loaded.
    atexit.register(flush, EXIT_FLUSH_S)
