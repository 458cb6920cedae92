"""One replica of a service: holds a version in memory and swaps it for another while its endpoint answers.

Versions are downloaded, loaded and tried by one background thread, which alone tells MLflow what the replica
has.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from ray import serve
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import Response

from journeyman.cluster.priority import use_idle_time
from journeyman.errors import JourneymanError, UnreachableError, described
from journeyman.models.engines.engine import Engine
from journeyman.models.engines.machine_code import compile_version
from journeyman.models.model import check_memory, why_new_replicas
from journeyman.serve.records import (
    FAILED,
    GENERATION,
    NEW_REPLICAS,
    READY,
    Report,
    write_report,
)
from journeyman.serve.replica.deployment import Arguments
from journeyman.serve.replica.endpoint import Endpoint, Loaded
from journeyman.serve.replica.loader import Loader, check_signature, why_not_ready
from journeyman.serve.replica.rpc_endpoint import RpcEndpoint
from journeyman.serve.spec import Limits
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import REPLICA

SWITCH_S = 0.0005
"""How long a thread that loads a version may keep the interpreter from the one that answers: Python's own
5 ms come back at every operation of a model."""
REPORT_RETRY_S = 1.0
OVERTAKEN_POLL_S = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The versions a replica is to have."""

    serving: str
    candidate: str | None
    trial: int
    follows: str | None
    """The version that `serving` is to take the place of, while it is tried by replicas of its own."""
    engine: Engine | None
    """The one that is ordered; None for what was measured to be the fastest."""
    verdicts: str
    """Changes when there is a new verdict on `serving`."""


