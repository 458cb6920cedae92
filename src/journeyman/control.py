"""The control process: the job loop and the service loop, each in a thread of its own, over HTTP alone.

A burst of jobs never delays a service, nor the reverse. Killed at any point, it rebuilds what it must know
from MLflow and Ray. Of several controls of a cluster one acts, the holder of the lease; the others stand by.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from journeyman.cluster.archive import own_archive
from journeyman.cluster.local.parts import control_heartbeat_file
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import load_settings
from journeyman.errors import DeniedError, JourneymanError, UnreachableError
from journeyman.jobs.control.controller import JobController
from journeyman.serve.control.controller import ServiceController
from journeyman.tracking.lease.claimant import this_process
from journeyman.tracking.lease.lease import Lease, clock
from journeyman.tracking.lease.terms import BEAT_S
from journeyman.tracking.lease.witness import Witness
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow

_logger = logging.getLogger("journeyman.control")
_BUSY_TURN_S = 0.5
_CALM_TURN_S = 1.0
_AWAY_TURN_S = 2.0
_STANDBY_TURN_S = 0.1
"""Asks nobody but the lease's own thread."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load_settings(os.environ)
    stop, let_go = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    claimant = this_process("control")
    mlflow = Mlflow(settings.mlflow_url, os.environ)
    ray = Ray(settings.ray_url, settings.ray_token, os.environ)
    package = own_archive() if settings.attached else None
    lease = Lease(mlflow, settings.cluster, claimant, clock)

    def job_controller(may_act: Callable[[], bool]) -> Controller:
        return JobController(mlflow, ray, settings, claimant.name, package, may_act=may_act)

    def service_controller(may_act: Callable[[], bool]) -> Controller:
        return ServiceController(mlflow, ray, settings, package, may_act=may_act)

    jobs, services = Duty(lease, mlflow, job_controller), Duty(lease, mlflow, service_controller)

    def lease_turn() -> float:
        lease.turn()
        return BEAT_S

    witness = Witness(mlflow, ray.cluster_id, clock)

    def witness_turn() -> float:
        # Not in the lease's thread, which must not wait for Ray.
        witness.turn(lease.term())
        return _CALM_TURN_S

    loops = [
        ("jobs", jobs.turn, stop),
        ("services", services.turn, stop),
        ("witness", witness_turn, stop),
        ("lease", lease_turn, let_go),
    ]
    beat = Heartbeat(control_heartbeat_file(settings.home), len(loops))
    _logger.info("control of cluster %s: MLflow %s, Ray %s", settings.cluster, mlflow.url, ray.url)
    threads = [
        threading.Thread(target=run_loop, args=(name, turn, until, beat), name=name)
        for name, turn, until in loops
    ]
    for thread in threads:
        thread.start()
    # The lease is held until the last turn of the others is over.
    for thread in threads[:-1]:
        thread.join()
    jobs.close()
    services.close()
    let_go.set()
    threads[-1].join()
    try:
        lease.release()
    except JourneymanError as error:
        _logger.warning("the lease could not be let go, it runs out by itself: %s", error.message)


class Tenant(Protocol):
    """Knows in which term this control may act; the lease does."""

    def term(self) -> tuple[str, int] | None: ...


class Controller(Protocol):
    """Carries out one kind of order, turn by turn."""

    def step(self, now: float) -> bool: ...

    def close(self) -> None: ...


class Duty:
    """What one controller does while this control holds the lease; made anew for each term.

    Between two terms another control may have acted: what a controller sent then is not what there is. `make`
    is given what tells, without asking anybody, whether the term still lasts.
    """

    def __init__(
        self, lease: Tenant, mlflow: MlflowApi, make: Callable[[Callable[[], bool]], Controller]
    ) -> None:
        self._lease = lease
        self._mlflow = mlflow
        self._make = make
        self._term: tuple[str, int] | None = None
        self._controller: Controller | None = None

    def turn(self) -> float | None:
        """One turn; in how many seconds the next is due. None where it is not ours to act."""
        term = self._lease.term()
        if term != self._term:
            self.close()
            self._term = term
            self._controller = None if term is None else self._make(lambda: self._lease.term() == term)
        if self._controller is None:
            return None
        # By MLflow's clock, by which all that is recorded goes: this machine's may be another.
        busy = self._controller.step(self._mlflow.now_ms() / 1000)
        return _BUSY_TURN_S if busy else _CALM_TURN_S

    def close(self) -> None:
        if self._controller is not None:
            self._controller.close()


class Heartbeat:
    """Tells that all loops turn, standing by or not: the file is as old as the oldest of their last turns."""

    def __init__(self, path: Path, loops: int) -> None:
        self._path = path
        self._loops = loops
        self._turns: dict[str, float] = {}
        self._lock = threading.Lock()

    def turned(self, loop: str, now: float) -> None:
        with self._lock:
            self._turns[loop] = now
            if len(self._turns) == self._loops:
                self._path.touch()
                oldest = min(self._turns.values())
                os.utime(self._path, (oldest, oldest))


def run_loop(name: str, turn: Callable[[], float | None], stop: threading.Event, beat: Heartbeat) -> None:
    trouble: type[JourneymanError] | None = None
    while not stop.is_set():
        began_s = time.monotonic()
        turn_s = _CALM_TURN_S
        try:
            due_s = turn()
            turn_s = _STANDBY_TURN_S if due_s is None else due_s
            if trouble is not None and due_s is not None:
                _logger.info("%s: goes on", name)
                trouble = None
        except (UnreachableError, DeniedError) as error:
            if type(error) is not trouble:
                _logger.warning("%s: %s", name, " ".join(str(error).splitlines()))
            trouble = type(error)
            turn_s = _AWAY_TURN_S
        except Exception:
            # The loop is what keeps everything else alive: a fault in one turn is logged whole, and the
            # next turn observes afresh.
            _logger.exception("%s: a turn failed", name)
        beat.turned(name, time.time())
        stop.wait(max(0.05, turn_s - (time.monotonic() - began_s)))


if __name__ == "__main__":
    main()
