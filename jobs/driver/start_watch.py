"""Workers that hang before the training code runs: Ray Train would wait for them without end."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.train import WorkerGroupError

from journeyman.compat.ray_train import (
    ControllerCallback,
    WorkerGroupCallback,
    ask,
    end,
    health_check_timeout_s,
    node_address_of,
    rank_of,
)
from journeyman.jobs.outcome import Cause, RankError

ANSWER_S = 10.0
"""How long a worker that is asked, after all the time it has had, may take to answer."""


class StartWatch(WorkerGroupCallback, ControllerCallback):  # type: ignore[misc]
    """Ends a start for which a worker does not answer. Lives in Ray Train's controller.

    The controller checks the health of workers once their training code runs. Before, it waits for all of
    them in calls without a limit (`WorkerGroup._start_impl`, Ray 2.60), and one process that is stopped would
    hold up the job for ever. A worker has as long here as the health check gives it later.
    """

    def __init__(self) -> None:
        self._started: threading.Event | None = None
        self._given_up: dict[int, Exception] = {}

    def before_init_train_context(self, workers: Sequence[Any]) -> dict[str, list[Any]]:
        """All workers have answered once, so that environments are installed and processes are there."""
        self._end()
        self._started = threading.Event()
        by_rank = {rank_of(worker): worker for worker in workers}
        threading.Thread(target=self._watch, args=(by_rank, self._started), daemon=True).start()
        return {}

    def after_worker_group_training_start(self, worker_group: object) -> None:
        self._end()

    def before_controller_execute_failure_decision(self, failure_decision: object) -> None:
        """The attempt is over where workers were given up: Ray Train itself would start them for ever."""
        self._end()
        if self._given_up:
            raise WorkerGroupError("they hang as they start", self._given_up)

    def _end(self) -> None:
        if self._started is not None:
            self._started.set()

    def _watch(self, workers: Mapping[int, Any], started: threading.Event) -> None:
        limit_s = health_check_timeout_s()
        while not started.wait(limit_s):
            asked = {ask(worker): rank for rank, worker in workers.items()}
            _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
            if not silent or started.is_set():
                continue
            ranks = sorted(asked[call] for call in silent)
            self._given_up = {rank: _hung(workers[rank], limit_s) for rank in ranks}
            for rank in ranks:
                end(workers[rank])
            return


def _hung(worker: Any, limit_s: float) -> RankError:
    message = (
        f"its process on {node_address_of(worker)} did not answer for {limit_s:.0f} s as it started: "
        "it was stopped, or something held its interpreter"
    )
    return RankError(message, cause=Cause.MACHINE)
