"""Which engine computes how many rows of a version on one kind of hardware, as a race found it. Pure.

A verdict is stored with the version: the tag `journeyman.engines.<key of the hardware>`, JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from journeyman.models.engines.engine import Engine, Plan

BATCH_SIZES = (1, 4, 16, 64)
WORTH = 0.9
"""What takes more than this share of another's time is no gain worth a change."""
HAND_OVER_US = 200.0
"""What it costs to have a request answered by another thread than the one that reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a race found. `failed` tells why there was none; then the rest is empty."""

    hardware: str
    """In words."""
    took_s: float = 0.0
    batch_sizes: tuple[int, ...] = ()
    times_us: Mapping[str, tuple[float, ...]]
    """By engine, the safest first: the median of a call with each of the batch sizes."""
    winners: tuple[str, ...] = ()
    """For each of the batch sizes."""
    rows_are_independent: bool = False
    """Whether a row's answer does not depend on the rows beside it."""
    rejected: Mapping[str, str]
    """Engines that were not raced, and why."""
    failed: str = ""

    @property
    def plan(self) -> Plan | None:
        if not self.winners:
            return None
        return Plan(tuple(zip(self.batch_sizes, map(Engine, self.winners), strict=True)))

    def joined_rows(self, plan: Plan) -> int:
        """Up to how many rows are to be computed together where several requests wait; 1 for never."""
        if not self.rows_are_independent or any(engine not in self.times_us for engine in plan.engines):
            return 1
        times = [self.times_us[plan.engine_for(size)][at] for at, size in enumerate(self.batch_sizes)]
        one_us, rows = times[0], 1
        best_us = one_us
        for size, took_us in zip(self.batch_sizes, times, strict=True):
            row_us = took_us / size
            if row_us <= WORTH * best_us and one_us - row_us > HAND_OVER_US:
                best_us, rows = row_us, size
        return rows


def judge(
    hardware: str,
    took_s: float,
    batch_sizes: Sequence[int],
    times_us: Mapping[Engine, Sequence[float]],
    rejected: Mapping[Engine, str],
    rows_are_independent: bool,
) -> Verdict:
    """The verdict on the times of a race, of which the first engine is the safest."""
    return Verdict(
        hardware=hardware,
        took_s=round(took_s, 1),
        batch_sizes=tuple(batch_sizes),
        times_us={str(engine): tuple(round(t, 1) for t in times) for engine, times in times_us.items()},
        winners=tuple(map(str, _winners(times_us))),
        rows_are_independent=rows_are_independent,
        rejected={str(engine): why for engine, why in rejected.items()},
    )


def _winners(times_us: Mapping[Engine, Sequence[float]]) -> tuple[Engine, ...]:
    """One engine for all sizes where none is worth a change from it, the safest before the fastest."""
    best = [min(times) for times in zip(*times_us.values(), strict=True)]

    def behind(engine: Engine) -> float:
        return sum((took / least for took, least in zip(times_us[engine], best, strict=True)), 0.0)

    safest, *others = times_us
    for engine in (safest, *sorted(others, key=behind)):
        if all(WORTH * took <= least for took, least in zip(times_us[engine], best, strict=True)):
            return (engine,) * len(best)
    return tuple(
        safest if WORTH * times_us[safest][size] <= least else min(times_us, key=lambda e: times_us[e][size])
        for size, least in enumerate(best)
    )


def write_verdict(verdict: Verdict) -> str:
    return json.dumps(asdict(verdict))


def read_verdict(text: str) -> Verdict:
    """Raises ValueError where it is none: whoever may tag a version may write one."""
    try:
        verdict = _VERDICT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"no verdict: {f'{where}: ' if where else ''}{first['msg']}"[:300]) from None
    sizes = len(verdict.batch_sizes)
    if any(size < 1 for size in verdict.batch_sizes):
        raise ValueError("no verdict: batch_sizes: a batch has a row at least")
    told = [verdict.winners, *verdict.times_us.values()]
    if any(len(each) != sizes for each in told) and not (verdict.failed and not verdict.winners):
        raise ValueError(f"no verdict: winners and times are not of {sizes} sizes")
    if unknown := [each for each in verdict.winners if each not in verdict.times_us]:
        raise ValueError(f"no verdict: {unknown[0][:40]!r} won and was not raced")
    if verdict.plan is not None:
        verdict.joined_rows(verdict.plan)
    return verdict


_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)
