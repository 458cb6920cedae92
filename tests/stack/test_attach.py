"""A cluster and an MLflow server that something else started: attached, worked with, let go.

Ray asks for a token, MLflow for a password, and stands on PostgreSQL; models and checkpoints are on S3. One
of the two nodes dies amid a training.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from journeyman.client import Client
from journeyman.cluster.contexts import context_folder
from journeyman.cluster.local.stack import stop
from journeyman.cluster.settings import load_settings

pytestmark = pytest.mark.own_stack

HERE = Path(__file__).parent
LOOP = HERE.parent / "chaos" / "loop"
CLI = Path(sys.executable).with_name("journeyman")
LIMIT_S = 180.0
Seen = TypeVar("Seen")
STORAGE = "s3://journeyman/runs"
POINTS = 60


@dataclass(frozen=True)
class Foreign:
    """The cluster, and what a person knows of it."""

    process: subprocess.Popen[str]
    ray_url: str
    serve_url: str
    token: str

    def told(self, word: str) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "done"


@pytest.fixture
def foreign(production_mlflow: Mapping[str, str], s3: Mapping[str, str], tmp_path: Path) -> Iterator[Foreign]:
    """As `docs/clusters.md` would have it: fast ingress, a token, and MLflow's credentials on its nodes."""
    token = secrets.token_hex(16)
    (tmp_path / "token").write_text(token)
    environ = {
        **s3,
        **{k: v for k, v in production_mlflow.items() if k != "MLFLOW_TRACKING_URI"},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token"),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }
    with running(environ, tmp_path, token) as foreign:
        yield foreign


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Foreign]:
    """As `ray start` leaves it: no flag, no token."""
    with running({"RAY_AUTH_MODE": "disabled"}, tmp_path, "") as foreign:
        yield foreign


