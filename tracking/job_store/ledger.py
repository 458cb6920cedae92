"""Which process of one rank a point is of, where several log the same: each (metric, step) is one's alone.

A script may start processes of its own, which log like it does. What MLflow holds already each of them learns
from there; what is on its way at the same moment, from a file of this machine.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from journeyman.tracking.job_store.buffer import Point

_TIMEOUT_S = 5.0
_TABLE = "CREATE TABLE IF NOT EXISTS sent (key TEXT, pid INT, low INT, high INT, PRIMARY KEY (key, pid))"
_SENT = "SELECT pid, low, high FROM sent WHERE key = ?"


class Ledger:
    """Of one rank; `folder` is None where there is nobody to share it with."""

    def __init__(self, folder: str | None) -> None:
        self._file = Path(folder) / "points.sqlite" if folder else None

    def own(self, points: Sequence[Point]) -> list[Point]:
        """Those that this process may send: at no step of a metric that another one, which lives, is past."""
        if self._file is None:
            return list(points)
        try:
            with contextlib.closing(sqlite3.connect(self._file, _TIMEOUT_S, isolation_level=None)) as ledger:
                ledger.execute("PRAGMA synchronous = OFF")
                ledger.execute("BEGIN IMMEDIATE")
                ledger.execute(_TABLE)
                owned = {key: _owned(ledger, key, points) for key in {point.key for point in points}}
                ledger.execute("COMMIT")
        except (OSError, sqlite3.Error):
            # A folder that is gone, a disk that is full: a point that is there twice is better than none.
            return list(points)
        return [point for point in points if point.step in owned[point.key]]


def _owned(ledger: sqlite3.Connection, key: str, points: Sequence[Point]) -> set[int]:
    own, low, high = os.getpid(), None, None
    steps = {point.step for point in points if point.key == key}
    for pid, begin, end in ledger.execute(_SENT, (key,)).fetchall():
        if pid == own:
            low, high = begin, end
        elif _lives(pid):
            steps = {step for step in steps if not begin <= step <= end}
    if steps:
        low = min(steps) if low is None else min(low, *steps)
        high = max(steps) if high is None else max(high, *steps)
        ledger.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", (key, own, low, high))
    return steps


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
