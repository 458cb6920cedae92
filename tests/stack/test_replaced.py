"""An attempt that was stopped and replaced goes on: it touches nothing of its successor's and ends itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from journeyman.client import Client, Job
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.ray_state import RayJob
from journeyman.cluster.settings import Settings
from journeyman.jobs.control.controller import JobController
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ATTEMPT

pytestmark = pytest.mark.long

LIMIT_S = 300.0
COUNTS = """
import os
import tempfile
import time
from pathlib import Path

import journeyman
import ray.train


def loop(config):
    attempt = os.environ["JOURNEYMAN_ATTEMPT"]
    first = 0
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            first = int((Path(folder) / "step").read_text()) + 1
    step = first
    while not Path(config["gate"]).exists():
        journeyman.log({"by": float(attempt)}, step=step)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "step").write_text(str(step))
            (Path(folder) / "attempt").write_text(attempt)
            ray.train.report({"step": step}, checkpoint=ray.train.Checkpoint.from_directory(folder))
        step += 1
        time.sleep(0.5)
"""


class RayThatForgets(Ray):
    """Knows nothing of one job any more, which goes on."""

    forgotten = ""

    def jobs(self) -> dict[str, RayJob]:
        return {key: job for key, job in super().jobs().items() if key != self.forgotten}


def test_attempt_that_was_stopped_and_replaced_touches_nothing_and_ends_itself(
    stack: Settings, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as opened:
        # A control of the test's own, on the stack's Ray: it is Ray that must seem to forget.
        settings = replace(stack, cluster="replaced")
        mlflow = opened.enter_context(closing(Mlflow(stack.mlflow_url, os.environ)))
        ray = opened.enter_context(closing(RayThatForgets(stack.ray_url, stack.ray_token, os.environ)))
        client = opened.enter_context(closing(Client(settings)))
        control = opened.enter_context(closing(JobController(mlflow, ray, settings, "control", None)))

        def until(what: str, seconds: float = LIMIT_S) -> Iterator[None]:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                control.step(mlflow.now_ms() / 1000)
                yield
                time.sleep(0.3)
            raise AssertionError(f"no {what}: {client.job(job.run_id).reason}")

        job = submitted(client, tmp_path)
        kept = Path(stack.storage or "") / job.run_id
        for _ in until("checkpoint of attempt 1"):
            if len(checkpoints(kept / "1")) > 2:
                break
        zombies = processes_of(job, "1")
        # The driver and both ranks: whoever runs on would see that the others are gone.
        assert len(zombies) >= 3
        for each in zombies:
            each.suspend()
        before = checkpoints(kept / "1")
        ray.forgotten = f"{job.run_id}-1"
        for _ in until("checkpoint of attempt 2"):
            if len(checkpoints(kept / "2")) > 2:
                break
        run = mlflow.run(job.run_id)
        assert run.tags[ATTEMPT] == "2"
        resumed_step, place = run.params["attempt.2.resumed"].split()
        assert place.startswith("1/checkpoint_")
        for each in zombies:
            each.resume()
        for _ in until("end of attempt 1"):
            if not any(alive(each) for each in zombies):
                break
        # It may have finished the one it was writing, in its own place, and none after that.
        assert len(checkpoints(kept / "1")) - len(before) <= 1
        assert {(folder / "attempt").read_text() for folder in checkpoints(kept / "2")} == {"2"}
        (tmp_path / "gate").touch()
        for _ in until("end"):
            if client.job(job.run_id).ended:
                break
        ended = client.job(job.run_id)
        assert (ended.phase, ended.attempt) == ("finished", 2), ended.reason
        # Of the first stays what the second resumed from; it keeps all of its own.
        assert [f"1/{folder.name}" for folder in checkpoints(kept / "1")] == [place]
        assert len(checkpoints(kept / "2")) > 2
        history = client.history(ended, "by")
        # A step that the first one logged and did not keep is not logged again; all others are there.
        by_successor = {step for step, value in history if value == 2.0}
        assert set(range(int(resumed_step) + 3, history[-1][0] + 1)) <= by_successor


def submitted(client: Client, folder: Path) -> Job:
    (folder / "code").mkdir()
    (folder / "code" / "counts.py").write_text(COUNTS)
    spec = {
        "kind": "train",
        "name": "replaced",
        "entrypoint": "counts:loop",
        "workers": 2,
        "resources": {"cpus": 0.2},
        "config": {"gate": str(folder / "gate")},
    }
    (folder / "code" / "train.yaml").write_text(yaml.safe_dump(spec))
    return client.submit(folder / "code" / "train.yaml")


def checkpoints(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("checkpoint_*") if each.is_dir())


def processes_of(job: Job, attempt: str) -> list[psutil.Process]:
    """The driver, Ray Train's controller and the ranks of one attempt."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environ, command = process.environ(), " ".join(process.cmdline())
            ours = any(
                part in command for part in ("journeyman.jobs.driver", "TrainController", "TrainWorker")
            )
            if (
                ours
                and environ.get("JOURNEYMAN_RUN_ID") == job.run_id
                and environ["JOURNEYMAN_ATTEMPT"] == attempt
            ):
                found.append(process)
    return found


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
