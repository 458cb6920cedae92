"""Tells the workers of a script that their job is to end. Lives in Ray Train's controller."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from journeyman.compat.ray_train import WorkerGroupCallback
from journeyman.jobs.environment import STOP

EVERY_S = 2.0


class StopWatch(WorkerGroupCallback):  # type: ignore[misc]
    """Looks whether control asks for the job's end, and has each worker signal its script.

    Ray ends a driver with a signal and its workers without one; what a script does with the time it is given
    is recorded as always, since its workers live on.
    """

    def __init__(self) -> None:
        # Made in the controller: what is sent there holds no locks.
        self._over: threading.Event | None = None

    def after_worker_group_training_start(self, worker_group: Any) -> None:
        self._end()
        self._over = threading.Event()
        arguments = (worker_group.get_workers(), self._over)
        threading.Thread(target=_watch, args=arguments, name="stop", daemon=True).start()

    def before_worker_group_shutdown(self, worker_group: object) -> None:
        self._end()

    def before_worker_group_abort(self, worker_group_context: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._over is not None:
            self._over.set()


def _watch(workers: Sequence[Any], over: threading.Event) -> None:
    # The driver loads this module too: as in `entry`, nothing is loaded thrice.
    from journeyman.errors import JourneymanError
    from journeyman.jobs.phases import Phase
    from journeyman.tracking.job_store import environment
    from journeyman.tracking.mlflow_rest import Mlflow

    run_id = os.environ[environment.RUN_ID]
    with contextlib.closing(Mlflow(os.environ[environment.TRACKING_URI], os.environ)) as mlflow:
        while not over.wait(EVERY_S):
            # MLflow may be away, or its database another one for a moment.
            with contextlib.suppress(JourneymanError, ValueError):
                if mlflow.run(run_id).phase == Phase.CANCELLING:
                    break
    if not over.is_set():
        with contextlib.suppress(RayError):
            ray.get([worker.execute_async(stop) for worker in workers])


def stop() -> None:
    """Runs in a worker, whose thread of training sees it."""
    os.environ[STOP] = "1"
