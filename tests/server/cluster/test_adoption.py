"""`up` after the death of a stack's supervisor, on a real MLflow."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journeyman.cluster.local.plan import read_plan
from journeyman.cluster.local.processes import is_alive, mark_of, owned_processes
from journeyman.cluster.local.stack import observe, start, stop
from journeyman.home import read_mlflow_token

LIMIT_S = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    stop(home)


def test_up_takes_over_what_runs_and_down_ends_it(home: Path) -> None:
    said: list[str] = []

    def report(part: str, text: str) -> None:
        said.append(f"{part} {text}")

    endpoints = start(home, report, ("mlflow",))
    plan = read_plan(home)
    assert plan is not None
    token = read_mlflow_token(home)
    (before,) = observe(home).parts
    (supervisor,) = owned_processes(mark_of(plan.stack, "supervisor"))
    supervisor.process.kill()
    eventually(lambda: not is_alive(supervisor.process))
    assert any("takes over what runs" in note for note in observe(home).notes)

    assert start(home, report, ("mlflow",)) == endpoints
    assert "stack its supervisor is gone; takes over what runs: mlflow" in said
    (after,) = observe(home).parts
    assert (after.pid, after.state, after.restarts) == (before.pid, "up", 0)
    (successor,) = owned_processes(mark_of(plan.stack, "supervisor"))
    assert successor.process.pid != supervisor.process.pid

    # What was adopted is kept up as what was started.
    assert before.pid is not None
    (mlflow,) = (
        each.process
        for each in owned_processes(mark_of(plan.stack, "mlflow"))
        if each.process.pid == before.pid
    )
    mlflow.kill()
    eventually(lambda: [(part.state, part.restarts) for part in observe(home).parts] == [("up", 1)])

    assert read_mlflow_token(home) == token

    # A stack that died without `down` is not taken over: whoever got its port may have its token.
    for each in owned_processes(mark_of(plan.stack, "")):
        each.process.kill()
    eventually(lambda: owned_processes(mark_of(plan.stack, "")) == ())
    start(home, report, ("mlflow",))
    assert read_mlflow_token(home) not in (None, token)

    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        assert stop(home) > 1
        assert owned_processes(mark_of(plan.stack, "")) == ()
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
