"""A script as torchrun runs it: one child process per worker, with torchrun's environment.

The child has its own main thread, `__main__` and process group, and opens the group of ranks itself.
`runpy` in the worker's thread fails on signal handlers, on the process group and on the working directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from ray.train import get_context
from ray.train.collective import broadcast_from_rank_zero
from ray.util import get_current_placement_group, get_node_ip_address, placement_group_table

from journeyman.compat.ray_train import is_preempted
from journeyman.jobs.environment import STOP
from journeyman.jobs.outcome import Cause, RankError
from journeyman.jobs.run_line import stored_words
from journeyman.tracking.job_store.environment import ATTEMPT, RUN_ID

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.2


def run_script(
    run: str,
    environ: Mapping[str, str],
    started: Callable[[int], None],
    grace_s: float,
    told_to_stop: Callable[[], Cause | None],
) -> None:
    """Run to its end on every rank; `started` is told the child's process id.

    Where `told_to_stop` says why, the child's process group gets SIGTERM, and SIGKILL after `grace_s`. Raises
    RankError: an exit code is the script's own doing, a signal the machine's.
    """
    words = stored_words(run)
    named = " ".join(words[: words.index("-m") + 2]) if "-m" in words[:-1] else words[0]
    child = subprocess.Popen(
        [sys.executable, "-u", *words],
        env=dict(environ) | torchrun_environment(),
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    started(child.pid)
    stopped, kill_s = None, math.inf
    while (code := _code(child)) is None:
        if stopped is None and (stopped := told_to_stop()) is not None:
            kill_s = time.monotonic() + grace_s
            _signal_group(child.pid, signal.SIGTERM)
        if time.monotonic() > kill_s:
            _signal_group(child.pid, signal.SIGKILL)
            kill_s = math.inf
    if stopped is not None:
        # What it has started, such as loaders of data, had as long as it had itself.
        _signal_group(child.pid, signal.SIGKILL)
        raise RankError(f"{named} {_end(code)} after SIGTERM", cause=stopped)
    if code < 0:
        raise RankError(f"{named} {_end(code)}", cause=Cause.MACHINE)
    if code:
        raise RankError(f"{named} {_end(code)}")


def _code(child: subprocess.Popen[bytes]) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(_POLL_S)
    return None


def _end(code: int) -> str:
    return f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def why_stop() -> Cause | None:
    """Why this worker's script is to end now; None where it is not."""
    if os.environ.get(STOP):
        return Cause.STOPPED
    return Cause.PREEMPTED if is_preempted() else None


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
        "GROUP_WORLD_SIZE": str(meeting[2]),
        "MASTER_ADDR": meeting[0],
        "MASTER_PORT": str(meeting[1]),
    } | elastic_environment(os.environ, context.get_world_rank(), context.get_world_size())


def elastic_environment(environ: Mapping[str, str], rank: int, ranks: int) -> dict[str, str]:
    """What else torchrun's agent sets, by which libraries tell that a launcher started them."""
    return {
        "ROLE_NAME": "default",
        "ROLE_RANK": str(rank),
        "ROLE_WORLD_SIZE": str(ranks),
        "TORCHELASTIC_RUN_ID": environ.get(RUN_ID, "none"),
        "TORCHELASTIC_RESTART_COUNT": str(max(0, int(environ.get(ATTEMPT, "1")) - 1)),
        "TORCHELASTIC_MAX_RESTARTS": "0",
        # Rank 0 opens the store where the ranks meet: there is no agent that has one.
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": environ.get("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"),
    }


def _meeting_point() -> tuple[str, int, int]:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return get_node_ip_address(), probe.getsockname()[1], _nodes()


def _nodes() -> int:
    """On how many nodes the ranks are."""
    group = get_current_placement_group()
    if group is None:
        return 1
    return len(set(placement_group_table(group)["bundles_to_node_id"].values()))


def _die_with_parent() -> None:
    """Runs in the child before its program: Ray kills workers hard, and no child must outlive its worker."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
