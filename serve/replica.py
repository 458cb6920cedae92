"""One replica of a service: holds a version in memory and swaps it for another while its endpoint answers.

Versions are downloaded, loaded and tried by one background thread, which alone tells MLflow what the replica
has.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import torch
from mlflow.models import Model
from mlflow.types import Schema
from pydantic import BaseModel, ConfigDict
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from journeyman.cluster.processes import give_way
from journeyman.cluster.settings import home_folder
from journeyman.errors import JourneymanError, NotFoundError, UnreachableError, described
from journeyman.serve.application import DEPLOYMENT
from journeyman.serve.endpoint import Endpoint, Loaded
from journeyman.serve.model import (
    ModelError,
    ServedModel,
    check_memory,
    download_version,
    load_model,
    version_signature,
    why_new_replicas,
)
from journeyman.serve.signature import Signature
from journeyman.serve.spec import Limits
from journeyman.serve.swap import FAILED, NEW_REPLICAS, READY, Report, write_report
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import REPLICA

ON_LOOP_LIMIT_S = 0.002
"""An answer that takes longer is computed in a thread: a hand-over costs about a tenth of that."""
SWITCH_S = 0.0005
"""How long a thread that loads a version may keep the interpreter from the one that answers: Python's own
5 ms come back at every operation of a model."""
REPORT_RETRY_S = 1.0
OVERTAKEN_POLL_S = 0.2

_log = logging.getLogger(__name__)


class Arguments(BaseModel):
    """What makes two replicas differ for good; a change gives the service new replicas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    run_id: str
    """The service's own record in MLflow."""
    model: str
    mlflow_url: str
    allow_pickle: bool
    generation: int


def build(args: dict[str, Any]) -> serve.Application:
    """What Serve calls to learn what the application consists of."""
    arguments = Arguments.model_validate(args)
    # Decorated, the class would be pickled by value, with all that this module holds.
    return serve.deployment(Replica, name=DEPLOYMENT).bind(arguments)


@dataclass(frozen=True, slots=True)
class Target:
    """The versions a replica is to have."""

    serving: str
    candidate: str | None
    trial: int
    follows: str | None
    """The version that `serving` is to take the place of, while it is tried by replicas of its own."""


