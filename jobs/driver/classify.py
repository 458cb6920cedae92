"""What ended an attempt, told from what its ranks and Ray say of it. Pure"""

from __future__ import annotations

import re
from collections.abc import Mapping

from journeyman.jobs.outcome import Cause, Outcome, RankError

# What a healthy rank raises when its peer's process is gone: it says nothing about this rank's code.
_PEER_GONE = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error\b|RuntimeError: .*"
    r"(?:gloo/|NCCL|TCPStore|Connection (?:closed|reset) by peer|Socket closed|Broken pipe))",
    re.MULTILINE,
)


_DEATHS = (
    (
        re.compile(r"health check has been hanging for ([\d.]+)"),
        "its process did not answer for {0:.0f} s: it was stopped, or something held its interpreter",
    ),
    (
        re.compile(r"low on memory|NODE_OUT_OF_MEMORY"),
        "its process was ended because its node ran out of memory",
    ),
    (
        re.compile(r"[Nn]ode.{0,40}(?:died|dead|terminated|preempted)|NODE_DIED|NODE_TERMINATED"),
        "its node is gone",
    ),
    (re.compile(r"exit(?:s|ed)? (?:with|by) exit code '?(\d+)"), "its process exited with code {0:.0f}"),
    (
        re.compile(r"connection error code 2|unexpectedly exits with a connection error"),
        "its process died without a word: killed, as when memory runs out, or crashed, as by SIGSEGV",
    ),
)
"""What Ray says of a worker that is gone, and what that means; the first that fits."""


def death_of_worker(told: str) -> str:
    """What Ray tells of a worker's death, in one line; empty where it says nothing known."""
    for pattern, meaning in _DEATHS:
        if found := pattern.search(told):
            return meaning.format(*(float(number) for number in found.groups()))
    return ""


def classify(errors: Mapping[int, RankError]) -> Outcome:
    """The outcome of an attempt whose ranks ended like this: the first cause, not the echoes of it."""
    dead = {rank: error for rank, error in errors.items() if error.cause is Cause.MACHINE}
    own = {rank: e for rank, e in errors.items() if rank not in dead and not _is_echo(e)}
    rank, first = min((own or dead or errors).items())
    cause = first.cause if own else Cause.MACHINE
    return Outcome(cause=cause, message=first.message, rank=rank, detail=first.detail)


def _is_echo(error: RankError) -> bool:
    return bool(_PEER_GONE.search(error.message) or _PEER_GONE.search(error.detail))
