"""What becomes of a report: its numbers, and the step they are at."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from journeyman.jobs.worker.reports import metric_points
from journeyman.tracking.job_store.one_run import allowed_key


@pytest.mark.parametrize(
    ("report", "numbers", "step"),
    [
        ({"step": 3, "loss": 0.5}, {"loss": 0.5}, 3),
        ({"global_step": np.int64(3), "loss": np.float32(0.5)}, {"loss": 0.5}, 3),
        ({"iteration": 4.0, "loss": 0.5}, {"loss": 0.5}, 4),
        ({"training_iteration": np.array(5), "loss": np.array([0.5])}, {"loss": 0.5}, 5),
        ({"step": np.array([6]), "loss": 1}, {"loss": 1.0}, 6),
        ({"epoch": 2, "loss": 0.5}, {"loss": 0.5}, 2),
        # Ten batches of one epoch are ten points.
        ({"epoch": 2, "batch": 7, "loss": 0.5}, {"epoch": 2, "batch": 7, "loss": 0.5}, 9),
        ({"epoch": 2, "batch_idx": 7, "step": 20, "l": 0.5}, {"epoch": 2, "batch_idx": 7, "l": 0.5}, 20),
        ({"step": 1.5, "loss": 0.5}, {"step": 1.5, "loss": 0.5}, 9),
        ({"step": True, "loss": 0.5}, {"loss": 0.5}, 9),
        ({"step": 2**70, "loss": 0.5}, {"step": float(2**70), "loss": 0.5}, 9),
        ({"step": math.nan, "loss": 0.5}, None, 9),
        ({"step": "4", "loss": 0.5}, {"loss": 0.5}, 9),
        ({"nested": {"deep": {"f1": 0.5}}, "none": None, "list": [1, 2]}, {"nested/deep/f1": 0.5}, 9),
    ],
)  # fmt: skip
def test_numbers_are_stored_at_the_step_that_the_report_means(
    report: Mapping[str, object], numbers: Mapping[str, float] | None, step: int
) -> None:
    flat, at = metric_points(report, 9)
    assert at == step
    assert numbers is None or flat == numbers


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("actor/loss", "actor/loss"),
        ("größe/fläche", "größe/fläche"),
        ("timing(s)/gen", "timing_s_/gen"),
        ("iou/cup, mug", "iou/cup_ mug"),
        ("reward[0]", "reward_0_"),
        ("top@1", "top_1"),
        ("a//b", "a/b"),
        ("/a/./b/", "a/b"),
        ("../up", "_/up"),
        ("", "_"),
        (".", "_"),
        ("new\nline", "new_line"),
        ("loss\n", "loss_"),
        ("\ud800", "_"),
        (7, "7"),
        (("a", 1), "__a__ 1_"),
    ],
)
def test_a_name_is_stored_under_the_nearest_that_mlflow_takes(given: object, stored: str) -> None:
    assert allowed_key(given) == stored


def test_long_names_that_differ_at_their_end_stay_apart() -> None:
    names = {allowed_key("x" * 300 + end) for end in "abc"}
    assert len(names) == 3
    assert {len(name) for name in names} == {250}
