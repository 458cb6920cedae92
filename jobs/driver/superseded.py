"""Removes the checkpoints of earlier attempts that nothing goes on from any more, at the end of an attempt.

It has committed one further on, so that whatever follows resumes from its own. Each earlier attempt keeps
what another one resumed from, and whatever a record names; weights and the rest of its folder stay.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Collection, Mapping, Sequence

from pyarrow.fs import FileSelector, FileSystem, FileType

from journeyman.errors import JourneymanError, described
from journeyman.jobs.attempt import Attempt, read_attempts
from journeyman.jobs.driver.checkpoints import CHECKPOINT, Committed, committed
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run


def remove_superseded(mlflow: Mlflow, run_id: str, attempt: int, files: FileSystem, folder: str) -> list[str]:
    """What was removed, below the job's `folder`. Raises nothing: a checkpoint too many costs room alone."""
    try:
        run = mlflow.run(run_id)
        own = committed(files, folder, str(attempt))
        attempts = read_attempts(run, run.attempt)
        if run.attempt != attempt or own is None or others_name(mlflow, run):
            return []
        there = {each.number: _checkpoints(files, folder, each.number) for each in attempts[:-1]}
        removed = superseded(there, attempts, own, [*run.tags.values(), *run.params.values()])
        for place in removed:
            files.delete_dir(posixpath.join(folder, place))
    except (JourneymanError, OSError, ValueError) as error:
        sys.stderr.write(f"checkpoints of earlier attempts are not removed: {described(error)}\n")
        return []
    return removed


def superseded(
    there: Mapping[int, Collection[str]], attempts: Sequence[Attempt], own: Committed, told: Collection[str]
) -> list[str]:
    """Those to remove, as `<attempt>/<name>`. Pure.

    `there`: the checkpoints of each earlier attempt; `own` is of the newest of `attempts`; `told`: all that
    is written of the job.
    """
    *earlier, newest = attempts
    if newest.resumed_step is not None and own.step <= newest.resumed_step:
        return []
    ended = [each.number for each in earlier if each.ended_ms is not None or each.outcome is not None]
    places = [f"{number}/{name}" for number in ended for name in sorted(there.get(number, ()))]
    # By its name alone too: people write down paths of many forms.
    return [place for place in places if not any(posixpath.basename(place) in text for text in told)]


def others_name(mlflow: Mlflow, run: Run) -> bool:
    """Whether another job that has not ended, or a registered version, tells of this one's storage."""
    conditions = [
        f"tags.`{records.KIND}` = '{records.JOB}'",
        f"tags.`{records.SPEC}` LIKE '%{run.run_id}%'",
        *(f"attributes.status != '{status}'" for status in records.ENDED_STATUSES),
    ]
    found = mlflow.search_runs(mlflow.experiments(), " and ".join(conditions))
    return any(each.run_id != run.run_id for each in found) or mlflow.is_source(
        f"/{run.run_id}/%/{CHECKPOINT}"
    )


def _checkpoints(files: FileSystem, folder: str, attempt: int) -> list[str]:
    kept = posixpath.join(folder, str(attempt))
    found = files.get_file_info(FileSelector(kept, allow_not_found=True))
    names = [each.base_name for each in found if each.type is FileType.Directory]
    return [name for name in names if name.startswith(CHECKPOINT)]
