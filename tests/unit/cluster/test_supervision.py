"""Supervision of real processes: what cannot be started or ended, what hangs, what ran before, and logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from journeyman.cluster.local import supervisor as supervisor_module
from journeyman.cluster.local.parts import HeartbeatProbe, Part
from journeyman.cluster.local.processes import MARK, end_processes, mark_of, owned_processes
from journeyman.cluster.local.supervisor import PartState, Supervisor, read_state
from journeyman.errors import StackError
from journeyman.testing.fake_mlflow import FakeMlflow
from journeyman.tracking.lease.claimant import Claimant, is_gone
from journeyman.tracking.lease.lease import Lease

LIMIT_S = 30.0
Seen = TypeVar("Seen")

BEATS = """
import pathlib, sys, time
print("begins", flush=True)
while True:
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(0.02)
"""
CLAIMS = """
import pathlib, sys
from journeyman.tracking.lease.claimant import this_process
pathlib.Path(sys.argv[2]).write_text(str(this_process("control")))
"""


class Stack:
    """Parts that are small programs, in a folder of their own, with a name of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.name = uuid.uuid4().hex
        self.supervisors: list[Supervisor] = []

    def part(
        self,
        name: str,
        code: str = BEATS,
        *arguments: str,
        python: str = sys.executable,
        limit_s: float = LIMIT_S,
    ) -> Part:
        """One that answers by touching a file, which is its first argument."""
        beat = self.home / f"{name}.beat"
        return Part(
            name=name,
            command=(python, "-c", code, str(beat), *arguments),
            environment={**os.environ, MARK: mark_of(self.name, name)},
            probe=HeartbeatProbe(path=beat, limit_s=limit_s),
            url="",
            log=self.home / "logs" / f"{name}.log",
            silence_limit_s=limit_s,
        )

    def supervisor(self, *parts: Part) -> Supervisor:
        self.supervisors.append(Supervisor(self.home, self.name, parts))
        return self.supervisors[-1]

    def pids(self) -> set[int]:
        return {each.process.pid for each in owned_processes(mark_of(self.name, ""))}

    def states(self) -> dict[str, PartState]:
        state = read_state(self.home)
        return {part.name: part for part in state.parts} if state is not None else {}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "logs").mkdir()
    stack = Stack(tmp_path)
    yield stack
    end_processes((each.process for each in owned_processes(mark_of(stack.name, ""))), grace_s=0)
    for supervisor in stack.supervisors:
        supervisor.http.close()
        for process in supervisor.processes.values():
            assert process.poll() is not None


def turn_until(supervisor: Supervisor, look: Callable[[], Seen | None]) -> Seen:
    deadline = time.monotonic() + LIMIT_S
    while True:
        supervisor.turn()
        if seen := look():
            return seen
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def up(stack: Stack, *names: str) -> Callable[[], bool]:
    return lambda: all(name in stack.states() and stack.states()[name].state == "up" for name in names)


def test_part_that_cannot_be_started_is_told_and_tried_again_while_the_others_run(stack: Stack) -> None:
    missing = stack.home / "python-of-later"
    supervisor = stack.supervisor(stack.part("mlflow", python=str(missing)), stack.part("control"))
    turn_until(supervisor, up(stack, "control"))
    told = turn_until(supervisor, lambda: stack.states()["mlflow"].reason.startswith("cannot be") or None)
    assert told
    mlflow = stack.states()["mlflow"]
    assert str(missing) in mlflow.reason
    assert (mlflow.pid, mlflow.restarts, mlflow.deaths_in_a_row) == (None, 0, 0)
    turn_until(supervisor, lambda: stack.states()["mlflow"].state == "failed")
    assert stack.states()["control"].state == "up"
    missing.symlink_to(sys.executable)
    turn_until(supervisor, up(stack, "mlflow", "control"))
    assert stack.states()["mlflow"].reason == ""
    assert stack.states()["control"].restarts == 0


def test_leftovers_that_do_not_end_hold_up_their_own_part_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = stack.supervisor(stack.part("ray"), stack.part("control"))
    turn_until(supervisor, up(stack, "ray", "control"))
    tries: list[float] = []

    def hangs_in_the_system(
        processes: Iterable[psutil.Process], *, grace_s: float, kill_limit_s: float
    ) -> None:
        tries.append(time.monotonic())
        raise StackError("these processes do not end: 4711")

    with monkeypatch.context() as patched:
        patched.setattr(supervisor_module, "end_processes", hangs_in_the_system)
        os.kill(stack.states()["ray"].pid or 0, signal.SIGKILL)
        turn_until(supervisor, lambda: len(tries) == 3)
        ray = stack.states()["ray"]
        assert ray.reason == "cannot be started: these processes do not end: 4711; tried again after 2 s"
        assert (ray.state, ray.pid) == ("failed", None)
        assert stack.states()["control"].state == "up"
    turn_until(supervisor, up(stack, "ray"))
    assert (stack.states()["ray"].restarts, stack.states()["control"].restarts) == (1, 0)


