"""How fast a job steps while it is followed, and for how long it will go on. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
"""What was longer ago counts no more: the first steps of an attempt are slower than those that follow."""


class Pace:
    """The newest step of one job, seen again and again."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, step: int, now_s: float) -> None:
        """A smaller step than before is another attempt's, which goes on from a checkpoint."""
        if self._seen and step < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or step > self._seen[-1][1]:
            self._seen.append((now_s, step))
        # Two stay, whatever their age: of a loop that steps once an hour too.
        while len(self._seen) > 2 and now_s - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()

    @property
    def steps_per_s(self) -> float | None:
        """None before two steps were seen."""
        if len(self._seen) < 2:
            return None
        (began_s, first), (newest_s, newest) = self._seen[0], self._seen[-1]
        return (newest - first) / (newest_s - began_s) if newest_s > began_s else None

    def left_s(self, total: int | None, now_s: float) -> float | None:
        """Seconds until the last of `total` steps, numbered from 0; None where nobody can tell."""
        pace = self.steps_per_s
        if pace is None or total is None or self._seen[-1][1] >= total:
            return None
        newest_s, newest = self._seen[-1]
        return max(0.0, (total - 1 - newest) / pace - (now_s - newest_s))
