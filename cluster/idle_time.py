"""Runs a module as a program in time that nobody else wants: `-m journeyman.cluster.idle_time MODULE …`.

What it imports computes for seconds too, so the module itself would be too late to ask for that.
"""

from __future__ import annotations

import os
import runpy
import sys

from journeyman.cluster.processes import use_idle_time

_LOWEST = 19
"""Niceness, for systems that have no policy for idle time."""

if __name__ == "__main__":
    os.nice(_LOWEST)
    use_idle_time()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
