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
_TABLE = (
    "CREATE TABLE IF NOT EXISTS owned (key TEXT, step INT, pid INT, PRIMARY KEY (key, step)) WITHOUT ROWID"
)
_CLAIM = "INSERT OR IGNORE INTO owned VALUES (?, ?, ?)"
_OWNERS = "SELECT step, pid FROM owned WHERE key = ? AND step BETWEEN ? AND ?"
_INHERIT = "UPDATE owned SET pid = ? WHERE key = ? AND pid = ? AND step BETWEEN ? AND ?"


class Ledger:
    """Of one rank; `folder` is None where there is nobody to share it with."""

    def __init__(self, folder: str | None) -> None:
        self._file = Path(folder) / "points.sqlite" if folder else None

    def own(self, points: Sequence[Point]) -> list[Point]:
        """Those that this process may send: at no step of a metric that another living one has sent."""
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
    """Those steps of a metric that are this process's from now on; asked again, the same ones."""
    own = os.getpid()
    steps = {point.step for point in points if point.key == key}
    ends = (min(steps), max(steps))
    ledger.executemany(_CLAIM, [(key, step, own) for step in steps])
    owners = dict(ledger.execute(_OWNERS, (key, *ends)).fetchall())
    living = {pid: pid == own or _lives(pid) for pid in set(owners.values())}
    for ended in (pid for pid, lives in living.items() if not lives):
        ledger.execute(_INHERIT, (own, key, ended, *ends))
    return {step for step in steps if owners[step] == own or not living[owners[step]]}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
