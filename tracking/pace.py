"""How soon control looks again, by what it saw."""

from __future__ import annotations

from enum import Enum


class Pace(Enum):
    """Of one kind of order."""

    AWAITED = "awaited"
    """Somebody waits for what comes next."""
    WATCHED = "watched"
    """Something runs that may end without a word to MLflow."""
    CALLED = "called"
    """Nothing changes but by what is written in MLflow, or what Ray puts right itself."""
