"""Jobs whose runs were deleted in MLflow: no listing has them, and what runs of them takes others' room"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Collection, Mapping

from journeyman.cluster.ray_state import RayJob
from journeyman.errors import NotFoundError, RefusedError
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi

_logger = logging.getLogger(__name__)
_ATTEMPT = re.compile(r"([0-9a-f]{32})-[0-9]+")
"""What Ray calls an attempt of a job."""


def strangers(ray_jobs: Mapping[str, RayJob], known: Collection[str]) -> dict[str, list[str]]:
    """By run that is not among those that are listed, what lives of it in Ray."""
    living: dict[str, list[str]] = {}
    for submission_id, job in ray_jobs.items():
        named = _ATTEMPT.fullmatch(submission_id)
        if named is not None and not job.ended and named[1] not in known:
            living.setdefault(named[1], []).append(submission_id)
    return living


def end_deleted(
    living: Mapping[str, Collection[str]], mlflow: MlflowApi, cluster: str, stop: Callable[[str], None]
) -> None:
    """Have Ray stop what lives of jobs of this cluster whose runs are deleted; of nothing else."""
    for run_id, submission_ids in living.items():
        # Another MLflow's, or one that may not be read: somebody else's in any case.
        with contextlib.suppress(NotFoundError, RefusedError):
            run = mlflow.run(run_id)
            if run.deleted and (run.tags.get(records.KIND), run.tags.get(records.CLUSTER)) == (
                records.JOB,
                cluster,
            ):
                _logger.warning("job %s %s: its run was deleted in MLflow, and it is ended", run.name, run_id)
                for submission_id in submission_ids:
                    stop(submission_id)
