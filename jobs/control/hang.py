"""Whether a job hangs: silent for far longer than its steps take. Pure.

Silence is what control itself has watched, turn by turn: no clock of another machine is in it, and while
control or MLflow was away, or the machine slept, nobody was silent. Timestamps of points come from one
worker's clock and are compared with each other alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from journeyman.jobs.waits import Wait, nobody_moves, who_waits

FLOOR_S = 60.0
"""No shorter silence is looked into."""
USUAL_GAPS = 10
LONGEST_GAPS = 2
LEAST_STEPS = 5
"""With fewer steps behind it, nobody knows how long one takes."""
EARLY_FLOOR_S = 600.0
"""No shorter silence counts where so few steps are known, unless the ranks themselves say that they wait."""
WAIT_FLOOR_S = 300.0
"""Nor one in which some ranks wait for others that move."""
LONGEST_TURN_S = 5.0
"""What one turn adds to a silence at most: in a longer pause nobody looked."""

_SYSTEM = "system/"
"""MLflow's own samples of CPU and memory go on while the code hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What one control has seen of the steps of one attempt."""

    attempt: int
    steps: Mapping[str, int]
    """Newest step of each metric."""
    looked_s: float
    silent_s: float = 0.0
    """Since the newest step was seen first, or since this control began to watch."""
    stepped: bool = False
    """Whether a step came while this control watched."""


def look_again(before: Watch | None, attempt: int, steps: Mapping[str, int], now: float) -> Watch:
    """What is known after one more turn."""
    own = {metric: step for metric, step in steps.items() if not metric.startswith(_SYSTEM)}
    if before is None or before.attempt != attempt:
        return Watch(attempt=attempt, steps=own, looked_s=now)
    if before.steps != own:
        return Watch(attempt=attempt, steps=own, looked_s=now, stepped=True)
    turn_s = min(max(0.0, now - before.looked_s), LONGEST_TURN_S)
    return replace(before, looked_s=now, silent_s=before.silent_s + turn_s)


def leading_metrics(steps: Mapping[str, int], count: int) -> list[str]:
    """Those that have come furthest, whose points tell how long a step takes."""
    furthest = max(steps.values(), default=0)
    return sorted(metric for metric, step in steps.items() if step == furthest)[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How an attempt has stepped so far."""

    usual_s: float
    longest_s: float
    floor_s: float = FLOOR_S

    @property
    def patience_s(self) -> float:
        """How long it may be silent before it is said to hang."""
        return max(self.floor_s, USUAL_GAPS * self.usual_s, LONGEST_GAPS * self.longest_s)


def pace_of(points: Iterable[tuple[int, float]], started_s: float) -> Pace | None:
    """From (step, time) of the attempt whose workers started then; None where too few steps tell it.

    Times are of the clock that `started_s` is of. What came before is of attempts before: the time between
    two attempts is no gap between steps. An attempt that goes again over steps that are stored already leaves
    no points until it is past them, and has no pace until then.
    """
    times: dict[int, float] = {}
    for step, time_s in points:
        if time_s >= started_s:
            times[step] = min(time_s, times.get(step, time_s))
    if 0 < len(times) < LEAST_STEPS:
        # With what came before the first step: its longest gap is all that is known.
        moments = [started_s, *sorted(times.values())]
        longest_s = max(later - earlier for earlier, later in pairwise(moments))
        return Pace(usual_s=longest_s, longest_s=longest_s, floor_s=EARLY_FLOOR_S)
    if not times:
        return None
    gaps = [later - earlier for earlier, later in pairwise(sorted(times.values()))]
    return Pace(usual_s=statistics.median(gaps), longest_s=max(gaps))


WAITS = "nothing moves"
"""How the reason begins of a job whose ranks say it themselves."""


def hang_reason(
    silent_s: float, known: Pace | None, waits: Sequence[Wait] = (), ranks: int = 0
) -> str | None:
    """Why the job is said to hang; None where it is not."""
    waiting = who_waits(waits, ranks)
    if known is not None and silent_s > known.patience_s:
        told = f"no step for {_in_words(silent_s)}, where one takes {_in_words(known.usual_s)}"
        return f"{told}: {waiting}" if waiting else told
    if silent_s <= FLOOR_S or (known is not None and known.floor_s == FLOOR_S):
        return None
    if nobody_moves(waits, ranks) or (waiting and silent_s > WAIT_FLOOR_S):
        told = waiting or "no rank has computed, read or printed anything"
        return f"{WAITS} for {_in_words(silent_s)}: {told}"
    return None


def _in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
