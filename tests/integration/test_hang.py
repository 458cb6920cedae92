"""A script that waits for what does not come: it is hung, with its stacks stored, until it steps again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from journeyman.client import Client, Job
from journeyman.cluster.settings import Settings
from journeyman.tracking.mlflow_rest import Mlflow

pytestmark = pytest.mark.long

LIMIT_S = 240.0
WAITS = """
import sys
import time
from pathlib import Path

import mlflow


def waits_for_its_turn():
    while Path(sys.argv[1]).exists():
        time.sleep(0.1)


for step in range(400):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
    time.sleep(0.05)
    if step > 50:
        waits_for_its_turn()
"""


def test_job_that_hangs_is_marked_with_its_stacks_and_runs_on(stack: Settings, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (gate := tmp_path / "gate").touch()
    (tmp_path / "code" / "waits.py").write_text(WAITS)
    spec = tmp_path / "code" / "train.yaml"
    spec.write_text(yaml.safe_dump({"kind": "train", "name": "waits", "run": f"waits.py {gate}"}))
    with closing(Client(stack)) as client, closing(Mlflow(stack.mlflow_url, os.environ)) as mlflow:
        job = client.submit(spec)

        def until(wanted: Callable[[Job], bool]) -> Job:
            deadline = time.monotonic() + LIMIT_S
            while not wanted(seen := client.job(job.run_id)):
                assert time.monotonic() < deadline, f"it is {seen.phase}: {seen.reason}"
                time.sleep(0.2)
            return seen

        hung = until(lambda seen: seen.phase == "hung")
        assert hung.reason.startswith("no step for 1 min"), hung.reason
        run = mlflow.run(job.run_id)
        (stored,) = mlflow.artifacts(job.run_id, "stacks")
        assert stored in hung.reason
        text = mlflow.download(run, stored).decode()
        # Of the child that runs the script, and not of the worker that waits for it.
        assert text.startswith("rank 0: process ") and "waits_for_its_turn (waits.py" in text
        [shown] = client.stacks(hung)
        assert "waits_for_its_turn (waits.py" in shown.stack
        gate.unlink()
        assert until(lambda seen: seen.phase == "running").reason == "runs on 1 worker, and steps again"
        finished = until(lambda seen: seen.ended)
        assert (finished.phase, finished.attempt) == ("finished", 1), finished.reason
        assert [step for step, _ in client.history(finished, "loss")] == list(range(400))
