"""Processes of one rank that log the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeyman.tracking.job_store import environment
from journeyman.tracking.job_store.buffer import Point
from journeyman.tracking.job_store.ledger import Ledger


def steps(*numbers: int, key: str = "loss") -> list[Point]:
    return [Point(key, 0.5, 1, step) for step in numbers]


@pytest.fixture
def other() -> Iterator[int]:
    """Another process that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child.pid
        child.kill()


def as_process(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: pid)


def test_each_step_is_sent_by_one_of_those_that_live(
    tmp_path: Path, other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpid()
    shared = Ledger(str(tmp_path))
    assert shared.own(steps(0, 1, 1, 2)) == steps(0, 1, 1, 2)
    as_process(other, monkeypatch)
    assert shared.own(steps(1, 2, 3, 4)) == steps(3, 4)
    assert shared.own(steps(0, key="accuracy")) == steps(0, key="accuracy")
    as_process(own, monkeypatch)
    assert shared.own(steps(3, 4, 5)) == steps(5)
    # Values without steps are all of the one that logs them.
    assert shared.own(steps(0, 0)) == steps(0, 0)


def test_steps_between_those_of_another_process_are_lost_by_nobody(
    tmp_path: Path, other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpid()
    shared = Ledger(str(tmp_path))
    assert shared.own(steps(0, 2, 28)) == steps(0, 2, 28)
    as_process(other, monkeypatch)
    assert shared.own(steps(1, 28, 29)) == steps(1, 29)
    as_process(own, monkeypatch)
    assert shared.own(steps(29, 30)) == steps(30)
    as_process(other, monkeypatch)
    # A batch that did not arrive is sent again, and is no less than before.
    assert shared.own(steps(1, 28, 29)) == steps(1, 29)


def test_a_process_that_has_ended_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    shared, own = Ledger(str(tmp_path)), os.getpid()
    as_process(ended.pid, monkeypatch)
    shared.own(steps(0, 1, 2))
    as_process(own, monkeypatch)
    assert shared.own(steps(1, 2, 3)) == steps(1, 2, 3)


def test_without_its_folder_nothing_is_held_back(tmp_path: Path) -> None:
    assert Ledger(None).own(steps(1)) == steps(1)
    assert Ledger(str(tmp_path / "gone")).own(steps(1)) == steps(1)


@pytest.mark.parametrize(
    ("own", "framework", "rank"),
    [("", "", 0), ("", "2", 2), ("0", "", 0), ("0", "1", 1), ("1", "0", 1), ("0", "none", 0)],
)
def test_a_process_with_a_rank_of_its_own_below_rank_0_is_not_rank_0(
    monkeypatch: pytest.MonkeyPatch, own: str, framework: str, rank: int
) -> None:
    monkeypatch.setenv(environment.RANK, own)
    monkeypatch.setenv("RANK", framework)
    assert environment.rank() == rank
