"""Who can be seen to be gone, and who cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from journeyman.tracking.lease.claimant import Claimant, is_gone, name_of, this_process

TELLS_AND_WAITS = """
import sys
from journeyman.tracking.lease.claimant import this_process
print(this_process("control"), flush=True)
sys.stdin.read()
"""

OURS = this_process("control")


def test_living_process_is_not_gone_and_a_killed_one_is_even_before_it_is_collected() -> None:
    command = [sys.executable, "-c", TELLS_AND_WAITS]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        other = process.stdout.readline().strip()
        assert name_of(other).startswith("control-") and f" {process.pid} " in other
        assert not is_gone(other)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(other)
    assert is_gone(other)


def test_process_that_got_the_pid_of_the_claimant_is_not_the_claimant() -> None:
    assert is_gone(str(replace(OURS, started="1")))


@pytest.mark.parametrize(
    "claimant",
    [
        str(OURS),
        str(replace(OURS, machine="another", started="1")),
        str(Claimant(name="c", machine="another", pid=2**22 + 1, started="1")),
        "control-host-4711-1764000000",
        "closed",
        "",
        f"{OURS.name} {OURS.machine} many {OURS.started}",
    ],
    ids=["itself", "elsewhere", "elsewhere and dead", "of another time", "closed", "nobody", "no pid"],
)
def test_claimant_of_whom_nothing_can_be_told_is_not_gone(claimant: str) -> None:
    assert not is_gone(claimant)
