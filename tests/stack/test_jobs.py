"""Jobs on a real stack: what a person's code does, what its run remembers, how each end is told.

Most are submitted at once, more than the machine has room for, and each test awaits its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.client import Client, Job
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings
from journeyman.errors import UnreachableError, UsageError
from journeyman.jobs.control.controller import JobController
from journeyman.tracking.mlflow_rest import Mlflow

from .conftest import SECRET

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
LIMIT_S = 480.0


@pytest.fixture(scope="module")
def client(stack: Settings) -> Iterator[Client]:
    client = Client(stack)
    yield client
    client.close()


@pytest.fixture(scope="module")
def mlflow(stack: Settings) -> Iterator[Mlflow]:
    mlflow = Mlflow(stack.mlflow_url, os.environ)
    yield mlflow
    mlflow.close()


@dataclass(frozen=True, slots=True)
class Crowd:
    """Jobs by the loops they run, and the command that follows one of them."""

    jobs: Mapping[str, Job]
    following: subprocess.Popen[str]


@pytest.fixture(scope="module")
def crowd(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = copy_of_loops(tmp_path_factory.mktemp("crowd"))
    (folder / "train.csv").write_text("1,2,3\n")
    at_length = submit(client, folder, "raises_at_length", workers=1)
    unaware = submit(
        client,
        folder,
        "unaware",
        config={"token_sha256": hashlib.sha256(SECRET.encode()).hexdigest(), "nested": {"width": 8}},
        secrets=["TEST_TOKEN"],
        env={"GREETING": "hello"},
        data={"train": "train.csv"},
    )
    (folder / "followed.yaml").write_text("kind: train\nname: raises\nentrypoint: loops:raises\nworkers: 2\n")
    following = subprocess.Popen(
        [Path(sys.executable).with_name("journeyman"), "submit", folder / "followed.yaml", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    jobs = {
        "raises_at_length": at_length,
        "unaware": unaware,
        "dies_once": submit(client, folder, "dies_once"),
    }
    jobs |= {loop: submit(client, folder, loop, workers=1) for loop in ("cannot_publish", "sleeps")}
    jobs["torchrun"] = client.submit(EXAMPLES / "torchrun" / "train.yaml")
    for loop, model, workers in (("publishes_pair", "pair", 2), ("logs_model", "plain", 1)):
        publish = {"model": model, "alias": "champion"}
        jobs[loop] = submit(client, folder, loop, publish=publish, workers=workers)
    with following:
        yield Crowd(jobs, following)
        following.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_loops(tmp_path)


def copy_of_loops(parent: Path) -> Path:
    return shutil.copytree(HERE / "loops", parent / "code", ignore=shutil.ignore_patterns("__pycache__"))


def submit(client: Client, folder: Path, loop: str, **more: object) -> Job:
    spec = {"kind": "train", "name": loop.replace("_", "-"), "entrypoint": f"loops:{loop}", "workers": 2}
    (folder / f"{loop}.yaml").write_text(yaml.safe_dump(spec | more))
    return client.submit(folder / f"{loop}.yaml")


def ended(client: Client, job: Job) -> Job:
    deadline = time.monotonic() + LIMIT_S
    while not (job := client.job(job.run_id)).ended:
        assert time.monotonic() < deadline, f"{job.name} is still {job.phase}: {job.reason}"
        time.sleep(0.3)
    return job


def logs(client: Client, job: Job, source: str = "all") -> dict[str, str]:
    text: dict[str, str] = {}
    for chunk in client.logs(job, source):
        text[chunk.source] = text.get(chunk.source, "") + chunk.text
    return text


def steps(client: Client, job: Job, metric: str) -> list[int]:
    return [step for step, _ in client.history(job, metric)]


def test_unaware_loop_leaves_one_whole_run_and_no_secret_anywhere(
    client: Client, mlflow: Mlflow, stack: Settings, crowd: Crowd
) -> None:
    job = ended(client, crowd.jobs["unaware"])
    assert (job.phase, job.reason, job.attempt) == ("finished", "training is done", 1)
    # Control writes the phase, which is the truth, and then the status that MLflow shows.
    deadline = time.monotonic() + LIMIT_S
    while (run := mlflow.run(job.run_id)).status != "FINISHED":
        assert time.monotonic() < deadline, run.status
        time.sleep(0.1)
    # One run, in the job's experiment, whatever the code calls.
    assert [r.run_id for r in mlflow.search_runs(mlflow.experiments(), "")].count(job.run_id) == 1
    assert set(mlflow.experiments().values()) == {"Default"}
    assert steps(client, job, "loss") == [0, 1, 2, 3, 4]
    assert steps(client, job, "accuracy/test") == [0, 1, 2]
    assert run.params["nested.width"] == "8"
    assert run.params["lr"] == "0.1"
    assert run.tags["from"] == "thread"
    assert "**unaware** ran `loops:unaware` on 2 workers" in run.tags["mlflow.note.content"]
    text = logs(client, job)
    assert "rank 0 says goodbye" in text["rank 0"]
    assert "rank 1 says goodbye" in text["rank 1"]
    assert "rank 1 says" not in text["rank 0"]
    assert set(logs(client, job, "1")) == {"rank 1"}
    dataset = run_inputs(stack, job)[0]["dataset"]
    assert (dataset["name"], len(dataset["digest"])) == ("train", 16)
    # The secret is in one file alone.
    holders = [p for p in stack.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holders == [stack.home / "secrets.json"]
    headers = {"Authorization": f"Bearer {stack.ray_token}"}
    for path in ("/api/jobs/", "/api/v0/actors?detail=true", "/api/v0/runtime_envs?detail=true"):
        assert SECRET not in httpx.get(stack.ray_url + path, headers=headers).text
    session = Path(os.readlink(stack.home / "logs" / "ray-session"))
    assert not [p for p in session.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


def run_inputs(stack: Settings, job: Job) -> list[dict[str, dict[str, str]]]:
    answer = httpx.get(f"{stack.mlflow_url}/api/2.0/mlflow/runs/get", params={"run_id": job.run_id})
    inputs: list[dict[str, dict[str, str]]] = answer.json()["run"]["inputs"]["dataset_inputs"]
    return inputs


def test_each_end_is_told_for_what_it_is(client: Client, mlflow: Mlflow, crowd: Crowd) -> None:
    told, _ = crowd.following.communicate(timeout=LIMIT_S)
    assert crowd.following.returncode == 1, told
    assert "rank 1 | ValueError: no such column: price" in told
    raising = client.job("raises")
    assert (raising.phase, raising.attempt) == ("failed", 1)
    assert raising.reason == "rank 1: ValueError: no such column: price"
    assert mlflow.run(raising.run_id).status == "FAILED"

    dying = ended(client, crowd.jobs["dies_once"])
    assert (dying.phase, dying.attempt) == ("finished", 2)
    assert steps(client, dying, "loss") == [0, 1, 2, 3]
    assert steps(client, dying, "seen") == [0, 1, 2, 3]

    # Its reason is as much of it as a record holds, its log is all of it, and the jobs after it finish.
    at_length = ended(client, crowd.jobs["raises_at_length"])
    assert (at_length.phase, at_length.attempt) == ("failed", 1)
    assert at_length.reason.startswith("rank 0: ValueError: 内存不足内存不足"), at_length.reason
    assert "内存不足" * 2000 in logs(client, at_length)["rank 0"]
    assert mlflow.run(at_length.run_id).status == "FAILED"

    unpublished = ended(client, crowd.jobs["cannot_publish"])
    assert unpublished.phase == "failed"
    assert unpublished.reason.startswith("model not registered: ")
    weights = unpublished.reason.rpartition("(weights: ")[2].removesuffix(")")
    assert Path(weights).is_file()

    sleeping = crowd.jobs["sleeps"]
    # It does nothing at all, and after a minute is said to hang.
    while client.job(sleeping.run_id).phase not in ("running", "hung"):
        time.sleep(0.3)
    # What it does meanwhile can be seen; of one that has ended there is nothing to see.
    deadline = time.monotonic() + LIMIT_S
    while "sleeps (loops.py" not in (shown := CliRunner().invoke(app, ["stack", sleeping.run_id])).stdout:
        assert time.monotonic() < deadline, shown.output
        time.sleep(0.5)
    assert shown.stdout.startswith("rank 0: process ")
    over = CliRunner().invoke(app, ["stack", unpublished.run_id])
    assert (over.exit_code, over.stdout) == (2, "")
    assert "has ended: it is failed" in over.stderr
    client.cancel(sleeping.run_id)
    sleeping = ended(client, sleeping)
    assert (sleeping.phase, sleeping.exit_code) == ("cancelled", 130)
    assert mlflow.run(sleeping.run_id).status == "KILLED"


def test_script_trains_as_under_torchrun(client: Client, crowd: Crowd, tmp_path: Path) -> None:
    losses = tmp_path / "losses.json"
    arguments = [str(EXAMPLES / "torchrun" / "train.py"), "--steps", "20", "--losses", str(losses)]
    clean = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | {"OMP_NUM_THREADS": "1"}
    torchrun = Path(sys.executable).with_name("torchrun")
    subprocess.run(
        [torchrun, "--standalone", "--nproc-per-node=2", *arguments],
        env=clean,
        check=True,
        timeout=LIMIT_S,
    )
    job = ended(client, crowd.jobs["torchrun"])
    assert job.phase == "finished", job.reason
    history = client.history(job, "loss")
    assert [step for step, _ in history] == list(range(1, 21))
    assert [value for _, value in history] == pytest.approx(json.loads(losses.read_text()), rel=1e-6)


def test_model_of_many_inputs_is_published_and_so_is_one_logged_plainly(
    client: Client, mlflow: Mlflow, crowd: Crowd
) -> None:
    pair, plain = ended(client, crowd.jobs["publishes_pair"]), ended(client, crowd.jobs["logs_model"])
    assert (pair.phase, pair.model_version) == ("finished", "pair/1"), pair.reason
    assert (plain.phase, plain.model_version) == ("finished", "plain/1"), plain.reason
    assert mlflow.aliases("pair") == {"champion": "1"}
    version = mlflow.model_version("plain", "1")
    assert version["run_id"] == plain.run_id
    assert {"journeyman.job", "journeyman.name"} <= {tag["key"] for tag in version["tags"]}


def test_jobs_that_had_no_room_waited_until_others_had_ended(client: Client, crowd: Crowd) -> None:
    jobs = [ended(client, job) for job in crowd.jobs.values()]
    first_end_ms = min(job.ended_ms or 0 for job in jobs)
    waited = {job.name for job in jobs if (job.started_ms or 0) > first_end_ms}
    assert {"publishes-pair", "logs-model"} <= waited


def test_job_that_can_never_run_is_refused_before_it_is_written(client: Client, folder: Path) -> None:
    with pytest.raises(UsageError, match="can never run: needs 99 × 1 CPU, and the cluster has"):
        submit(client, folder, "sleeps", workers=99)
    assert client.job().workers != "99"


class RayThatIsGoneOnce(Ray):
    """Takes the first submission and lets nobody know."""

    gone = True

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
        node: Mapping[str, float] | None = None,
        gpus: float = 0,
    ) -> None:
        super().submit(submission_id, entrypoint, runtime_env, metadata, node, gpus)
        if self.gone:
            self.gone = False
            raise UnreachableError("Ray is gone")


def test_job_goes_its_way_though_each_turn_is_another_controls(
    stack: Settings, mlflow: Mlflow, folder: Path
) -> None:
    """Each control dies after a turn, one of them amid it; the stack's own leaves another cluster alone."""
    settings = replace(stack, cluster="stepped")
    ray = RayThatIsGoneOnce(stack.ray_url, stack.ray_token, os.environ)
    client = Client(settings)
    job = submit(client, folder, "counts")
    seen = [(job.phase, job.attempt)]
    turn = 0
    deadline = time.monotonic() + LIMIT_S
    while not job.ended:
        assert time.monotonic() < deadline, f"{job.phase}: {job.reason}"
        turn += 1
        control = JobController(mlflow, ray, settings, f"control-{turn}", None)
        try:
            control.step(time.time())
        except UnreachableError:
            assert not ray.gone
        control.close()
        job = client.job(job.run_id)
        if seen[-1] != (job.phase, job.attempt):
            seen.append((job.phase, job.attempt))
        time.sleep(0.3)
    assert seen == [("queued", 0), ("starting", 1), ("running", 1), ("finished", 1)]
    assert steps(client, job, "count") == [0, 1, 2]
    run = mlflow.run(job.run_id)
    assert [key for key in run.params if re.fullmatch(r"attempt\.\d+", key)] == ["attempt.1"]
    assert [key for key in ray.jobs() if key.startswith(job.run_id)] == [f"{job.run_id}-1"]
    client.close()
    ray.close()
