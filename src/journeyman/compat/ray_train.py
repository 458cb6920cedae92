"""Private names of Ray Train: callbacks in its controller and workers, the context of a worker, its files.

Tested with Ray 2.60. Without the callbacks a start that hangs is not ended, the moment an attempt is ready is
not told, and a script gets no SIGTERM; training itself goes on. A worker cannot do without the context.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray
from ray.train import Checkpoint
from ray.train.v2._internal.execution import storage
from ray.train.v2._internal.execution.context import get_train_context
from ray.train.v2.api.callback import RayTrainCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

try:
    from ray.train.v2._internal.execution.callback import (
        ControllerCallback,
        WorkerCallback,
        WorkerGroupCallback,
    )
except ImportError:
    # Ray takes them as callbacks, and calls nothing of them.
    ControllerCallback = WorkerCallback = WorkerGroupCallback = RayTrainCallback

__all__ = ["ControllerCallback", "WorkerCallback", "WorkerGroupCallback"]

CHECKPOINT_SNAPSHOT = "checkpoint_manager_snapshot.json"
"""The file beside checkpoints in which Ray Train keeps which of them are committed, and their metrics."""
STORAGE_SOURCE = str(storage.__file__)
"""The file of Ray Train that writes checkpoints, as tracebacks name it."""
_HEALTH_CHECK_TIMEOUT = "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S"
_HEALTH_CHECK_TIMEOUT_S = 600.0
"""Ray Train's own default."""
_NEEDLESS = ("DatasetsCallback", "PlacementGroupCleanerCallback")
"""Each starts a process of its own before the first step, 2 s of processor time: one hands out Ray datasets,
which no spec has, the other frees what the driver held, which Ray does when the driver's job ends."""


class LeanTrainer(DataParallelTrainer):  # type: ignore[misc]  # Ray is not followed by mypy
    """A trainer without the helper processes that nothing here uses."""

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        return [c for c in super()._create_default_callbacks() if type(c).__name__ not in _NEEDLESS]


def health_check_timeout_s() -> float:
    """How long a worker may leave Ray Train's health check without an answer."""
    return float(os.environ.get(_HEALTH_CHECK_TIMEOUT, _HEALTH_CHECK_TIMEOUT_S))


def failed_health_check(error: BaseException) -> BaseException:
    """What Ray said when it asked a worker for its health; the error itself where it is no such failure."""
    inner = getattr(error, "health_check_failure", None)
    return inner if isinstance(inner, BaseException) else error


# -- a worker, as callbacks in the controller get it -----------------------------------------------------


def rank_of(worker: Any) -> int:
    return int(worker.distributed_context.world_rank)


def node_address_of(worker: Any) -> str:
    return str(worker.metadata.node_ip)


def ask(worker: Any) -> ray.ObjectRef:
    """A call that any worker answers at once."""
    return worker.actor.get_metadata.remote()


def end(worker: Any) -> None:
    """Kill its process: what the controller waits for ends with an error."""
    ray.kill(worker.actor)


# -- the context of the worker that this process is -------------------------------------------------------


def resume_from(path: str) -> None:
    """Have `ray.train.get_checkpoint` give this checkpoint, unless the attempt itself committed one."""
    context = get_train_context()
    if context.checkpoint is None:
        context.checkpoint = Checkpoint(path, context.storage_context.storage_filesystem)


def wrap_report(wrapped: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    """Put a function in the place of `ray.train.report` for this worker; it is given the one before."""
    context = get_train_context()
    context.report = wrapped(context.report)


def is_preempted() -> bool:
    """Whether Ray has told this worker that its node is taken away.

    `ray.train.get_preemption_info` would wait until all ranks ask for it.
    """
    told = getattr(get_train_context(), "preemption_context", None)
    return getattr(told, "preemption_info", None) is not None
