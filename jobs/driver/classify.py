"""What ended an attempt, told from what its ranks and Ray say of it. Pure"""

from __future__ import annotations

import re
from collections.abc import Mapping

from journeyman.compat.ray_words import DEATHS, OUT_OF_MEMORY
from journeyman.compat.torch_words import COLLECTIVE_FAILED, CONNECTION_LOST
from journeyman.jobs.outcome import Cause, Outcome, RankError

_NUMBER = re.compile(r"\d+")


def death_of_worker(told: str) -> str:
    """What Ray tells of a worker's death, in one line; empty where it says nothing known."""
    for pattern, meaning in DEATHS:
        if found := pattern.search(told):
            return meaning.format(*(float(number) for number in found.groups()))
    return ""


def ran_out_of_memory(told: str) -> bool:
    """Whether Ray ended the worker for want of memory."""
    return bool(OUT_OF_MEMORY.search(told))


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
        for pattern in (COLLECTIVE_FAILED, CONNECTION_LOST)
        for text in (error.message, error.detail)
    )


def _all_alike(errors: Mapping[int, RankError]) -> bool:
    """Whether all say the same, numbers aside, and none of a connection that was lost."""
    lost = any(CONNECTION_LOST.search(text) for e in errors.values() for text in (e.message, e.detail))
    return not lost and len({_NUMBER.sub("", error.message) for error in errors.values()}) == 1


def _first_in_time(errors: Mapping[int, RankError]) -> int:
    """The rank that failed first where one clock tells it, else the lowest."""
    raised = {rank: error.raised for rank, error in errors.items() if error.raised is not None}
    if len(raised) < len(errors) or len({each.node for each in raised.values()}) > 1:
        return min(errors)
    return min(raised, key=lambda rank: (raised[rank].time_s, rank))
