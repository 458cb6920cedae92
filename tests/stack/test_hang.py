"""Jobs that hang: amid their steps, and are marked so, or before their code runs, and go on."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml

from journeyman.client import Client, Job
from journeyman.cluster.settings import Settings
from journeyman.jobs.outcome import Outcome
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import OUTCOME

pytestmark = pytest.mark.long

LIMIT_S = 240.0
LOOP = Path(__file__).parent.parent / "chaos" / "loop"
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
        hung = until(client, job, lambda seen: seen.phase == "hung")
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
        runs_on = until(client, job, lambda seen: seen.phase == "running")
        assert runs_on.reason == "runs on 1 worker, and steps again"
        finished = until(client, job, lambda seen: seen.ended)
        assert (finished.phase, finished.attempt) == ("finished", 1), finished.reason
        assert [step for step, _ in client.history(finished, "loss")] == list(range(400))


def test_worker_that_hangs_before_its_code_runs_is_given_up_and_the_job_goes_on(stack: Settings) -> None:
    with closing(Client(stack)) as client, closing(Mlflow(stack.mlflow_url, os.environ)) as mlflow:
        job = client.submit(LOOP / "train.yaml")
        starting_worker().suspend()
        finished = until(client, job, lambda seen: seen.ended)
        assert (finished.phase, finished.attempt) == ("finished", 2), finished.reason
        first = Outcome.from_json(mlflow.run(job.run_id).tags[f"{OUTCOME}.1"])
        assert first.rank in (0, 1)
        assert re.match(r"its process on \S+ did not answer for 15 s as it started", first.message)


def starting_worker() -> psutil.Process:
    """A worker that has answered once, and whose training code does not run yet."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline"]):
            if "RayTrainWorker.init_train_context" in " ".join(process.info["cmdline"] or ()):
                return process
    raise AssertionError("no worker starts")


def until(client: Client, job: Job, wanted: Callable[[Job], bool]) -> Job:
    deadline = time.monotonic() + LIMIT_S
    while not wanted(seen := client.job(job.run_id)):
        assert time.monotonic() < deadline, f"it is {seen.phase}: {seen.reason}"
        time.sleep(0.2)
    return seen
