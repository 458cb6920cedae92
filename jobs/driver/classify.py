"""What ended an attempt, told from what its ranks and Ray say of it. Pure"""

from __future__ import annotations

import re
from collections.abc import Mapping

from journeyman.jobs.outcome import Cause, Outcome, RankError

# What a healthy rank raises when its peer's process is gone: it says nothing about this rank's code.
_COLLECTIVE_FAILED = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error\b|RuntimeError: .*(?:gloo/|NCCL|TCPStore))",
    re.MULTILINE,
)
_CONNECTION_LOST = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error|RuntimeError)\b.*"
    r"(?:Connection (?:was )?(?:closed|reset)|Socket closed|Broken pipe|ncclRemoteError"
    r"|remote (?:process|peer)|[Tt]imed? ?out)",
    re.MULTILINE,
)
_NUMBER = re.compile(r"\d+")


_MEMORY = re.compile(r"low on memory|NODE_OUT_OF_MEMORY")
_DEATHS = (
    (
        re.compile(r"health check has been hanging for ([\d.]+)"),
        "its process did not answer for {0:.0f} s: it was stopped, or something held its interpreter",
    ),
    (
        _MEMORY,
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


def ran_out_of_memory(told: str) -> bool:
    """Whether Ray ended the worker for want of memory."""
    return bool(_MEMORY.search(told))


def classify(errors: Mapping[int, RankError], workers: int | None = None) -> Outcome:
    """The outcome of an attempt whose ranks ended like this: the first cause, not the echoes of it.

    `workers` is how many ranks there were; None where that is not known.
    """
    taken = {rank: error for rank, error in errors.items() if error.cause is Cause.PREEMPTED}
    stopped = {rank: error for rank, error in errors.items() if error.cause is Cause.STOPPED}
    dead = {rank: error for rank, error in errors.items() if error.cause is Cause.MACHINE}
    living = {rank: error for rank, error in errors.items() if rank not in dead and rank not in taken}
    own = {rank: error for rank, error in living.items() if not _is_echo(error)}
    if not own and workers == len(living) and _all_alike(living):
        # Nobody is gone and nobody saw another go: it is the set-up that they have in common.
        own = living
    # What the others raise when a node is taken away, or when all are told to end, is of that.
    first = taken or stopped or own or dead or errors
    rank = _first_in_time(first)
    error = first[rank]
    return Outcome(
        cause=error.cause if taken or stopped or own else Cause.MACHINE,
        message=error.message,
        rank=rank,
        detail=error.detail,
        out_of_memory=any(each.out_of_memory for each in errors.values()),
    )


def _is_echo(error: RankError) -> bool:
    return any(
        pattern.search(text)
        for pattern in (_COLLECTIVE_FAILED, _CONNECTION_LOST)
        for text in (error.message, error.detail)
    )


def _all_alike(errors: Mapping[int, RankError]) -> bool:
    """Whether all say the same, numbers aside, and none of a connection that was lost."""
    lost = any(_CONNECTION_LOST.search(text) for e in errors.values() for text in (e.message, e.detail))
    return not lost and len({_NUMBER.sub("", error.message) for error in errors.values()}) == 1


def _first_in_time(errors: Mapping[int, RankError]) -> int:
    """The rank that failed first where one clock tells it, else the lowest."""
    raised = {rank: error.raised for rank, error in errors.items() if error.raised is not None}
    if len(raised) < len(errors) or len({each.node for each in raised.values()}) > 1:
        return min(errors)
    return min(raised, key=lambda rank: (raised[rank].time_s, rank))
