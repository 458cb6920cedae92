"""Whether a replica still gets on: for how long it has been computing one call, and which threads live. Pure
but for a stopwatch that threads press.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

LEAST_S = 60.0
"""A call may take so long, whatever came before it."""
TIMES_LONGEST = 3
TIMES_TIMEOUT = 2


class Stopwatch:
    """Of one thread, which alone presses it; others read it."""

    __slots__ = ("longest_s", "running")

    def __init__(self) -> None:
        self.running: tuple[float, str] | None = None
        """Since when the thread computes, and by which version, in one: others read it amid a change."""
        self.longest_s = 0.0
        """Of all that came to an end."""

    def begin(self, version: str) -> None:
        self.running = (time.monotonic(), version)

    def end(self) -> None:
        if self.running is not None:
            self.longest_s = max(self.longest_s, time.monotonic() - self.running[0])
            self.running = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is to be known of a replica to tell whether it gets on."""

    computing_since_s: float | None
    """The beginning of the call that has been computing for the longest."""
    version: str = ""
    """That call's, which may no longer be the one that serves."""
    longest_s: float
    """What the longest call took that was answered."""
    timeout_s: float
    """After which whoever asked is refused."""
    dead: tuple[str, ...]
    """Names of threads that are to live as long as the replica, and do not."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """Why a replica is to be replaced."""

    reason: str
    version: str = ""
    """Whose doing it is; empty for that of the version that serves."""


def limit_s(pulse: Pulse) -> float:
    """For how long a call may be computing."""
    return max(LEAST_S, TIMES_LONGEST * pulse.longest_s, TIMES_TIMEOUT * pulse.timeout_s)


def ailment_of(pulse: Pulse, now: float) -> Ailment | None:
    """None where the replica gets on. `now` is of time.monotonic()."""
    if pulse.dead:
        return Ailment(f"its thread {', '.join(pulse.dead)} has died")
    since, limit = pulse.computing_since_s, limit_s(pulse)
    if since is not None and now - since > limit:
        return Ailment(f"a call has been computing for more than {limit:.0f} s", pulse.version)
    return None
