"""Which processes are a stack's own, and ending those alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest

from journeyman.cluster.local.processes import MARK, end_processes, is_alive, mark_of, owned_processes

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs Python code with a mark, in a session of its own; it is ready once it has printed a line."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str, mark: str | None, *arguments: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment | ({MARK: mark} if mark else {}),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


SLEEP = "import time; print('ready', flush=True); time.sleep(600)"
# A child with an empty environment in a session of its own, and a grandchild in the parent's session.
FAMILY = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
alone = subprocess.Popen(sleep, env={}, start_new_session=True)
near = subprocess.Popen(sleep, env={})
print(alone.pid, near.pid, flush=True)
time.sleep(600)
"""
# Whoever starts a process with a mark from a session of its own, and something else in it.
SHELL = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
other = subprocess.Popen(sleep)
marked = subprocess.Popen(sleep, env={**os.environ, sys.argv[1]: sys.argv[2]})
print(other.pid, marked.pid, flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
time.sleep(600)
"""


def test_owned_processes_are_those_of_the_cluster_and_part_alone(run: Run) -> None:
    cluster = uuid.uuid4().hex
    mlflow = run(SLEEP, mark_of(cluster, "mlflow"))
    ray = run(SLEEP, mark_of(cluster, "ray"))
    others = (run(SLEEP, mark_of(uuid.uuid4().hex, "mlflow")), run(SLEEP, None))
    for process in (mlflow, ray, *others):
        _line(process)
    assert [each.process.pid for each in owned_processes(mark_of(cluster, "mlflow"))] == [mlflow.pid]
    assert {each.process.pid for each in owned_processes(mark_of(cluster, ""))} == {mlflow.pid, ray.pid}


def test_owned_processes_include_descendants_without_an_environment(run: Run) -> None:
    cluster = uuid.uuid4().hex
    parent = run(FAMILY, mark_of(cluster, "ray"))
    alone, near = (int(pid) for pid in _line(parent).split())
    owned = owned_processes(mark_of(cluster, ""))
    assert {each.process.pid for each in owned} == {parent.pid, alone, near}
    end_processes([each.process for each in owned], grace_s=0)
    assert not owned_processes(mark_of(cluster, ""))


def test_owned_processes_are_not_whoever_started_one_from_a_session_of_theirs(run: Run) -> None:
    cluster = uuid.uuid4().hex
    shell = run(SHELL, None, MARK, mark_of(cluster, "ray"))
    other, marked = (int(pid) for pid in _line(shell).split())
    owned = owned_processes(mark_of(cluster, ""))
    assert [each.process.pid for each in owned] == [marked]
    end_processes([psutil.Process(other), *(each.process for each in owned)], grace_s=0)


def test_end_processes_asks_first_and_kills_who_does_not_listen(run: Run) -> None:
    listens, stubborn, foreign = run(SLEEP, None), run(STUBBORN, None), run(SLEEP, None)
    for process in (listens, stubborn, foreign):
        _line(process)
    end_processes([psutil.Process(listens.pid), psutil.Process(stubborn.pid)], grace_s=0.5)
    assert (listens.wait(), stubborn.wait()) == (-15, -9)
    assert foreign.poll() is None


def test_process_that_ended_uncollected_is_not_alive(run: Run) -> None:
    process = run("print('ready', flush=True)", None)
    seen = psutil.Process(process.pid)
    while seen.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_alive(seen)
