"""Which processes belong to a stack, and ending exactly those.

Whatever a stack starts carries a mark in its environment, `JOURNEYMAN_STACK=<stack>/<part>`, and hands it
down. Recorded pids would not do: they are reused after a reboot, and a parent ended by SIGKILL leaves
children that nobody recorded.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from journeyman.errors import StackError

MARK = "JOURNEYMAN_STACK"
KILL_LIMIT_S = 10.0
POLL_S = 0.05


def mark_of(stack: str, part: str) -> str:
    return f"{stack}/{part}"


@dataclass(frozen=True, slots=True)
class OwnedProcess:
    process: psutil.Process
    parent: int
    session: int
    """The pid of the process that opened its session."""
    mark: str | None
    """None too where a process wrote its title over its environment, as many of Ray's do."""


def owned_processes(mark: str) -> tuple[OwnedProcess, ...]:
    """The living processes whose mark begins with `mark`, without the calling one.

    One that lost its environment is known by its session or by its ancestors. A session that somebody else
    opened, such as a shell, tells nothing: who else is in it is not ours.
    """
    living = _living_processes_of_this_user()
    found = {pid for pid, each in living.items() if each.mark is not None and each.mark.startswith(mark)}
    unmarked = {pid: each for pid, each in living.items() if each.mark is None}
    opened = {living[pid].session for pid in found}
    sessions = {session for session in opened if session in found or session not in living}
    grown = {pid for pid, each in unmarked.items() if each.session in sessions}
    while grown:
        found |= grown
        grown = {pid for pid, each in unmarked.items() if each.parent in found} - found
    return tuple(living[pid] for pid in sorted(found - {os.getpid()}))


def main_process(mark: str, command: tuple[str, ...]) -> psutil.Process | None:
    """The one process with exactly this mark that was started with `command` and opened a session.

    None where there is none, and where there are several: whose they are cannot be told then.
    """
    found = []
    for each in owned_processes(mark):
        # It may end while we look.
        with contextlib.suppress(psutil.Error):
            opened = each.session == each.process.pid and each.mark == mark
            # Not the interpreter, which has several names.
            if opened and tuple(each.process.cmdline()[1:]) == command[1:]:
                found.append(each.process)
    return found[0] if len(found) == 1 else None


class AdoptedProcess:
    """A process that is not our child, asked as a Popen is."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """None while it runs, then 0: the system tells a process's exit code to its parent alone."""
        return None if is_alive(self._process) else 0


def end_processes(
    processes: Iterable[psutil.Process], *, grace_s: float, kill_limit_s: float = KILL_LIMIT_S
) -> None:
    """Ask with SIGTERM, wait `grace_s`, then SIGKILL and wait `kill_limit_s`; no grace means SIGKILL at once.

    Raises StackError naming those that even SIGKILL does not end.
    """
    left = [process for process in processes if is_alive(process)]
    if grace_s > 0:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        left = _wait(left, grace_s)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    if left := _wait(left, kill_limit_s):
        raise StackError(
            "these processes do not end: " + ", ".join(str(process.pid) for process in left),
            "They hang in the operating system; `ps -o pid,stat,wchan,args -p <pid>` tells where.",
        )


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and waits to be collected by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _living_processes_of_this_user() -> dict[int, OwnedProcess]:
    living = {}
    for process in psutil.process_iter():
        # Processes come and go while we look, and some do not let themselves be looked at.
        with contextlib.suppress(psutil.Error, OSError):
            if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            living[process.pid] = OwnedProcess(
                process=process,
                parent=process.ppid(),
                session=os.getsid(process.pid),
                mark=process.environ().get(MARK),
            )
    return living


def _wait(processes: list[psutil.Process], limit_s: float) -> list[psutil.Process]:
    """Those still alive after the limit. psutil.wait_procs would wait for zombies of other parents."""
    deadline = time.monotonic() + limit_s
    while (left := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return left
