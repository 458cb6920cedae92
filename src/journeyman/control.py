"""The control process: the job loop and the service loop, each in a thread of its own, over HTTP alone.

A burst of jobs never delays a service, nor the reverse. Killed at any point, it rebuilds what it must know
from MLflow and Ray.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from journeyman.cluster.archive import own_archive
from journeyman.cluster.parts import control_heartbeat_file
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import load_settings
from journeyman.errors import DeniedError, JourneymanError, UnreachableError
from journeyman.jobs.controller import JobController
from journeyman.serve.controller import ServiceController
from journeyman.tracking.mlflow_rest import Mlflow

_logger = logging.getLogger("journeyman.control")
_BUSY_TURN_S = 0.5
_CALM_TURN_S = 1.0
_AWAY_TURN_S = 2.0


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load_settings(os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    claimant = f"control-{socket.gethostname()}-{os.getpid()}-{int(time.time())}"
    mlflow, ray = Mlflow(settings.mlflow_url, os.environ), Ray(settings.ray_url, settings.ray_token)
    package = own_archive() if settings.attached else None
    jobs = JobController(mlflow, ray, settings, claimant, package)
    services = ServiceController(mlflow, ray, settings, package)
    beat = Heartbeat(control_heartbeat_file(settings.home))
    _logger.info("control of cluster %s: MLflow %s, Ray %s", settings.cluster, mlflow.url, ray.url)
    loops = [
        threading.Thread(target=run_loop, args=(name, step, stop, beat), name=name)
        for name, step in (("jobs", jobs.step), ("services", services.step))
    ]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    jobs.close()
    services.close()


class Heartbeat:
    """Tells that both loops turn: the file is as old as the older of their last turns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turns: dict[str, float] = {}
        self._lock = threading.Lock()

    def turned(self, loop: str, now: float) -> None:
        with self._lock:
            self._turns[loop] = now
            if len(self._turns) == 2:
                self._path.touch()
                oldest = min(self._turns.values())
                os.utime(self._path, (oldest, oldest))


def run_loop(name: str, step: Callable[[float], bool], stop: threading.Event, beat: Heartbeat) -> None:
    trouble: type[JourneymanError] | None = None
    while not stop.is_set():
        began = time.time()
        turn_s = _CALM_TURN_S
        try:
            if step(began):
                turn_s = _BUSY_TURN_S
            if trouble is not None:
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
        stop.wait(max(0.05, turn_s - (time.time() - began)))


if __name__ == "__main__":
    main()
