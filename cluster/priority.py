"""What a thread or a program gets of a machine's processors beside replicas that answer requests there.

As a program it runs a module in idle time: `python -m journeyman.cluster.priority MODULE ARGUMENTS…`. What a
module imports computes for seconds too, so the module itself would ask for that too late.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import threading

GIVES_WAY = 15
"""Niceness; Ray gives it to all of its workers, those that answer requests too."""
_LOWEST = 19
"""Niceness, where there is no policy for idle time."""


def give_way() -> None:
    """The calling thread, and what it starts, goes on beside those that answer requests, but slowly."""
    if sys.platform == "linux":
        # On Linux a priority is a thread's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVES_WAY)


def use_idle_time() -> None:
    """The calling thread, and what it starts, computes when nobody else on this machine wants to.

    Whatever its priority, a thread of the usual policy makes the processor it runs on a busy one, and who
    wakes up meanwhile is queued behind somebody else (benchmarks/idle_time.py). And the niceness of a session
    of its own, as Ray's jobs have, counts for nothing outside of it where Linux groups sessions.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, _LOWEST)
        # A sandbox such as gVisor knows no such policy, and nothing is to fail for want of it.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    os.nice(_LOWEST)
    use_idle_time()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
