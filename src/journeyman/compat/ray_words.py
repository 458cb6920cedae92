"""What Ray says of a worker that is gone, by which the cause of its end is recognised.

Tested with Ray 2.60. Where it says otherwise, its own words are shown, and the machine counts as the cause.
Nothing here imports Ray.
"""

from __future__ import annotations

import re

OUT_OF_MEMORY = re.compile(r"low on memory|NODE_OUT_OF_MEMORY")
DEATHS = (
    (
        re.compile(r"health check has been hanging for ([\d.]+)"),
        "its process did not answer for {0:.0f} s: it was stopped, or something held its interpreter",
    ),
    (
        OUT_OF_MEMORY,
        "its process was ended because its node ran out of memory",
    ),
    (
        re.compile(r"[Nn]ode.{0,40}(?:died|dead|terminated|preempted)|NODE_DIED|NODE_TERMINATED"),
        "its node is gone",
    ),
    (re.compile(r"exit(?:s|ed)? (?:with|by) exit code '?(\d+)"), "its process exited with code {0:.0f}"),
    (
        re.compile(r"connection error code 2|unexpectedly exits with a connection error"),
        "its process died without an error message: it was killed, as when memory runs out, or it crashed, "
        "as by SIGSEGV",
    ),
)
"""What it says and what that means; the first that fits."""
