"""Jobs on a real stack: what a person's code does, what its run remembers, how each end is told."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from journeyman.client import Client, Job
from journeyman.cluster.settings import Settings
from journeyman.errors import UsageError
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
    mlflow = Mlflow(stack.mlflow_url)
    yield mlflow
    mlflow.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(HERE / "loops", tmp_path / "code", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "code"


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
    client: Client, mlflow: Mlflow, stack: Settings, folder: Path
) -> None:
    (folder / "train.csv").write_text("1,2,3\n")
    before = set(mlflow.experiments().values())
    job = ended(
        client,
        submit(
            client,
            folder,
            "unaware",
            config={"token_sha256": hashlib.sha256(SECRET.encode()).hexdigest(), "nested": {"width": 8}},
            secrets=["TEST_TOKEN"],
            env={"GREETING": "hello"},
            data={"train": "train.csv"},
        ),
    )
    assert (job.phase, job.reason, job.attempt) == ("finished", "training is done", 1)
    run = mlflow.run(job.run_id)
    assert run.status == "FINISHED"
    # One run, in the job's experiment, whatever the code calls.
    assert [r.run_id for r in mlflow.search_runs(mlflow.experiments(), "")].count(job.run_id) == 1
    assert set(mlflow.experiments().values()) == before
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


def test_each_end_is_told_for_what_it_is(client: Client, mlflow: Mlflow, folder: Path) -> None:
    """Four jobs at once, for the time it takes to start one; the first is followed."""
    (folder / "t.yaml").write_text("kind: train\nname: raises\nentrypoint: loops:raises\nworkers: 2\n")
    following = subprocess.Popen(
        [Path(sys.executable).with_name("journeyman"), "submit", folder / "t.yaml", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    dying = submit(client, folder, "dies_once")
    unpublished = submit(client, folder, "cannot_publish", workers=1)
    sleeping = submit(client, folder, "sleeps", workers=1)

    told, _ = following.communicate(timeout=LIMIT_S)
    assert following.returncode == 1, told
    assert "rank 1 | ValueError: no such column: price" in told
    raising = client.job("raises")
    assert (raising.phase, raising.attempt) == ("failed", 1)
    assert raising.reason == "rank 1: ValueError: no such column: price"
    assert mlflow.run(raising.run_id).status == "FAILED"

    dying = ended(client, dying)
    assert (dying.phase, dying.attempt) == ("finished", 2)
    assert steps(client, dying, "loss") == [0, 1, 2, 3]
    assert steps(client, dying, "seen") == [0, 1, 2, 3]

    unpublished = ended(client, unpublished)
    assert unpublished.phase == "failed"
    assert unpublished.reason.startswith("model not registered: ")
    weights = unpublished.reason.rpartition("(weights: ")[2].removesuffix(")")
    assert Path(weights).is_file()

    while client.job(sleeping.run_id).phase != "running":
        time.sleep(0.3)
    client.cancel(sleeping.run_id)
    sleeping = ended(client, sleeping)
    assert (sleeping.phase, sleeping.exit_code) == ("cancelled", 130)
    assert mlflow.run(sleeping.run_id).status == "KILLED"


def test_script_trains_as_under_torchrun(client: Client, tmp_path: Path) -> None:
    job = client.submit(EXAMPLES / "torchrun" / "train.yaml")
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
    job = ended(client, job)
    assert job.phase == "finished", job.reason
    history = client.history(job, "loss")
    assert [step for step, _ in history] == list(range(1, 21))
    assert [value for _, value in history] == pytest.approx(json.loads(losses.read_text()), rel=1e-6)


def test_model_of_many_inputs_is_published_and_so_is_one_logged_plainly(
    client: Client, mlflow: Mlflow, folder: Path
) -> None:
    pair = submit(client, folder, "publishes_pair", publish={"model": "pair", "alias": "champion"})
    plain = submit(client, folder, "logs_model", publish={"model": "plain", "alias": "champion"})
    pair, plain = ended(client, pair), ended(client, plain)
    assert (pair.phase, pair.model_version) == ("finished", "pair/1"), pair.reason
    assert (plain.phase, plain.model_version) == ("finished", "plain/1"), plain.reason
    assert mlflow.aliases("pair") == {"champion": "1"}
    version = mlflow.model_version("plain", "1")
    assert version["run_id"] == plain.run_id
    assert {"journeyman.job", "journeyman.name"} <= {tag["key"] for tag in version["tags"]}


def test_job_that_can_never_run_is_refused_before_it_is_written(client: Client, folder: Path) -> None:
    with pytest.raises(UsageError, match="can never run: needs 99 × 1 CPU, and the cluster has"):
        submit(client, folder, "sleeps", workers=99)
    assert client.job().workers != "99"
