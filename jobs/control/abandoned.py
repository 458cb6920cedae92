"""Orders whose submitter died while it wrote them: which of them are given up. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from journeyman.tracking import records
from journeyman.tracking.records import Run

KEPT_MS = 24 * 3600 * 1000
"""How long half an order is kept: a submission over a slow line may take hours, and may be tried again."""


def abandoned(runs: Iterable[Run], now_ms: float) -> list[Run]:
    """Those that were begun long ago and are no order yet: what a submitter writes last is missing."""
    return [run for run in runs if records.SUBMITTED_MS not in run.tags and now_ms - run.start_ms > KEPT_MS]
