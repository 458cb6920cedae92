"""Which committed checkpoint of an earlier attempt a new one goes on from, read from the job's storage.

Attempt n writes below `<storage>/<run>/<n>/` alone: one that was replaced and goes on nevertheless, as where
it was cut off, touches nothing of its successor's. Jobs of before kept all in `<storage>/<run>/`.
"""

from __future__ import annotations

import json
import posixpath
import sys
from dataclasses import dataclass
from typing import Any

from pyarrow.fs import FileSelector, FileSystem, FileType
from ray.train import Checkpoint

from journeyman.compat.ray_train import CHECKPOINT_SNAPSHOT
from journeyman.jobs.worker.reports import metric_points, reports_before

CHECKPOINT = "checkpoint_"
"""What the name of each begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A checkpoint that all ranks have written."""

    place: str
    """Below the job's folder, such as `1/checkpoint_2026-11-27_12-00-00.000000`."""
    path: str
    """On its file system."""
    step: int
    """What its report named as step, else the count of reports."""


def newest_committed(files: FileSystem, folder: str, attempt: int) -> Committed | None:
    """Of the attempts before this one, the newest that committed any; `folder` is the job's."""
    for earlier in (*(str(number) for number in range(attempt - 1, 0, -1)), ""):
        if found := committed(files, folder, earlier):
            return found
    return None


def committed(files: FileSystem, folder: str, attempt: str) -> Committed | None:
    """The newest checkpoint of one attempt."""
    kept = posixpath.join(folder, attempt)
    snapshot = posixpath.join(kept, CHECKPOINT_SNAPSHOT)
    if files.get_file_info(snapshot).type is FileType.NotFound:
        return None
    with files.open_input_stream(snapshot) as stream:
        text = stream.read()
    try:
        newest = json.loads(text)["latest_checkpoint_result"]
        name, metrics = (newest["checkpoint_dir_name"], newest["metrics"]) if newest else (None, {})
    except (ValueError, KeyError, TypeError):
        # Ray Train writes it in place: a disk that is full, or a death at that moment, leaves it cut.
        name, metrics = _one_before_the_newest(files, kept), {}
        sys.stderr.write(f"{snapshot} cannot be read; {name or 'nothing'} is taken to be committed\n")
    if name is None:
        return None
    path = posixpath.join(kept, name)
    if files.get_file_info(path).type is FileType.NotFound:
        sys.stderr.write(f"checkpoint {path} is not there any more\n")
        return None
    return Committed(
        place=posixpath.join(attempt, name), path=path, step=_step(Checkpoint(path, files), metrics)
    )


def _one_before_the_newest(files: FileSystem, kept: str) -> str | None:
    """The newest may not be whole; the one before it was, when the newest was begun."""
    found = [each for each in files.get_file_info(FileSelector(kept)) if each.type is FileType.Directory]
    names = sorted(each.base_name for each in found if each.base_name.startswith(CHECKPOINT))
    return names[-2] if len(names) > 1 else None


def _step(checkpoint: Checkpoint, metrics: dict[str, Any]) -> int:
    _, step = metric_points(metrics, reports_before(checkpoint))
    return step
