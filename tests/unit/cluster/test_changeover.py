"""What goes on of a stack that runs under another version, and what is asked before Ray ends for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from pydantic import TypeAdapter

from journeyman.cli import stack as cli_stack
from journeyman.cli.output import confirm
from journeyman.cluster.local import stack as stack_module
from journeyman.cluster.local.changeover import changeover
from journeyman.cluster.local.parts import DEFAULT_PORTS, PART_NAMES
from journeyman.cluster.local.plan import Plan, installed_versions, parts_of, read_plan, write_plan
from journeyman.cluster.local.processes import MARK, mark_of
from journeyman.cluster.local.stack import observe, start
from journeyman.cluster.local.supervisor import PartState, SupervisorState, state_file
from journeyman.errors import JourneymanError, StackError, UsageError

NOW = {"journeyman": "2.0", "ray": "2.60.0", "mlflow": "3.17.0"}
ALL = dict.fromkeys(PART_NAMES, True)


@pytest.mark.parametrize(
    ("before", "living", "kept", "ended"),
    [
        (NOW, ALL, ["mlflow", "ray", "control"], {}),
        # Control changes over with Journeyman; jobs and services run on.
        (NOW | {"journeyman": "1.0"}, ALL, ["mlflow", "ray"], {"control"}),
        # As by a version whose MLflow let in every user of the machine.
        (NOW | {"journeyman": "1.0"}, ALL | {"mlflow": False}, ["ray"], {"mlflow", "control"}),
        (NOW | {"ray": "2.59.0"}, ALL, ["mlflow", "control"], {"ray"}),
        (NOW | {"mlflow": "3.16.0"}, ALL, ["ray", "control"], {"mlflow"}),
        (NOW, ALL | {"ray": False}, ["mlflow", "control"], {"ray"}),
        # A version before wrote none: what was started as it would be now goes on.
        ({}, ALL, ["mlflow", "ray"], {"control"}),
        ({}, {"ray": False}, [], {"ray"}),
        (NOW, {}, [], set()),
    ],
)
def test_what_fits_the_version_that_is_installed_goes_on(
    before: Mapping[str, str], living: Mapping[str, bool], kept: list[str], ended: set[str]
) -> None:
    change = changeover(living, before, NOW)
    assert (list(change.kept), set(change.ended)) == (kept, set(ended))
    assert all(why.startswith(f"{name} ") for name, why in change.ended.items())


def test_why_a_part_ends_names_both_versions() -> None:
    change = changeover({"ray": True}, NOW | {"ray": "2.59.0"}, NOW)
    assert change.ended["ray"] == "ray runs ray 2.59.0, and 2.60.0 is installed"
    change = changeover({"ray": False}, NOW | {"journeyman": "1.0"}, NOW)
    assert change.ended["ray"] == "ray was started otherwise, by Journeyman 1.0"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Of a stack whose MLflow and control are as they would be started now, and whose supervisor is gone."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    yield home


class Stack:
    """Processes that are what the parts of a stack would be, but do nothing."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        ports = dict.fromkeys(DEFAULT_PORTS, 1)
        self.plan = Plan(cluster="mine", ports=ports, versions=installed_versions())
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.launched: list[Plan] = []
        idle = (sys.executable, "-c", "import time; time.sleep(600)")
        parts = {
            name: replace(part, command=(*idle, name)) for name, part in parts_of(home, self.plan, {}).items()
        }
        monkeypatch.setattr(stack_module, "parts_of", lambda *_: parts)
        monkeypatch.setattr(stack_module, "_launch", lambda home, plan, names: self.launched.append(plan))
        monkeypatch.setattr(stack_module, "_trouble_until_up", lambda *_: None)
        monkeypatch.setattr(stack_module, "_prepare", lambda home, plan: plan)
        monkeypatch.setattr(stack_module, "STOP_GRACE_S", 0.1)
        self.parts = parts

    def run(self, name: str, *more: str) -> None:
        self.processes[name] = subprocess.Popen(
            (*self.parts[name].command, *more),
            env={MARK: mark_of(self.plan.stack, name)},
            start_new_session=True,
        )

    def write(self, **versions: str) -> None:
        self.plan = replace(self.plan, versions={**self.plan.versions, **versions})
        write_plan(self.home, self.plan, running=True)

    def alive(self) -> set[str]:
        return {name for name, process in self.processes.items() if process.poll() is None}

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def running(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    stack = Stack(home, monkeypatch)
    yield stack
    stack.close()


def test_upgrade_of_journeyman_changes_control_over_and_ends_no_job(running: Stack) -> None:
    for name in PART_NAMES:
        running.run(name)
    running.write(journeyman="0.0.1")
    said: list[str] = []
    start(running.home, lambda part, text: said.append(f"{part}: {text}"))
    assert running.alive() == {"mlflow", "ray"}
    assert "stack: its supervisor is gone; takes over what runs: mlflow, ray" in said
    assert any(line.startswith("control: is started anew: control runs journeyman 0.0.1") for line in said)
    [plan] = running.launched
    assert plan.versions == installed_versions()


def test_stack_that_is_supervised_changes_over_too(running: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "control"):
        running.run(name)
    monkeypatch.setattr(stack_module, "_supervised", lambda stack: True)
    running.write()
    said: list[str] = []

    def report(part: str, text: str) -> None:
        said.append(f"{part}: {text}")

    start(running.home, report)
    assert (said, running.launched) == (["stack: is running already"], [])
    assert observe(running.home).notes == ()
    running.write(journeyman="0.0.1")
    [note] = observe(running.home).notes
    assert note.startswith("it was started by Journeyman 0.0.1: `journeyman up` changes it over to ")
    start(running.home, report)
    assert running.alive() == {"ray"}
    assert said[1] == "stack: is changed over to the version that is installed; takes over what runs: ray"


@pytest.mark.parametrize("how", ["another Ray", "started otherwise"])
def test_nothing_is_changed_where_ray_would_have_to_end_and_nobody_agreed(running: Stack, how: str) -> None:
    for name in PART_NAMES:
        running.run(name, *(["--other"] if (name, how) == ("ray", "started otherwise") else []))
    running.write(journeyman="0.0.1", **({"ray": "2.0"} if how == "another Ray" else {}))
    with pytest.raises(StackError, match="it would have to end, and with it the jobs and services"):
        start(running.home, lambda part, text: None)
    assert running.alive() == set(PART_NAMES)
    assert running.launched == []
    plan = read_plan(running.home)
    assert plan is not None and plan.versions["journeyman"] == "0.0.1"

    asked: list[str] = []
    start(running.home, lambda part, text: None, may_end=asked.append)
    assert len(asked) == 1
    assert running.alive() == set()
    assert len(running.launched) == 1


def test_what_a_dead_ray_has_left_is_in_nobodys_way(running: Stack) -> None:
    running.run("mlflow")
    running.run("ray", "--left")
    running.write()
    now = PartState(
        name="ray",
        state="up",
        reason="",
        pid=running.processes["ray"].pid,
        since=1.0,
        restarts=0,
        deaths_in_a_row=0,
        last_exit="",
        url="http://127.0.0.1:1",
        log=running.home / "ray.log",
    )
    for pid in (now.pid, os.getpid(), None):
        state = SupervisorState(pid=1, parts=(replace(now, pid=pid),))
        state_file(running.home).write_bytes(TypeAdapter(SupervisorState).dump_json(state))
        if pid == now.pid:
            with pytest.raises(StackError, match="it would have to end"):
                start(running.home, lambda part, text: None)
        else:
            start(running.home, lambda part, text: None)
    assert "mlflow" in running.alive()
    assert len(running.launched) == 2


class Someone:
    """A client of a cluster with what runs there."""

    def __init__(self, *phases: str, services: int = 0, trouble: str = "") -> None:
        self.phases, self.count, self.trouble = phases, services, trouble

    def unfinished_jobs(self) -> list[Any]:
        if self.trouble:
            raise JourneymanError(self.trouble)
        return [
            SimpleNamespace(name=f"job-{phase}", run_id="3f2a9b7c01de45f8", phase=phase)
            for phase in self.phases
        ]

    def services(self) -> list[Any]:
        return [SimpleNamespace(name=f"service-{number}", phase="healthy") for number in range(self.count)]


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (Someone(), ""),
        (Someone("queued"), ""),
        (Someone("running", "queued", services=1), "job job-running (3f2a9b7c), service service-0"),
        (Someone(trouble="MLflow does not answer"), "which cannot be told (MLflow does not answer)"),
    ],
)
def test_what_would_end_is_named(monkeypatch: pytest.MonkeyPatch, client: Someone, told: str) -> None:
    monkeypatch.setattr(cli_stack, "connect", lambda context: client)
    work = cli_stack._work(typer.Context(typer.main.get_command(cli_stack.verbs)))
    assert work.endswith(told) and bool(work) == bool(told)
    if told:
        with pytest.raises(UsageError, match="no terminal"):
            confirm(f"why. It has to end, and with it {work}.", yes=False)