class Replica:
    """Of one service, in a process of its own."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._mlflow = Mlflow(arguments.mlflow_url, os.environ)
        self._generation = int(os.environ[GENERATION])
        self._replica_id = serve.get_replica_context().replica_id.unique_id
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        sys.setswitchinterval(SWITCH_S)
        self._loader = Loader(arguments, self._mlflow)
        self._endpoint = Endpoint(arguments.service, arguments.model)
        self._rpc = RpcEndpoint(self._endpoint, arguments.service, arguments.model)
        self._target: Target | None = None
        self._loaded: Loaded | None = None
        self._candidate: Loaded | None = None
        self._candidate_state: str | None = None
        self._reason = ""
        self._engine_trouble = ""
        self._compiling: dict[Path, Future[str]] = {}
        """Why the version in a folder cannot be compiled on this node, once that is known."""
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
            Engine(user_config["engine"]) if user_config.get("engine") else None,
            user_config.get("verdicts", ""),
        )
        self._target = target
        self._endpoint.limits = Limits.model_validate(user_config.get("limits", {}))
        if self._loaded is None:
            # Replicas answer meanwhile on this machine. Threads that an engine starts inherit the policy, and
            # compute answers later: with several it must not be theirs.
            policy = use_idle_time if torch.get_num_threads() == 1 else None
            with ThreadPoolExecutor(1, "first-version", policy) as first:
                loop = asyncio.get_running_loop()
                self._loaded = await loop.run_in_executor(first, self._load_first_or_tell, target)
            threading.Thread(target=self._keep_up, name="versions", daemon=True).start()
        elif self._candidate is not None and self._candidate.version == target.serving:
            self._loaded = self._candidate
        self._changed.set()

    async def answer(self, request: Request) -> Response:
        loaded = self._loaded
        assert loaded is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._endpoint.answer(request, loaded)

    async def call(self, method: str, request: Any, context: RayServegRPCContext) -> Any:
        loaded = self._loaded
        assert loaded is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._rpc.call(method, request, context, loaded)

    # -- versions ------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """The background thread: reach the target, tell MLflow, wait for the next."""
        told = ""
        reached: Target | None = None
        cleaned: tuple[str, str | None] | None = None
        while True:
            self._changed.clear()
            target = self._target
            assert target is not None, "set before the thread starts"
            if target is not reached:
                self._reach(target, reached)
                reached = target
            answers = self._loaded
            assert answers is not None, "loaded before the thread starts"
            if answers.to_compile is not None:
                answers = self._compiled(answers, answers.to_compile, target)
            self._endpoint.metrics.serving(answers.version, str(answers.model.plan))
            report = write_report(self._report(target))
            if report == told or self._tell(report):
                told = report
                if cleaned != (target.serving, target.candidate):
                    cleaned = target.serving, target.candidate
                    self._clean(answers.version, *cleaned)
                self._changed.wait()
            else:
                self._changed.wait(REPORT_RETRY_S)

    def _clean(self, *versions: str | None) -> None:
        """Remove what nobody needs of the cache, which grows as versions change; beside the next change."""
        threading.Thread(target=self._loader.clean, args=(versions,), name="cleaner", daemon=True).start()

    def _reach(self, target: Target, before: Target | None) -> None:
        """Have what the target asks for; what cannot be had is in the report."""
        loaded = self._loaded
        if loaded is None or loaded.version != target.serving:
            state, reason, found = self._try(target.serving, target.engine, None)
            if found is not None:
                self._loaded = found
            else:
                _log.error("version %s %s: %s", target.serving, state, reason)
        elif before is not None and (before.engine, before.verdicts) != (target.engine, target.verdicts):
            self._change_engine(loaded, target)
        self._candidate, self._candidate_state, self._reason = None, None, ""
        if target.candidate is None:
            return
        # In a thread of its own: a version that never finishes loading must not keep the next from its turn.
        tried: Future[tuple[str, str, Loaded | None]] = Future()
        threading.Thread(
            target=lambda: tried.set_result(self._try(str(target.candidate), target.engine, self._loaded)),
            name=f"version-{target.candidate}",
            daemon=True,
        ).start()
        while not tried.done() and self._target is target:
            wait([tried], OVERTAKEN_POLL_S)
        if tried.done():
            self._candidate_state, self._reason, self._candidate = tried.result()

    def _compiled(self, loaded: Loaded, folder: Path, target: Target) -> Loaded:
        """The version as machine code once this node has it: made once, while the version answers."""
        trouble = self._compiling.get(folder)
        if trouble is None:
            trouble = self._compiling[folder] = Future()
            trouble.add_done_callback(lambda _: self._changed.set())
            compiling = threading.Thread(
                target=lambda: trouble.set_result(_why_not_compiled(folder)), name="compiler", daemon=True
            )
            compiling.start()
        if not trouble.done():
            self._engine_trouble = loaded.engine_trouble
            return loaded
        if why := trouble.result():
            self._engine_trouble = f"stays with {loaded.model.plan}: {why}"
            return loaded
        self._change_engine(loaded, target)
        return self._loaded or loaded

    def _change_engine(self, loaded: Loaded, target: Target) -> None:
        """The same version, computed otherwise; where that fails it goes on as it is."""
        try:
            self._loaded = self._loader.load(loaded.version, target.engine, loaded)
            self._engine_trouble = self._loaded.engine_trouble
        except JourneymanError as error:
            self._engine_trouble = f"stays with {loaded.model.plan}: {error.message}"
        except Exception as error:  # noqa: BLE001
            # Loaders of all engines run here, and this thread must go on.
            _log.exception("version %s cannot be computed as ordered", loaded.version)
            self._engine_trouble = f"stays with {loaded.model.plan}: {described(error)}"

    def _try(
        self, version: str, engine: Engine | None, beside: Loaded | None
    ) -> tuple[str, str, Loaded | None]:
        try:
            if beside is not None:
                files = self._loader.look(version)
                check_signature(files, beside.model.signature, beside.version)
                if self._stays:
                    return NEW_REPLICAS, "follows a version that cannot be taken out of a process", None
                if why := why_new_replicas(files):
                    return NEW_REPLICAS, why, None
                check_memory(files.folder, psutil.virtual_memory().available)
            found = self._loader.load(version, engine)
        except JourneymanError as error:
            return *why_not_ready(error), None
        except Exception as error:  # noqa: BLE001
            # Loaders of all flavors run here, and this thread must go on.
            _log.exception("version %s cannot be loaded", version)
            return *why_not_ready(error), None
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
            files = self._loader.look(version)
            check_signature(files, self._loader.look(target.follows).signature, target.follows)
            check_memory(files.folder, psutil.virtual_memory().available)
        found = self._loader.load(version, target.engine)
        self._engine_trouble = found.engine_trouble
        self._stays = bool(why_new_replicas(found.model.files))
        if self._stays:
            gc.collect()
            gc.freeze()
            return found
        del found
        gc.collect()
        gc.freeze()
        found = self._loader.load(version, target.engine)
        # The pass over what has just been loaded, which else comes amid the first requests.
        gc.collect()
        return found

    # -- reports -------------------------------------------------------------------------------------

    def _report(self, target: Target) -> Report:
        loaded = self._loaded
        assert loaded is not None, "loaded before the thread starts"
        return Report(
            generation=self._generation,
            serving=loaded.version,
            trial=target.trial,
            candidate=target.candidate,
            candidate_state=self._candidate_state,
            reason=self._reason,
            hardware=self._loader.hardware.key,
            engine=str(loaded.model.plan),
            engine_trouble=self._engine_trouble,
        )

    def _failure(self, target: Target, reason: str) -> Report:
        return Report(
            generation=self._generation,
            serving=target.serving,
            trial=target.trial,
            candidate=target.serving,
            candidate_state=FAILED,
            reason=reason,
            hardware=self._loader.hardware.key,
        )

    def _tell(self, report: str) -> bool:
        try:
            self._mlflow.set_tags(self._arguments.run_id, {f"{REPLICA}.{self._replica_id}": report})
        except JourneymanError as error:
            _log.warning("MLflow was not told what this replica has: %s", error.message)
            return False
        return True


def _why_not_compiled(folder: Path) -> str:
    """Empty once it is."""
    try:
        compile_version(folder)
    except JourneymanError as error:
        return error.message
    except Exception as error:  # noqa: BLE001
        # The file system and other processes: the thread that waits for this must hear of it.
        return described(error)
    return ""
