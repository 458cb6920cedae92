"""Two controls of one real stack: one acts, whatever is done to the other, and no job is started twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from journeyman.client import Client, Job
from journeyman.cluster.local.parts import control_heartbeat_file, ray_folder, stack_parts
from journeyman.cluster.local.plan import read_plan, this_machine
from journeyman.cluster.local.stack import start, stop
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import load_settings
from journeyman.tracking.lease.lease import control_runs
from journeyman.tracking.mlflow_rest import Mlflow

pytestmark = [pytest.mark.own_stack, pytest.mark.long]

LIMIT_S = 240.0
LOOPS = Path(__file__).parent / "loops"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stack without a control, and so without anybody who restarts one."""
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    start(home, lambda part, text: None, ("mlflow", "ray"))
    yield home
    stop(home)
    shutil.rmtree(ray_folder(home), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Control:
    process: subprocess.Popen[bytes]
    log: Path

    def says(self, *words: str) -> None:
        """Wait until one line of its log has all the words."""
        deadline = time.monotonic() + LIMIT_S
        while not any(all(word in line for word in words) for line in self.log.read_text().splitlines()):
            assert time.monotonic() < deadline, f"no line has {words}:\n{self.log.read_text()}"
            time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def name(self) -> str:
        """As far as it is known from outside."""
        return f"-{self.process.pid}-"


def started(home: Path, log: Path) -> Control:
    """As the supervisor starts it."""
    plan = read_plan(home)
    assert plan is not None
    parts = stack_parts(
        home=home, stack=plan.stack, ports=plan.ports, machine=this_machine(), environ=os.environ
    )
    part = parts["control"]
    with log.open("wb") as file:
        process = subprocess.Popen(part.command, env=dict(part.environment), stdout=file, stderr=file)
    return Control(process, log)


def ended(client: Client, job: Job) -> Job:
    deadline = time.monotonic() + LIMIT_S
    while not (job := client.job(job.run_id)).ended:
        assert time.monotonic() < deadline, f"{job.name} is still {job.phase}: {job.reason}"
        time.sleep(0.3)
    return job


def test_of_two_controls_one_acts_and_the_other_takes_over(home: Path, tmp_path: Path) -> None:
    settings = load_settings({"JOURNEYMAN_HOME": str(home)})
    client, mlflow = Client(settings), Mlflow(settings.mlflow_url, os.environ)
    ray = Ray(settings.ray_url, settings.ray_token, os.environ)
    spec = {"kind": "train", "name": "counts", "entrypoint": "loops:counts"}
    folder = shutil.copytree(LOOPS, tmp_path / "code", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "train.yaml").write_text(yaml.safe_dump(spec))

    def assert_was_run_once_by(control: Control, job: Job) -> None:
        assert (job.phase, job.attempt) == ("finished", 1), job.reason
        params = mlflow.run(job.run_id).params
        claims = {k: v for k, v in params.items() if re.fullmatch(r"attempt\.\d+", k)}
        assert list(claims) == ["attempt.1"]
        assert control.name in claims["attempt.1"]
        assert [key for key in ray.jobs() if key.startswith(job.run_id)] == [f"{job.run_id}-1"]

    controls = [first := started(home, tmp_path / "first.log")]
    try:
        first.says("is in control, term 1: nobody was in control")
        controls.append(second := started(home, tmp_path / "second.log"))
        second.says("stands by:", first.name, "is in control, term 1")

        # One that is stopped loses its term, and knows it when it goes on.
        first.signal(signal.SIGSTOP)
        second.says(first.name, "is in control, term 2:", "was not heard of for 15 s")
        # Nobody else turns: who stood by is as healthy as who acts.
        assert time.time() - control_heartbeat_file(home).stat().st_mtime < 10
        first.signal(signal.SIGCONT)
        first.says("lost control, term 1:", second.name, "is in control, term 2")
        first.says("stands by:", second.name)
        assert_was_run_once_by(second, ended(client, client.submit(folder / "train.yaml")))

        # One that is killed while a job waits leaves the job to the other.
        second.signal(signal.SIGSTOP)
        waiting = client.submit(folder / "train.yaml")
        second.signal(signal.SIGKILL)
        first.says("is in control, term 3:", second.name, "which was, is gone")
        assert_was_run_once_by(first, ended(client, waiting))

        # One that is asked to end lets go.
        seen = client.control()
        assert seen is not None and seen.heard_ms is not None
        assert first.name in seen.name
        assert (seen.term, abs(time.time() - seen.heard_ms / 1000) < 10) == (3, True)
        program = Path(sys.executable).with_name("journeyman")
        told = subprocess.run([program, "status"], capture_output=True, text=True, check=True).stdout
        assert f"control: {seen.name}, term 3, heard from " in told
        first.signal(signal.SIGTERM)
        assert first.process.wait(timeout=LIMIT_S) == 0
        assert client.control() is None
        controls.append(third := started(home, tmp_path / "third.log"))
        third.says("is in control, term 4:", first.name)
        (run,) = control_runs(mlflow, settings.cluster)
        assert sorted(run.params) == ["term.1", "term.2", "term.3", "term.4"]
        assert run.run_id not in {job.run_id for job in client.jobs()}
        assert client.services() == []
    finally:
        for control in controls:
            control.process.kill()
            control.process.wait()
        client.close()
        mlflow.close()
        ray.close()
