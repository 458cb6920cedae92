"""What a fork server proves of itself before it forks for anybody; why not, where it cannot."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from journeyman.cluster.warm.child import die_with, draw_anew

HARMLESS_THREADS = ("jemalloc_bg_thd",)
"""pyarrow's allocator gives memory back in it, and starts it anew in a child."""
ENDS_S = 20.0


def flaws(generators: Sequence[random.Random]) -> str:
    """Why this process is not to be forked; empty where it may be."""
    if "ray" in sys.modules:
        return "Ray was imported by something else"
    if threads := other_threads():
        return f"something that is imported starts threads: {', '.join(threads)}"
    return _touched_devices() or _children_alike(generators) or _life_unheeded()


def other_threads() -> list[str]:
    """The names of the threads beside the main one that are not known to be harmless."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        # It may have ended.
        with suppress(OSError):
            name = Path(f"/proc/self/task/{thread}/comm").read_text().strip()
            if int(thread) != os.getpid() and name not in HARMLESS_THREADS:
                found.append(name)
    return found


def _touched_devices() -> str:
    """A device that is open cannot be used in a child."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA was initialized"
    opened = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    for path in opened:
        with suppress(OSError):
            if os.readlink(path).startswith(("/dev/nvidia", "/dev/kfd", "/dev/dri")):
                return f"{os.readlink(path)} is open"
    return ""


def _children_alike(generators: Sequence[random.Random]) -> str:
    """Two children must differ in whatever is drawn, and end as processes do."""
    told = []
    for _ in range(2):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _draw(write, generators)
        os.close(write)
        with os.fdopen(read) as answer:
            text = answer.read()
        status = _ended(pid)
        if status != 0:
            return f"a child does not end as it should: status {status}"
        told.append(json.loads(text))
    alike = [name for name, value in told[0].items() if told[1][name] == value]
    return f"two children draw the same: {', '.join(alike)}" if alike else ""


def _draw(write: int, generators: Sequence[random.Random]) -> None:
    """Ends by the end of the interpreter, as every process does."""
    draw_anew(generators)
    drawn: dict[str, Any] = {
        "random": random.random(),
        "uuid": str(uuid.uuid4()),
        "name": tempfile.mktemp(),
        **{f"generator {number}": each.random() for number, each in enumerate(generators)},
    }
    numpy, torch = (sys.modules.get(name) for name in ("numpy", "torch"))
    if numpy is not None:
        drawn["numpy"] = numpy.random.random()
    if torch is not None:
        drawn["torch"] = torch.initial_seed()
    os.write(write, json.dumps(drawn).encode())
    os.close(write)
    sys.exit(0)


def _life_unheeded() -> str:
    """A child must end with its launcher, whatever it is doing."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        die_with(read)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.close(read)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    os.close(write)
    status = _ended(pid, 1.0)
    return "" if status == signal.SIGKILL else "the kernel does not end a child with its launcher"


def _ended(pid: int, limit_s: float = ENDS_S) -> int:
    """The status of a child, which is killed where it does not end."""
    handle = os.pidfd_open(pid)
    ready = select.poll()
    ready.register(handle, select.POLLIN)
    late = not ready.poll(limit_s * 1000)
    os.close(handle)
    if late:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return -1 if late else status
