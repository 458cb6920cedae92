"""When what did not work is tried again: after a pause, then after twice as long each time."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

_LONGEST_S = 3600.0


@dataclass(slots=True)
class _Wait:
    about: object
    pause_s: float
    until_s: float


@dataclass(slots=True)
class Pauses:
    """By the name of what is tried. A control that is started anew tries sooner, and loses nothing else."""

    first_s: float
    _waits: dict[Hashable, _Wait] = field(default_factory=dict)

    def due(self, name: Hashable, about: object, now: float) -> bool:
        """Whether it is tried now; asked for the first time of this `about`, its first pause begins."""
        wait = self._waits.get(name)
        if wait is None or wait.about != about:
            self._waits[name] = _Wait(about, self.first_s, now + self.first_s)
            return False
        if now < wait.until_s:
            return False
        wait.pause_s = min(2 * wait.pause_s, _LONGEST_S)
        wait.until_s = now + wait.pause_s
        return True

    def forget(self, name: Hashable) -> None:
        """It works, or is gone."""
        self._waits.pop(name, None)