def test_hung_control_is_started_again_and_its_lease_followed_at_once(stack: Stack) -> None:
    claimant_file = stack.home / "claimant"
    supervisor = stack.supervisor(stack.part("control", CLAIMS + BEATS, str(claimant_file), limit_s=2.0))
    turn_until(supervisor, up(stack, "control"))
    mlflow = FakeMlflow(clock=lambda: 1000.0)
    name, machine, pid, started = claimant_file.read_text().split(" ")
    hung = Claimant(name=name, machine=machine, pid=int(pid), started=started)
    clock_s = 0.0
    lease = Lease(mlflow, "ours", hung, lambda: clock_s)
    lease.turn()
    assert lease.term() is not None
    successor = Lease(mlflow, "ours", Claimant(name="next", machine="m", pid=1, started="1"), lambda: clock_s)

    os.kill(hung.pid, signal.SIGSTOP)
    supervisor.turn()
    successor.turn()
    assert not is_gone(str(hung))
    assert successor.term() is None
    turn_until(supervisor, lambda: stack.states()["control"].pid not in (None, hung.pid))
    # No second has passed on the clock by which leases run out.
    successor.turn()
    assert is_gone(str(hung))
    assert successor.term() is not None

    turn_until(supervisor, up(stack, "control"))
    control = stack.states()["control"]
    assert control.last_exit.startswith("ended since it did not answer for ")
    assert control.pid != hung.pid


def test_silent_part_that_has_no_limit_is_left_running(stack: Stack) -> None:
    supervisor = stack.supervisor(replace(stack.part("ray", limit_s=0.5), silence_limit_s=None))
    turn_until(supervisor, up(stack, "ray"))
    pid = stack.states()["ray"].pid
    os.kill(pid or 0, signal.SIGSTOP)
    turn_until(supervisor, lambda: supervisor.lives["ray"].silent_s > 1.0)
    assert (stack.states()["ray"].pid, stack.states()["ray"].state) == (pid, "up")


def test_next_supervisor_adopts_what_runs_and_starts_what_does_not(stack: Stack) -> None:
    parts = stack.part("mlflow"), stack.part("ray"), stack.part("control")
    first = stack.supervisor(*parts)
    turn_until(first, up(stack, "mlflow", "ray", "control"))
    before = {name: state.pid for name, state in stack.states().items()}
    os.kill(before["control"] or 0, signal.SIGKILL)

    second = stack.supervisor(*parts)
    second.adopt()
    turn_until(second, up(stack, "mlflow", "ray", "control"))
    after = {name: state.pid for name, state in stack.states().items()}
    assert (after["mlflow"], after["ray"]) == (before["mlflow"], before["ray"])
    assert after["control"] != before["control"]
    assert {pid for pid in after.values() if pid} == stack.pids()

    # What was adopted is supervised as what was started.
    os.kill(after["mlflow"] or 0, signal.SIGKILL)
    turn_until(second, lambda: stack.states()["mlflow"].restarts == 1)
    turn_until(second, up(stack, "mlflow"))
    assert stack.states()["mlflow"].last_exit == "nobody saw how"
    assert (stack.states()["ray"].pid, stack.states()["ray"].restarts) == (before["ray"], 0)


def test_what_runs_and_does_not_answer_is_started_anew_after_a_while(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "ADOPTION_LIMIT_S", 0.3)
    part = replace(stack.part("control", limit_s=0.5), silence_limit_s=None)
    first = stack.supervisor(part)
    turn_until(first, up(stack, "control"))
    hung = stack.states()["control"].pid
    os.kill(hung or 0, signal.SIGSTOP)
    time.sleep(0.6)
    second = stack.supervisor(part)
    second.adopt()
    assert second.processes["control"].pid == hung
    turn_until(second, lambda: stack.states()["control"].restarts == 1)
    turn_until(second, up(stack, "control"))
    assert stack.pids() == {stack.states()["control"].pid}


def test_processes_that_only_inherited_a_mark_are_not_adopted_and_end_before_a_start(stack: Stack) -> None:
    part = stack.part("ray")
    # As a job's driver: the mark of its part, a session and a command of its own.
    driver = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=part.environment, start_new_session=True
    )
    foreign = subprocess.Popen(part.command, env={**part.environment, MARK: mark_of("another", "ray")})
    try:
        second = stack.supervisor(part)
        second.adopt()
        assert second.processes == {}
        turn_until(second, up(stack, "ray"))
        assert driver.wait() == -signal.SIGKILL
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()
        driver.kill()
        driver.wait()


def test_logs_are_rotated_while_their_processes_write_on(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LOGS_LOOK_S", 0.0)
    monkeypatch.setattr(supervisor_module, "LOG_LIMIT_BYTES", 2000)
    counts = """
import pathlib, sys, time
number = 0
while True:
    print(number, flush=True)
    number += 1
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(0.001)
"""
    part = stack.part("control", counts)
    supervisor = stack.supervisor(part)
    copies = [part.log.with_name(f"control.log.{number}") for number in (3, 2, 1)]
    turn_until(supervisor, lambda: all(copy.exists() for copy in copies))
    (pid,) = stack.pids()
    os.kill(pid, signal.SIGSTOP)
    lines = [line for log in (*copies, part.log) for line in log.read_text().splitlines()]
    # Nothing is torn or comes twice, and the process began once.
    numbers = [int(line) for line in lines]
    assert numbers == sorted(set(numbers))
    assert stack.states()["control"].restarts == 0
    assert "\0" not in part.log.read_text()
