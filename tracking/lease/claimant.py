"""Which process claims, told so that another one on the same machine can see that it is gone."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """One process. As text it is a word for people and three for `is_gone`."""

    name: str
    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.name} {self.machine} {self.pid} {self.started}"


def this_process(role: str) -> Claimant:
    pid = os.getpid()
    return Claimant(
        name=f"{role}-{socket.gethostname()}-{pid}-{int(time.time())}",
        machine=_machine(),
        pid=pid,
        started=_started(pid),
    )


def name_of(claimant: str) -> str:
    """What people call a claimant that is read as text."""
    return claimant.partition(" ")[0]


def is_gone(claimant: str) -> bool:
    """Whether the claimant, as text, was a process of this machine and is none any more.

    False wherever that cannot be told: of another machine, of another container, of a text of another form.
    """
    try:
        _, machine, pid, started = claimant.split(" ")
        if machine != _machine():
            return False
        os.kill(int(pid), 0)
        return _started(int(pid)) != started
    except ProcessLookupError:
        return True
    except (ValueError, OSError, psutil.Error):
        # It may live under another user, who hides his processes.
        return False


def _machine() -> str:
    """This machine since it was started, and the container: where a pid means the same process.

    Host names repeat, and so do machine ids, in copied images. A container's namespace may get the number
    of one before it, but then nothing of that one is left.
    """
    if sys.platform != "linux":
        return f"{uuid.getnode():x}"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        # A sandbox that hides both: like no other machine, so that nobody is taken for gone.
        return uuid.uuid4().hex


def _started(pid: int) -> str:
    """When a process was started, in words that never change; another's where it is a zombie.

    Not psutil's time: it is reckoned from the wall clock, and moves for a living process when that is set.
    """
    if sys.platform != "linux":
        return str(psutil.Process(pid).create_time())
    # The name of the command, in brackets, may hold anything.
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "ended" if state in "ZX" else fields[18]
