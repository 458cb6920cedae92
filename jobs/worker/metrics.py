"""Numbers that training code records as it goes."""

from __future__ import annotations

from collections.abc import Mapping

import mlflow


def log(metrics: Mapping[str, float], step: int) -> None:
    """Record numbers at a step of the job's run; outside a job, of the active MLflow run.

    Returns at once: points are sent in the background, each (metric, step) once, by rank 0 alone.
    """
    mlflow.log_metrics(dict(metrics), step=step)