class Replica:
    """The deployment that Serve makes replicas of."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._mlflow = Mlflow(arguments.mlflow_url, os.environ)
        self._replica_id = serve.get_replica_context().replica_id.unique_id
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        sys.setswitchinterval(SWITCH_S)
        self._endpoint = Endpoint(arguments.service, arguments.model)
        self._target: Target | None = None
        self._loaded: Loaded | None = None
        self._candidate: Loaded | None = None
        self._candidate_state: str | None = None
        self._reason = ""
        self._stays = False
        """Whether the first version cannot make room for another."""
        self._changed = threading.Event()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take note of the versions to have. Loads only at the start, where failing is the right answer.

        Later it returns at once and raises nothing: meanwhile Serve sends the replica no requests, and an
        error would end it.
        """
        target = Target(
            user_config["serving"],
            user_config.get("candidate"),
            user_config.get("trial", 0),
            user_config.get("follows"),
        )
        self._target = target
        self._endpoint.limits = Limits.model_validate(user_config.get("limits", {}))
        if self._loaded is None:
            # In a thread that gives way to the replicas that answer meanwhile on this machine.
            with ThreadPoolExecutor(1, "first-version", give_way) as first:
                loop = asyncio.get_running_loop()
                self._loaded = await loop.run_in_executor(first, self._load_first_or_tell, target)
            threading.Thread(target=self._keep_up, name="versions", daemon=True).start()
        elif self._candidate is not None and self._candidate.version == target.serving:
            self._loaded = self._candidate
        self._changed.set()

    async def __call__(self, request: Request) -> Response:
        loaded = self._loaded
        assert loaded is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._endpoint.answer(request, loaded)

    # -- versions ------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """The background thread: reach the target, tell MLflow, wait for the next."""
        told = ""
        reached: Target | None = None
        while True:
            self._changed.clear()
            target = self._target
            assert target is not None, "set before the thread starts"
            if target is not reached:
                self._reach(target)
                reached = target
            report = write_report(self._report(target))
            if report == told or self._tell(report):
                told = report
                self._changed.wait()
            else:
                self._changed.wait(REPORT_RETRY_S)

    def _reach(self, target: Target) -> None:
        """Have what the target asks for; what cannot be had is in the report."""
        loaded = self._loaded
        if loaded is None or loaded.version != target.serving:
            state, reason, found = self._try(target.serving, None)
            if found is not None:
                self._loaded = found
            else:
                _log.error("version %s %s: %s", target.serving, state, reason)
        self._candidate, self._candidate_state, self._reason = None, None, ""
        if target.candidate is None:
            return
        # In a thread of its own: a version that never finishes loading must not keep the next from its turn.
        tried: Future[tuple[str, str, Loaded | None]] = Future()
        threading.Thread(
            target=lambda: tried.set_result(self._try(str(target.candidate), self._loaded)),
            name=f"version-{target.candidate}",
            daemon=True,
        ).start()
        while not tried.done() and self._target is target:
            wait([tried], OVERTAKEN_POLL_S)
        if tried.done():
            self._candidate_state, self._reason, self._candidate = tried.result()

    def _try(self, version: str, beside: Loaded | None) -> tuple[str, str, Loaded | None]:
        try:
            if beside is not None:
                folder, _ = self._download(version)
                _check_signature(folder, beside.model.signature, beside.version)
                if self._stays:
                    return NEW_REPLICAS, "follows a version that cannot be taken out of a process", None
                if why := why_new_replicas(folder):
                    return NEW_REPLICAS, why, None
                check_memory(folder, psutil.virtual_memory().available)
            found = self._load(version)
        except JourneymanError as error:
            return FAILED, str(error).replace("\n", " "), None
        except Exception as error:  # noqa: BLE001
            # Loaders of all flavors run here, and this thread must go on.
            _log.exception("version %s cannot be loaded", version)
            return FAILED, f"{type(error).__name__}: {error}"[:300], None
        return READY, "", found

    def _load_first_or_tell(self, target: Target) -> Loaded:
        """As `_load_first`; that a candidate failed is told before it is raised: nobody need try it again."""
        try:
            return self._load_first(target)
        except UnreachableError:
            # It may be there when Serve tries again.
            raise
        except Exception as error:
            # Loaders of all flavors run here, and the model's own code.
            if target.follows is not None:
                reason = str(error) if isinstance(error, JourneymanError) else described(error)
                self._tell(write_report(self._failure(target, reason.replace("\n", " "))))
            raise

    def _load_first(self, target: Target) -> Loaded:
        """The version a replica begins with, out of reach of Python's collector of cycles.

        A pass over all that MLflow and torch have imported took 120 ms, over a graph of 800 layers 400 ms,
        and loading another version brings several: nobody is answered meanwhile. What is put out of reach is
        never freed, so a version that is to make room for another in this process is loaded again after.
        """
        version = target.serving
        if target.follows is not None:
            # As where it is tried in place; a version that is proven starts whatever there is.
            folder, previous = self._download(version)[0], self._download(target.follows)[0]
            _check_signature(folder, version_signature(previous), target.follows)
            check_memory(folder, psutil.virtual_memory().available)
        found = self._load(version)
        self._stays = bool(why_new_replicas(found.model.folder))
        if self._stays:
            gc.collect()
            gc.freeze()
            return found
        del found
        gc.collect()
        gc.freeze()
        return self._load(version)

    def _download(self, version: str) -> tuple[Path, str]:
        """The version's files, from this node's cache where it has them, and the run it was registered for.

        A model that was deleted and made anew counts its versions from 1 again: the time of creation tells
        them apart. Where MLflow is away or has it no more, the files that were fetched last are used, and no
        run is known.
        """
        arguments = self._arguments
        folder = _cache(arguments.mlflow_url) / arguments.model
        try:
            body = self._mlflow.model_version(arguments.model, version)
        except (UnreachableError, NotFoundError):
            cached = sorted(folder.glob(f"{version}-*"))
            if not cached:
                raise
            return cached[-1], ""
        place = folder / f"{version}-{body['creation_timestamp']}"
        folder = download_version(arguments.mlflow_url, arguments.model, version, place)
        return folder, str(body.get("run_id") or "")

    def _load(self, version: str) -> Loaded:
        """The version, warmed. Raises ModelError."""
        folder, registered_for = self._download(version)
        model = load_model(folder, self._arguments.allow_pickle)
        run_id = Model.load(str(folder)).run_id or registered_for
        headers = {
            "x-journeyman-model": self._arguments.model,
            "x-journeyman-version": version,
            "x-journeyman-run": run_id,
        }
        description = {
            "service": self._arguments.service,
            "model": self._arguments.model,
            "version": version,
            "run": run_id,
            "inputs": _fields(model.signature, "inputs"),
            "outputs": _fields(model.signature, "outputs"),
            "example": model.example,
        }
        return Loaded(version, model, _on_loop_bytes(model), headers, orjson.dumps(description))

    # -- reports -------------------------------------------------------------------------------------

    def _report(self, target: Target) -> Report:
        loaded = self._loaded
        assert loaded is not None, "loaded before the thread starts"
        return Report(
            generation=self._arguments.generation,
            serving=loaded.version,
            trial=target.trial,
            candidate=target.candidate,
            candidate_state=self._candidate_state,
            reason=self._reason,
        )

    def _failure(self, target: Target, reason: str) -> Report:
        return Report(
            generation=self._arguments.generation,
            serving=target.serving,
            trial=target.trial,
            candidate=target.serving,
            candidate_state=FAILED,
            reason=reason,
        )

    def _tell(self, report: str) -> bool:
        try:
            self._mlflow.set_tags(self._arguments.run_id, {f"{REPLICA}.{self._replica_id}": report})
        except JourneymanError as error:
            _log.warning("MLflow was not told what this replica has: %s", error.message)
            return False
        return True


