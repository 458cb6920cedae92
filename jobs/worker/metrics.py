"""Numbers that training code records as it goes."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import mlflow

from journeyman.tracking.records import TOTAL_STEPS


def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
    """Record numbers at a step of the job's run; outside a job, of the active MLflow run.

    Returns at once: points are sent in the background, each (metric, step) once, by rank 0 alone. `total` is
    how many steps there will be, from 0: with it `journeyman submit --follow` tells the time left.
    """
    mlflow.log_metrics(dict(metrics), step=step)
    if total is not None:
        run = mlflow.active_run()
        _tell_total(int(total), run.info.run_id if run else "")


@functools.lru_cache(maxsize=1)
def _tell_total(total: int, run_id: str) -> None:
    """Once, and not a step: `run_id` is what a total that was told before may not be of."""
    mlflow.set_tag(TOTAL_STEPS, total)
