"""What `ray.train.report` reports becomes points of the run. Pure but for the wrapping of Ray's context.

A loop that knows nothing of Journeyman reports a dict: its numbers become metrics, at the step that the dict
names itself, or else at the count of reports, which goes on from the checkpoint a job resumes from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from ray.train import Checkpoint, get_checkpoint

from journeyman.compat.ray_train import wrap_report
from journeyman.jobs.worker.stillness import Stillness

_STEP_KEYS = ("step", "global_step", "iteration", "training_iteration", "epoch")
_BATCH_KEYS = {"batch", "batch_idx", "batch_index", "batch_id", "minibatch", "iter"}
_INT64 = range(-(2**63), 2**63)
_COUNT = "journeyman_reports"
"""Key of the count of reports in a checkpoint's metadata."""


def metric_points(metrics: Mapping[str, Any], count: int) -> tuple[dict[str, float], int]:
    """The numbers of a report by flat name, and the step they belong to.

    An epoch is no step where the report says which of its batches it is of: they would all be at one.
    """
    keys = [key for key in _STEP_KEYS if _whole(metrics.get(key)) is not None]
    step_key = next((key for key in keys if key != "epoch" or not _BATCH_KEYS & metrics.keys()), None)
    step = None if step_key is None else _whole(metrics[step_key])
    flat = _flat(metrics)
    if step_key is None or step is None:
        return flat, count
    # A column that repeats the step says nothing as a chart.
    flat.pop(step_key, None)
    return flat, step


def _whole(value: Any) -> int | None:
    """A whole number that MLflow takes for a step, whichever library made it; 3.0 is one too."""
    if not isinstance(value, Real) and getattr(value, "size", 0) == 1:
        value = value.item()
    if isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        value = int(number) if number.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) not in _INT64:
        return None
    return int(value)


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}/")
        elif isinstance(value, Real) and not isinstance(value, bool):
            flat[f"{prefix}{key}"] = float(value)
        elif callable(item := getattr(value, "item", None)) and getattr(value, "size", 0) == 1:
            with contextlib.suppress(TypeError, ValueError):
                flat[f"{prefix}{key}"] = float(item())
    return flat


def reports_before(checkpoint: Checkpoint | None) -> int:
    """How many reports there were up to this checkpoint."""
    return int(checkpoint.get_metadata().get(_COUNT, 0)) if checkpoint else 0


def record_reports(
    log: Callable[[dict[str, float], int], None],
    flush: Callable[[], object],
    look: Callable[[], object],
    first: Callable[[], object],
) -> None:
    """Have each report of this worker recorded before Ray sees it, and flushed before its checkpoint counts.

    `look` is called before a checkpoint is written, `first` at the first report.

    Ray's own callbacks run in its controller, after the checkpoint is committed: a point recorded there could
    be lost while the checkpoint behind it stays, and would be missing for good.
    """
    count = before = reports_before(get_checkpoint())

    def recording(report: Callable[..., None]) -> Callable[..., None]:
        def recorded(
            metrics: dict[str, Any], checkpoint: Checkpoint | None = None, *rest: Any, **named: Any
        ) -> None:
            nonlocal count
            if checkpoint is not None:
                look()
            if count == before:
                first()
            log(*metric_points(metrics, count))
            count += 1
            if checkpoint is not None:
                with contextlib.suppress(OSError):
                    checkpoint.update_metadata({_COUNT: count})
                flush()
            report(metrics, checkpoint, *rest, **named)

        return recorded

    wrap_report(recording)


def know_waits(stillness: Stillness) -> None:
    """Have it known while this worker is in `ray.train.report`, which waits for all of them."""

    def waiting(report: Callable[..., None]) -> Callable[..., None]:
        def waited_for(*arguments: Any, **named: Any) -> None:
            with stillness.reporting():
                report(*arguments, **named)

        return waited_for

    wrap_report(waiting)