def _on_loop_bytes(model: ServedModel) -> float:
    """Up to which size a body is answered within ON_LOOP_LIMIT_S, going by the version's own example.

    Raises ModelError where the version fails on it.
    """
    model.warm()
    if model.example is None:
        return 0
    seconds = min(_warm_s(model) for _ in range(3))
    return len(orjson.dumps(model.example)) * ON_LOOP_LIMIT_S / seconds if seconds < ON_LOOP_LIMIT_S else 0


def _warm_s(model: ServedModel) -> float:
    began = time.perf_counter()
    model.warm()
    return time.perf_counter() - began


def _cache(mlflow_url: str) -> Path:
    if os.environ.get("JOURNEYMAN_HOME"):
        root = home_folder(os.environ)
    else:
        root = Path(tempfile.gettempdir()) / f"journeyman-{os.getuid()}"
    return root / "models" / hashlib.sha256(mlflow_url.encode()).hexdigest()[:12]


def _fields(signature: Signature, side: str) -> list[dict[str, Any]]:
    tensors = signature.inputs if side == "inputs" else signature.outputs
    if side == "inputs" and signature.columns is not None:
        columns: list[dict[str, Any]] = signature.columns.to_dict()
        return columns
    return [{"name": f.name, "dtype": str(f.dtype), "shape": list(f.shape)} for f in tensors]


def _check_signature(folder: Path, wanted: Signature, version: str) -> None:
    """Raises ModelError where the version in `folder` would break those who ask `version` now."""
    found = version_signature(folder)
    if found != wanted:
        raise ModelError(
            f"it takes {_signature(found)}, where version {version} takes {_signature(wanted)};",
            "deploy it as a service of its own",
        )


def _signature(signature: Signature) -> str:
    columns: Schema | None = signature.columns
    if columns is not None:
        return f"columns {columns}"
    return ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in signature.inputs) or "anything"
