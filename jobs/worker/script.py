"""A script as torchrun runs it: one child process per worker, with torchrun's environment.

The child has its own main thread, its own `__main__` and opens its own process group. `runpy` in the worker's
thread fails on signal handlers, on the process group and on the working directory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from ray.train import get_context
from ray.train.collective import broadcast_from_rank_zero
from ray.util import get_node_ip_address

from journeyman.jobs.outcome import Cause, RankError
from journeyman.jobs.run_line import stored_words

_PR_SET_PDEATHSIG = 1


def run_script(run: str, environ: Mapping[str, str], started: Callable[[int], None]) -> None:
    """Run to its end on every rank; `started` is told the child's process id.

    Raises RankError: an exit code is the script's own doing, a signal the machine's.
    """
    arguments = stored_words(run)
    child = subprocess.Popen(
        [sys.executable, "-u", *arguments],
        env=dict(environ) | torchrun_environment(),
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    started(child.pid)
    code = child.wait()
    if code < 0:
        name = signal.Signals(-code).name
        raise RankError(f"{arguments[0]} was ended by {name}", cause=Cause.MACHINE)
    if code:
        raise RankError(f"{arguments[0]} exited with code {code}")


def torchrun_environment() -> dict[str, str]:
    """What torchrun sets for this rank; rank 0 chooses the port where the ranks meet."""
    context = get_context()
    meeting = broadcast_from_rank_zero(_meeting_point() if context.get_world_rank() == 0 else None)
    return {
        "RANK": str(context.get_world_rank()),
        "LOCAL_RANK": str(context.get_local_rank()),
        "WORLD_SIZE": str(context.get_world_size()),
        "LOCAL_WORLD_SIZE": str(context.get_local_world_size()),
        "GROUP_RANK": str(context.get_node_rank()),
        "ROLE_RANK": str(context.get_world_rank()),
        "ROLE_WORLD_SIZE": str(context.get_world_size()),
        "MASTER_ADDR": meeting[0],
        "MASTER_PORT": str(meeting[1]),
    }


def _meeting_point() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return get_node_ip_address(), probe.getsockname()[1]


def _die_with_parent() -> None:
    """Runs in the child before its program: Ray kills workers hard, and no child must outlive its worker."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
