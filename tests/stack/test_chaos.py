"""A seed of the long fault series, on a stack of its own: the others are for `make chaos`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.own_stack

CHAOS = Path(__file__).parents[1] / "chaos" / "chaos.py"
SEEDS = ("4",)
"""One worker, amid the training."""


def test_what_dies_amid_a_training_costs_neither_a_point_nor_a_request() -> None:
    done = subprocess.run(
        [sys.executable, CHAOS, "--only", *SEEDS], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["struck"] == told["one_run"] == told["same_loss"] == len(SEEDS)
    assert (told["gaps"], told["duplicates"], told["lost_jobs"], told["wrong_end"]) == (0, 0, 0, 0)
    assert (told["failed_requests"], told["seeds_failed"]) == (0, [])
