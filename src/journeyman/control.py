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
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from journeyman.cluster.archive import own_archive
from journeyman.cluster.local.parts import control_heartbeat_file, mlflow_database
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import load_settings
from journeyman.errors import DeniedError, JourneymanError, UnreachableError, in_one_line
from journeyman.jobs.control.controller import JobController
from journeyman.serve.control.controller import ServiceController
from journeyman.tracking.lease.claimant import this_process
from journeyman.tracking.lease.lease import Lease, clock
from journeyman.tracking.lease.terms import BEAT_S
from journeyman.tracking.lease.witness import Witness
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.pace import Pace

_logger = logging.getLogger("journeyman.control")
_CALM_TURN_S = 1.0
_TURN_S = {Pace.AWAITED: 0.5, Pace.WATCHED: _CALM_TURN_S, Pace.CALLED: _CALM_TURN_S}
_HEARING_TURN_S = {**_TURN_S, Pace.CALLED: 5.0}
"""Where control hears of whatever is written."""
_LISTEN_S = 0.1
_KNOCKS = 2
"""That are heard within as many calm turns."""
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

    database = mlflow_database(settings.home)
    hears = not settings.attached and database.exists()
    turn_s = _HEARING_TURN_S if hears else _TURN_S
    jobs = Duty(lease, mlflow, job_controller, turn_s)
    services = Duty(lease, mlflow, service_controller, turn_s)

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
    knocks = {name: Knock(database) for name in ("jobs", "services") if hears}
    threads = [
        threading.Thread(target=run_loop, args=(name, turn, until, beat, knocks.get(name)), name=name)
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

    def step(self, now: float) -> Pace: ...

    def close(self) -> None: ...


class Duty:
    """What one controller does while this control holds the lease; made anew for each term.

    Between two terms another control may have acted: what a controller sent then is not what there is. `make`
    is given what tells, without asking anybody, whether the term still lasts; `turn_s` tells in how many
    seconds a turn of each pace follows.
    """

    def __init__(
        self,
        lease: Tenant,
        mlflow: MlflowApi,
        make: Callable[[Callable[[], bool]], Controller],
        turn_s: Mapping[Pace, float] = _TURN_S,
    ) -> None:
        self._turn_s = turn_s
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
        return self._turn_s[self._controller.step(self._mlflow.now_ms() / 1000)]

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


class Knock:
    """Tells that something was written to MLflow, on the machine that it keeps its one file on.

    Whoever wrote: an order, a cancel, an alias that was moved elsewhere. Where somebody writes all the time,
    as a job does its metrics, it tells so as often as control looks anyway.
    """

    def __init__(self, database: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._seen = self._state()
        self._heard_s: deque[float] = deque(maxlen=_KNOCKS)

    def look(self) -> None:
        """What was written until now is about to be seen."""
        self._seen = self._state()

    def is_heard(self) -> bool:
        """Whether something was written since, and a turn is to follow at once."""
        now = self._clock()
        often = len(self._heard_s) == _KNOCKS and now - self._heard_s[0] < _KNOCKS * _CALM_TURN_S
        if often or self._state() == self._seen:
            return False
        self._heard_s.append(now)
        return True

    def _state(self) -> tuple[int, int] | None:
        try:
            status = self._database.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def run_loop(
    name: str,
    turn: Callable[[], float | None],
    stop: threading.Event,
    beat: Heartbeat,
    knock: Knock | None = None,
) -> None:
    trouble: type[JourneymanError] | None = None
    while not stop.is_set():
        began_s = time.monotonic()
        turn_s = _CALM_TURN_S
        if knock is not None:
            knock.look()
        try:
            due_s = turn()
            turn_s = _STANDBY_TURN_S if due_s is None else due_s
            if trouble is not None and due_s is not None:
                _logger.info("%s: recovered", name)
                trouble = None
        except (UnreachableError, DeniedError) as error:
            if type(error) is not trouble:
                _logger.warning("%s: %s", name, in_one_line(error))
            trouble = type(error)
            turn_s = _AWAY_TURN_S
        except Exception:
            # The loop is what keeps everything else alive: a fault in one turn is logged whole, and the
            # next turn observes afresh.
            _logger.exception("%s: a turn failed", name)
        beat.turned(name, time.time())
        _rest(max(0.05, began_s + turn_s - time.monotonic()), stop, knock)


def _rest(rest_s: float, stop: threading.Event, knock: Knock | None) -> None:
    """Until the next turn is due, or something calls for it."""
    if knock is None:
        stop.wait(rest_s)
        return
    until_s = time.monotonic() + rest_s
    while (left_s := until_s - time.monotonic()) > 0:
        if stop.wait(min(_LISTEN_S, left_s)) or knock.is_heard():
            return


if __name__ == "__main__":
    main()
