"""One replica of a service: holds a version in memory and swaps it for another while its endpoints answer.

Its event loop is the only one to change what it holds: threads do tasks and hand their results to the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import threading
import time
from typing import Any

import torch
from ray import serve
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import Response

from journeyman.cluster.priority import use_idle_time
from journeyman.errors import JourneymanError
from journeyman.models.engines.engine import Engine
from journeyman.models.model import ModelError
from journeyman.serve.protocols.cors import Cors
from journeyman.serve.records import GENERATION
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.deployment import Arguments
from journeyman.serve.replica.health import Ailment, ailment_of
from journeyman.serve.replica.http import HttpEndpoint
from journeyman.serve.replica.loader import Loader
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names
from journeyman.serve.replica.rpc import RpcEndpoint
from journeyman.serve.replica.state import Event, Held, Ordered, Role, Target, Task, Woken, decide, report_of
from journeyman.serve.replica.tasks import do
from journeyman.serve.replica.teller import Teller
from journeyman.serve.replica.version import LoadedVersion
from journeyman.serve.spec import Limits
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import REPLICA

SWITCH_S = 0.0005
"""How long a thread that loads a version may keep the interpreter from the one that answers: Python's own
5 ms come back at every operation of a model."""
LAST_WORD_S = 10.0
"""How long a replica that cannot begin waits for MLflow to know why."""

_log = logging.getLogger(__name__)


class UnhealthyError(JourneymanError):
    """A replica that does not get on, and is to be replaced."""


class Replica:
    """Of one service, in a process of its own."""

    def __init__(self, arguments: Arguments) -> None:
        self._generation = int(os.environ[GENERATION])
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        sys.setswitchinterval(SWITCH_S)
        mlflow = Mlflow(arguments.mlflow_url, os.environ)
        names = Names(arguments.service, arguments.model)
        self._loader = Loader(arguments, mlflow)
        self._metrics = Metrics(names.service, names.model)
        self._queue = ComputeQueue(self._metrics)
        self._http = HttpEndpoint(names, self._queue, self._metrics)
        self._rpc = RpcEndpoint(names, self._queue, self._metrics)
        key = f"{REPLICA}.{serve.get_replica_context().replica_id.unique_id}"
        self._teller = Teller(lambda report: mlflow.set_tags(arguments.run_id, {key: report}), self._ailment)
        self._held: Held | None = None
        """Nobody but the event loop changes it."""
        self._serving: LoadedVersion | None = None
        """That of `_held`, at hand for each request."""
        self._began = asyncio.Event()
        """Set once the first version is there, or cannot be had."""
        self._spread = random.Random(key).uniform(1.0, 1.5)
        self._wake: asyncio.TimerHandle | None = None
        self._kept: frozenset[str] = frozenset()
        """The versions that the cache on this node was last cleaned for."""

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take note of the versions to have. Waits only at the start, where failing is the right answer.

        Later it returns at once and raises nothing: meanwhile Serve sends the replica no requests, and an
        error would end it.
        """
        self._queue.limits = Limits.model_validate(user_config.get("limits", {}))
        self._http.cors = Cors(user_config.get("cors", ()))
        self._meet(Ordered(_target(user_config)))
        if self._serving is not None:
            return
        await self._began.wait()
        assert self._held is not None, "there is a target"
        if self._held.refused:
            if self._held.target.follows is not None:
                # Nobody need try it again.
                await self._teller.told(LAST_WORD_S)
            raise ModelError(self._held.refused)

    async def answer(self, request: Request) -> Response:
        version = self._serving
        assert version is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._http.answer(request, version)

    async def call(self, method: str, request: Any, context: RayServegRPCContext) -> Any:
        version = self._serving
        assert version is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._rpc.call(method, request, context, version)

    def check_health(self) -> None:
        """Raises UnhealthyError where the replica is to be replaced."""
        if ailment := self._ailment():
            raise UnhealthyError(ailment.reason)

    def _ailment(self) -> Ailment | None:
        """Asked by the teller too: the event loop may be what does not get on."""
        if ailment := ailment_of(self._queue.pulse(), time.monotonic()):
            return ailment
        return None if self._teller.is_alive else Ailment("its thread teller has died")

    # -- the one writer ------------------------------------------------------------------------------

    def _meet(self, event: Event) -> None:
        """On the event loop alone."""
        if self._held is None:
            assert isinstance(event, Ordered), "nothing happens to a replica before it has a target"
            self._held = Held(target=event.target)
        step = decide(self._held, event, time.monotonic(), self._spread)
        held = self._held = step.held
        self._serving = held.serving
        for task in step.tasks:
            self._begin(task)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if step.wake_at_s is not None:
            pause_s = max(0.0, step.wake_at_s - time.monotonic())
            self._wake = asyncio.get_running_loop().call_later(pause_s, self._meet, Woken())
        self._teller.tell(report_of(held, self._generation, self._loader.hardware.key))
        if held.serving is not None:
            self._metrics.serving(held.serving.version, str(held.serving.plan))
            self._clean(held)
        if held.serving is not None or held.refused:
            self._began.set()

    def _begin(self, task: Task) -> None:
        """In a thread of its own: a version that never finishes loading keeps none from its turn."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            if task.need.role is Role.FIRST and torch.get_num_threads() == 1:
                # Replicas answer meanwhile on this machine. Threads that an engine starts inherit the policy,
                # and compute answers later: with several it must not be theirs.
                use_idle_time()
            result = do(task, self._loader)
            loop.call_soon_threadsafe(self._meet, result)

        name = f"{task.need.role}-{task.need.version}"
        threading.Thread(target=work, name=name, daemon=True).start()

    def _clean(self, held: Held) -> None:
        """Remove what nobody needs of the cache, which grows as versions change; beside what goes on."""
        target = held.target
        named = (target.serving, target.candidate, held.serving.version if held.serving else None)
        kept = frozenset(version for version in named if version is not None)
        if kept != self._kept:
            self._kept = kept
            threading.Thread(target=self._loader.clean, args=(kept,), name="cleaner", daemon=True).start()


def _target(user_config: dict[str, Any]) -> Target:
    return Target(
        serving=user_config["serving"],
        candidate=user_config.get("candidate"),
        trial=user_config.get("trial", 0),
        follows=user_config.get("follows"),
        engine=Engine(user_config["engine"]) if user_config.get("engine") else None,
        verdicts=user_config.get("verdicts", ""),
    )