@contextmanager
def running(
    environ: Mapping[str, str],
    tmp_path: Path,
    token: str,
    program: str = "foreign_cluster.py",
    *arguments: str,
) -> Iterator[Foreign]:
    dashboard, serve = free_port(), free_port()
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        **environ,
    }
    with (tmp_path / "cluster.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / program), str(dashboard), *arguments],
            env=environ,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None and process.stdin is not None
        line = process.stdout.readline().strip()
        assert line == "ready", (tmp_path / "cluster.log").read_text()[-3000:]
        yield Foreign(process, f"http://127.0.0.1:{dashboard}", f"http://127.0.0.1:{serve}", token)
    finally:
        # It ends when its input does.
        process.communicate(timeout=60)


@pytest.fixture
def person(
    production_mlflow: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Someone with an empty home folder who knows MLflow's password."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, production_mlflow[name])
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    yield home
    stop(context_folder(home, "prod"))


def test_cluster_of_somebody_else_is_attached_survives_a_node_and_is_let_go(
    foreign: Foreign,
    production_mlflow: Mapping[str, str],
    person: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mlflow_url = production_mlflow["MLFLOW_TRACKING_URI"]
    up = ["up", "--address", foreign.ray_url, "--mlflow", mlflow_url, "--context", "prod"]
    up += ["--serve", foreign.serve_url, "--listen", foreign.serve_url.removeprefix("http://")]

    # What stands in the way is told, all of it, and nothing is remembered.
    refused = typed(*up, "--storage", STORAGE)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        2,
        f"Ray at {foreign.ray_url} wants another token (401)",
    )
    monkeypatch.setenv("RAY_AUTH_TOKEN", foreign.token)
    refused = typed(*up, "--storage", "/proc/runs")
    assert refused.returncode == 2
    assert refused.stderr.count("cannot write to /proc/runs") == 2, refused.stderr
    assert json.loads(typed("context", "list", "--json").stdout)[0]["current"]

    attached = typed(*up, "--storage", STORAGE)
    assert attached.returncode == 0, attached.stderr
    assert attached.stdout.count("Python 3.") == 2, "both nodes are looked at"
    # The context keeps the token.
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    listed = json.loads(typed("context", "list", "--json").stdout)
    assert [(each["name"], each["current"]) for each in listed] == [("local", False), ("prod", True)]
    assert typed("status").returncode == 0

    with closing(Client(load_settings(os.environ))) as client:
        submitted = typed("submit", str(LOOP / "train.yaml"), "--set", "workers=3")
        assert submitted.stderr.splitlines() == [f"on prod ({foreign.ray_url})"]
        # Three workers need both nodes: the job waits for the one that is gone.
        job = client.job("chaos")
        eventually(lambda: client.job(job.run_id), lambda seen: seen.steps.get("loss", 0) > POINTS // 4)
        foreign.told("remove")
        waits = eventually(
            lambda: client.job(job.run_id), lambda seen: seen.reason.startswith("waits for nodes")
        )
        assert waits.reason.startswith("waits for nodes: needs 3 × 1 CPU, and the cluster has 2 CPUs")
        foreign.told("add")
        resumed = eventually(lambda: client.job(job.run_id), lambda seen: seen.ended)
        # A third attempt where the second fell into the moment in which the new node's agent unpacks the
        # job's code: both nodes are of one machine, and Ray removes the folder that the head's processes use.
        assert (resumed.phase, resumed.attempt > 1) == ("finished", True), resumed.reason
        assert [step for step, _ in client.history(resumed, "loss")] == list(range(POINTS))

        deployed = typed("deploy", str(LOOP / "service.yaml"))
        assert deployed.returncode == 0, deployed.stderr
        answer = client.query("chaos", client.example("chaos"))
        assert (answer.status, answer.headers["x-journeyman-version"]) == (200, "1")

        # Let go: control is gone, and what runs there runs on.
        assert typed("down", "--yes").returncode == 0
        url = f"{foreign.serve_url}/chaos/ping"
        assert httpx.get(url).status_code == 200
        assert typed("context", "remove", "prod", "--yes").returncode == 0
        assert not context_folder(person, "prod").exists()
        assert httpx.get(url).status_code == 200


@pytest.mark.long
def test_cluster_without_flags_and_token_is_attached_and_says_what_it_lacks(
    plain: Foreign, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    up = ["up", "--address", plain.ray_url, "--mlflow", mlflow_url, "--storage", str(tmp_path / "runs")]
    up += ["--context", "plain", "--listen", plain.serve_url.removeprefix("http://"), "--serve"]
    nowhere = f"http://127.0.0.1:{free_port()}"
    try:
        attached = typed(*up, plain.serve_url)
        assert attached.returncode == 0, attached.stderr
        assert "RAY_SERVE_ENABLE_HA_PROXY=1" in attached.stdout, attached.stdout
        with closing(Client(load_settings(os.environ))) as client:
            assert client.settings.ray_token is None
            typed("submit", str(LOOP / "train.yaml"))
            job = eventually(lambda: client.job("chaos"), lambda seen: seen.ended)
            assert (job.phase, job.attempt) == ("finished", 1), job.reason
            deployed = typed("deploy", str(LOOP / "service.yaml"))
            assert deployed.returncode == 0, deployed.stderr
            assert client.query("chaos", client.example("chaos")).status == 200
            assert typed("undeploy", "chaos", "--yes").returncode == 0
            eventually(client.services, lambda seen: not seen)

        # Serve is said to be where it is not, and then where it is.
        assert typed(*up, nowhere).returncode == 0
        with closing(Client(load_settings(os.environ))) as client:
            typed("deploy", str(LOOP / "service.yaml"), "--no-wait")
            why = f"its replicas are ready, and {nowhere} cannot be reached"
            eventually(lambda: client.service("chaos"), lambda seen: seen.reason.startswith(why))
            assert typed(*up, plain.serve_url).returncode == 0
            eventually(lambda: client.service("chaos"), lambda seen: seen.phase == "healthy")
    finally:
        stop(context_folder(home, "plain"))


def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CLI, *arguments], check=False, capture_output=True, text=True)


def eventually(look: Callable[[], Seen], wanted: Callable[[Seen], bool]) -> Seen:
    deadline = time.monotonic() + LIMIT_S
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"it did not happen: {seen}"
        time.sleep(0.1)
    return seen


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
