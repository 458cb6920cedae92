"""MLflow's tracking store as a job's process sees it: which store answers, and one recorder for all of them.

Nothing here imports MLflow before it must. MLflow loads this module (entry point `mlflow.tracking_store`)
while `import mlflow` is still under way: imported from here, it would find half a module whenever this one
comes first, and go on without it.
"""

from __future__ import annotations

import atexit
import functools
import os
from typing import TYPE_CHECKING, Any

from journeyman.compat.mlflow_stores import answer_registry, answer_tracking
from journeyman.tracking.job_store.environment import RUN_ID, TRACKING_URI, Job

if TYPE_CHECKING:
    from journeyman.tracking.job_store.recorder import Recorder


EXIT_FLUSH_S = 10.0
_OTHER_SCHEMES = ("", "file", "sqlite", "postgresql", "mysql", "mssql", "databricks", "databricks-uc", "uc")
"""Of MLflow's tracking addresses, beside those of servers behind HTTP."""


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """MLflow's tracking store for a server: its own RestStore, or in a job's process the OneRunStore.

    `artifact_uri` is of MLflow's making and says nothing to a server behind HTTP.
    """
    from journeyman.tracking.job_store.one_run import OneRunStore, plain_store

    _answer_every_address()
    if RUN_ID not in os.environ:
        return plain_store(store_uri)
    # An entry point for registries would be asked by MLflow's server, too.
    answer_registry(("http", "https"), registry_store)
    return OneRunStore(store_uri, _recorder(_job_server(store_uri)))


def registry_store(store_uri: str) -> Any:
    """MLflow's registry for a server, in which a model that several ranks of the job log has one version."""
    from mlflow.utils.credentials import get_default_host_creds

    from journeyman.tracking.job_store.shared_models import SharedVersions

    creds = functools.partial(get_default_host_creds, store_uri)
    return SharedVersions(creds, _recorder(_job_server(store_uri)).models)


def _answer_every_address() -> None:
    """In a job's process, whatever the code names as tracking address leads to the job's run.

    By entry points, MLflow's server would be given this store too, for the database of its own records.
    """
    if RUN_ID in os.environ:
        answer_tracking(_OTHER_SCHEMES, tracking_store)


def flush(timeout_s: float) -> bool:
    """Whether everything this process logged to the job's run is on the server, after at most `timeout_s`."""
    if not _recorder.cache_info().currsize:
        return True
    from mlflow import get_tracking_uri

    return _recorder(_job_server(get_tracking_uri())).flush(timeout_s)


@functools.cache
def _recorder(server_url: str) -> Recorder:
    """One per process, whatever the user makes of the tracking URI: two would log a step twice."""
    from journeyman.tracking.job_store.recorder import Recorder

    return Recorder(server_url, Job.from_environment(os.environ))


@functools.cache
def url_at_start() -> str | None:
    """Where the job's run is; called first as the process begins.

    `mlflow.set_tracking_uri` sets the variable, and a job's run does not move.
    """
    return os.environ.get(TRACKING_URI)


def _job_server(store_uri: str) -> str:
    return (url_at_start() or store_uri).rstrip("/")


def begin() -> None:
    """What a process reads once, as it begins; called anew in one that is forked and is a job's only then."""
    if RUN_ID in os.environ:
        url_at_start()
    _answer_every_address()


# MLflow loads this module when all of its own stores are known.
begin()
# Here and not with the recorder: callbacks run last in, first out, and MLflow's own, which ends the run and
# logs the last system metrics, is registered after this module is loaded. Where nothing is recorded it does
# nothing.
atexit.register(flush, EXIT_FLUSH_S)
