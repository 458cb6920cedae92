"""How control's loops follow the lease, and what its heartbeat tells."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from journeyman.control import Duty, Heartbeat, Knock, run_loop
from journeyman.testing import FakeMlflow
from journeyman.tracking.pace import Pace


class ToldLease:
    """Held as it is told."""

    def __init__(self) -> None:
        self.held: tuple[str, int] | None = None

    def term(self) -> tuple[str, int] | None:
        return self.held


class NotedController:
    """Notes what becomes of it."""

    def __init__(self, number: int, notes: list[str]) -> None:
        self._number = number
        self._notes = notes

    def step(self, now: float) -> Pace:
        self._notes.append(f"{self._number} steps")
        return Pace.CALLED

    def close(self) -> None:
        self._notes.append(f"{self._number} closes")


def test_controller_acts_in_a_term_alone_and_never_in_two() -> None:
    lease, notes, made = ToldLease(), list[str](), list[NotedController]()
    asked = list[Callable[[], bool]]()

    def make(may_act: Callable[[], bool]) -> NotedController:
        asked.append(may_act)
        made.append(NotedController(len(made) + 1, notes))
        return made[-1]

    duty = Duty(lease, FakeMlflow(lambda: 1_000_000.0), make)
    acted = []
    for held in (None, ("a", 1), ("a", 1), None, None, ("a", 3), ("a", 4), ("b", 1)):
        lease.held = held
        acted.append(duty.turn() is not None)
    assert acted == [False, True, True, False, False, True, True, True]
    assert notes == [
        *("1 steps", "1 steps", "1 closes"),
        *("2 steps", "2 closes", "3 steps", "3 closes", "4 steps"),
    ]
    # Each may act in its own term alone, amid a turn too.
    assert [may_act() for may_act in asked] == [False, False, False, True]
    lease.held = None
    assert [may_act() for may_act in asked] == [False] * 4


def test_heartbeat_is_as_old_as_the_oldest_turn_and_waits_for_every_loop(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    beat = Heartbeat(file, 3)
    beat.turned("jobs", 100)
    beat.turned("services", 200)
    beat.turned("jobs", 300)
    assert not file.exists()
    beat.turned("lease", 400)
    assert os.stat(file).st_mtime == 200
    beat.turned("services", 500)
    assert os.stat(file).st_mtime == 300


def test_what_is_written_is_heard_once_and_what_is_written_all_the_time_no_more_often_than_turns(
    tmp_path: Path,
) -> None:
    database, now_s = tmp_path / "mlflow.db", [100.0]
    database.touch()
    knock = Knock(database, lambda: now_s[0])

    def write(moment: int) -> None:
        os.utime(database, ns=(moment, moment))

    assert not knock.is_heard()
    write(1)
    assert knock.is_heard()
    knock.look()
    assert not knock.is_heard()
    heard = []
    for tenth in range(100):
        now_s[0] = 101 + tenth / 10
        write(10 + tenth)
        if knock.is_heard():
            heard.append(tenth / 10)
            knock.look()
    # One beside the first, and then two in every two seconds.
    assert len(heard) == 10
    # What is written while it is not heard is not forgotten.
    now_s[0] += 5
    for moment in (500, 501):
        write(moment)
        assert knock.is_heard()
        knock.look()
    write(502)
    assert not knock.is_heard()
    now_s[0] += 5
    assert knock.is_heard()


def test_loop_that_is_not_due_for_an_hour_turns_when_something_is_written(tmp_path: Path) -> None:
    database, stop, turned = tmp_path / "mlflow.db", threading.Event(), threading.Semaphore(0)
    database.touch()

    def turn() -> float:
        turned.release()
        return 3600.0

    beat = Heartbeat(tmp_path / "beat", 1)
    loop = threading.Thread(target=run_loop, args=("jobs", turn, stop, beat, Knock(database)))
    loop.start()
    try:
        assert turned.acquire(timeout=60)
        assert not turned.acquire(timeout=0.5)
        database.write_text("an order")
        assert turned.acquire(timeout=60)
    finally:
        stop.set()
        loop.join()
