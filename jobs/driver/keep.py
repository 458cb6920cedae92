"""Which checkpoints of a job are kept: the newest, which resuming needs, and the best; the rest is removed"""

from __future__ import annotations

import json
import math
import posixpath
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pyarrow.fs import FileSystem, FileType
from ray.train import Checkpoint, UserCallback

from journeyman.compat.ray_train import CHECKPOINT_SNAPSHOT
from journeyman.errors import described
from journeyman.jobs.worker.reports import metric_points

_LESS_IS_BETTER = re.compile(r"loss|err(or)?\b|perplexity|ppl|rmse|mse|mae|wer\b|cer\b|nll")
_MORE_IS_BETTER = re.compile(r"acc|f1|auc|score|reward|bleu|rouge|map\b|iou|dice|recall|precision|r2\b")
_OF_DATA_APART = re.compile(r"val|eval|test|dev")
"""What a model had not seen tells more of it than what it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A checkpoint that all ranks have written."""

    path: str
    metrics: Mapping[str, Any]


def superfluous(written: Sequence[Written], keep: int) -> list[Written]:
    """What is beyond that many of them, oldest first: all but the best, and the newest."""
    best = best_of(written) if keep > 1 else None
    kept = [each for each in reversed(written) if each is not best][: keep - (best is not None)]
    return [each for each in written if each is not best and each not in kept]


def best_of(written: Sequence[Written]) -> Written | None:
    """By the metric that most likely tells it; None where no name does."""
    if not written:
        return None
    names = metric_points(written[-1].metrics, 0)[0]
    known = [name for name in names if _LESS_IS_BETTER.search(name) or _MORE_IS_BETTER.search(name)]
    if not known:
        return None
    name = min(
        known, key=lambda each: (not _OF_DATA_APART.search(each), not _LESS_IS_BETTER.search(each), each)
    )
    sign = -1 if _LESS_IS_BETTER.search(name) else 1
    scores = [(metric_points(each.metrics, 0)[0].get(name, math.nan), each) for each in written]
    finite = [(sign * value, position) for position, (value, _) in enumerate(scores) if math.isfinite(value)]
    return written[max(finite)[1]] if finite else None


def prune(files: FileSystem, folder: str, keep: int) -> None:
    """Remove what is superfluous of one attempt, whose folder it is."""
    for each in superfluous(_written(files, folder), keep):
        files.delete_dir(each.path)


def _written(files: FileSystem, folder: str) -> list[Written]:
    """Of one attempt, oldest first; none where what Ray Train says of them cannot be read."""
    snapshot = posixpath.join(folder, CHECKPOINT_SNAPSHOT)
    if files.get_file_info(snapshot).type is FileType.NotFound:
        return []
    with files.open_input_stream(snapshot) as stream:
        text = stream.read()
    try:
        told = json.loads(text)["checkpoint_results"]
        found = [
            Written(path=posixpath.join(folder, each["checkpoint_dir_name"]), metrics=each["metrics"])
            for each in told
        ]
    except (ValueError, KeyError, TypeError):
        return []
    return [each for each in found if files.get_file_info(each.path).type is FileType.Directory]


class KeepCheckpoints(UserCallback):  # type: ignore[misc]
    """Removes what is superfluous when a checkpoint was committed. Lives in Ray Train's controller."""

    def __init__(self, files: FileSystem, folder: str, keep: int) -> None:
        self._arguments = (files, folder, keep)
        self._thread: ThreadPoolExecutor | None = None

    def after_report(self, run_context: object, metrics: object, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            # It is made here: what is sent to the controller holds no threads.
            self._thread = self._thread or ThreadPoolExecutor(1, "keep")
            self._thread.submit(prune_quietly, *self._arguments)


def prune_quietly(files: FileSystem, folder: str, keep: int) -> None:
    """A training goes on where something cannot be removed."""
    try:
        prune(files, folder, keep)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"checkpoints of before cannot be removed: {described(error)}\n")
