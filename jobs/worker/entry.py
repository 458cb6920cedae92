"""The function that a driver hands to Ray Train, which calls it on every worker."""

from __future__ import annotations

from typing import Any


def train_on_worker(order: dict[str, Any]) -> None:
    """The function Ray Train calls on every worker.

    The driver and Ray Train's controller load it too: imported at the top, MLflow and what else a worker
    needs would be loaded three times in a row before the first step.
    """
    from journeyman.jobs.worker.session import work

    work(order)
