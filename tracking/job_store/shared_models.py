"""A model that several ranks of a job log: the first of them makes it, and it has one version.

Ranks that train one model together have it alike, and each calls what logs it. What the others write of it
stays in a folder of their own, from which they can read it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from mlflow.store.model_registry.rest_store import RestStore as RegistryStore

from journeyman.tracking.job_store.environment import ATTEMPT, WORKERS, Job
from journeyman.tracking.mlflow_rest import job_client
from journeyman.tracking.records import CLAIM_PARAM

VERSION_S = 120.0
"""How long another rank's version is waited for, which comes once its files are uploaded."""
_POLL_S = 0.5
_DIGEST_CHARACTERS = 12


_of_one_rank: ContextVar[bool] = ContextVar("of_one_rank", default=False)


@contextmanager
def of_one_rank() -> Iterator[None]:
    """Within it a model is this rank's own: the caller has seen to it that no other rank logs it."""
    token = _of_one_rank.set(True)
    try:
        yield
    finally:
        _of_one_rank.reset(token)


class SharedModels:
    """Of one process: which models that it logs are another rank's."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._guard = threading.Lock()
        self._logged: Counter[str] = Counter()
        self._folders: dict[str, tempfile.TemporaryDirectory[str]] = {}

    @property
    def run_id(self) -> str:
        return self._job.run_id

    def first(self, name: str | None, model_id: str) -> str:
        """The model that is the job's: of those that ranks log as the first, the second of a name, and so on.

        `model_id` is the one that this process has made, in case it is the first to do so.
        """
        if _of_one_rank.get() or int(os.environ.get(WORKERS) or "1") < 2:
            return model_id
        with self._guard:
            self._logged[name or ""] += 1
            number = self._logged[name or ""]
        digest = hashlib.sha256((name or "").encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARACTERS]
        key = f"{CLAIM_PARAM}.{os.environ.get(ATTEMPT, '1')}.model.{digest}.{number}"
        client = job_client(os.environ)
        try:
            if client.claim(self._job.run_id, key, model_id):
                return model_id
            return client.run(self._job.run_id).params[key]
        finally:
            client.close()

    def keep_here(self, model_id: str) -> None:
        """What this process writes of another rank's model stays on this machine."""
        with self._guard:
            self._folders.setdefault(model_id, tempfile.TemporaryDirectory(prefix="journeyman-model-"))

    def folder(self, model_id: str | None) -> str | None:
        """Where this process has what it wrote of another rank's model; None for a model of its own."""
        with self._guard:
            kept = self._folders.get(model_id or "")
        return None if kept is None else Path(kept.name).as_uri()


class SharedVersions(RegistryStore):  # type: ignore[misc]  # MLflow is not followed by mypy
    """MLflow's registry, in which a model that several ranks register has one version."""

    def __init__(self, get_host_creds: Any, shared: SharedModels) -> None:
        super().__init__(get_host_creds)
        self._shared = shared

    def create_model_version(
        self, name: str, source: str, *arguments: Any, model_id: str | None = None, **named: Any
    ) -> Any:
        elsewhere = self._shared.folder(model_id) is not None
        # Where no other rank registers it after all, this one does.
        if elsewhere and (found := self._version_of(name, source)):
            return found
        return super().create_model_version(name, source, *arguments, model_id=model_id, **named)

    def _version_of(self, name: str, source: str) -> Any:
        deadline = time.monotonic() + VERSION_S
        while time.monotonic() < deadline:
            for version in self.search_model_versions(f"run_id = '{self._shared.run_id}'"):
                if (version.name, version.source) == (name, source):
                    return version
            time.sleep(_POLL_S)
        return None
