"""A rank that does nothing says so, and takes it back when it moves again."""

from __future__ import annotations

import os
import queue
import subprocess
import sys

import pytest

from journeyman.jobs.waits import Wait
from journeyman.jobs.worker import stillness
from journeyman.jobs.worker.stillness import Look, Stillness, moved

WORKS = "import sys\nsys.stdin.readline()\nwhile True: pass"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "EVERY_S", 0.2)
    monkeypatch.setattr(stillness, "STILL_AFTER_S", 0.5)


def test_a_process_that_only_waits_is_still_until_it_computes() -> None:
    told: queue.Queue[Wait] = queue.Queue()
    with subprocess.Popen([sys.executable, "-c", WORKS], stdin=subprocess.PIPE) as child:
        watching = Stillness(3, lambda: 0, told.put)
        watching.runs_in(child.pid)
        with watching.watched():
            assert told.get(timeout=30) == Wait(rank=3, what="still")
            assert child.stdin is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
            assert told.get(timeout=30) == Wait(rank=3, what="moves")
        child.kill()


def test_a_process_that_prints_moves_and_one_that_is_in_report_waits() -> None:
    told: queue.Queue[Wait] = queue.Queue()
    printed = iter(range(10**9))
    watching = Stillness(0, lambda: next(printed), told.put)
    watching.runs_in(os.getpid())
    with watching.watched():
        with pytest.raises(queue.Empty):
            told.get(timeout=1.5)
        with watching.reporting():
            # What else the process does meanwhile is not its training.
            assert told.get(timeout=30) == Wait(rank=0, what="report")
        assert told.get(timeout=30) == Wait(rank=0, what="moves")


@pytest.mark.parametrize(
    ("cpu_s", "io_bytes", "printed_bytes", "expected"),
    [(0.1, 1000, 0, False), (3.0, 0, 0, True), (-3.0, 0, 0, True), (0.0, 10**6, 0, True), (0.0, 0, 1, True)],
)
def test_what_counts_as_a_movement(cpu_s: float, io_bytes: int, printed_bytes: int, expected: bool) -> None:
    before = Look(cpu_s=10, io_bytes=10**7, printed_bytes=5, reports=0)
    now = Look(cpu_s=10 + cpu_s, io_bytes=10**7 + io_bytes, printed_bytes=5 + printed_bytes, reports=0)
    assert moved(before, now, passed_s=5.0) is expected
