"""Which queued job starts now, and why the others wait. Pure.

First in, first out, whole gangs. A gang that fits now starts. One that fits only after the cluster has grown
starts too: its pending placement group is the demand that makes the cluster grow. One that an empty, fully
grown cluster could not hold can never run.

Where an autoscaler runs and nobody said what it may add, such a gang may fit after all: it starts as demand,
one gang at a time and for a limited time, and holds up nobody that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from journeyman.cluster.capacity import (
    Amounts,
    Capacity,
    Occupant,
    describe,
    fits_after_growth,
    fits_ever,
    fits_nodes,
    fits_now,
)


class Verdict(StrEnum):
    """What becomes of a queued job now."""

    START = "start"
    WAIT = "wait"
    NEVER = "never"
    GROW = "grow"
    """It fits nothing that is known of, and starts to see whether the cluster grows for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A queued job as admission sees it."""

    run_id: str
    name: str
    gang: Sequence[Amounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A verdict on one job, with the reason that a person reads."""

    run_id: str
    verdict: Verdict
    reason: str


TURN = "waits for its turn"
"""The reason of all that wait behind one that has no room yet. Whoever reads it looks for that one: were it
named, each of a thousand records would be written anew whenever another takes its place."""
_NEEDS, _FREE = "waits: needs ", ", free are "
ROOM_LIKE = f"{_NEEDS}%{_FREE}%"
"""The reason of that one, as a filter of MLflow's tells it."""
GROWTH_LIMIT_S = 15 * 60.0
"""How long a gang that fits nothing that is known of is demand at most."""


def admit(
    queue: Sequence[Candidate], capacity: Capacity, growing: Candidate | None = None
) -> list[Admission]:
    """One verdict per queued job, oldest first; `growing` is the job that is demand already."""
    admissions: list[Admission] = []
    waiting = False
    for job in queue:
        if not fits_ever(job.gang, capacity):
            verdict, reason = _beyond(job, capacity, growing)
            growing = job if verdict is Verdict.GROW else growing
            admissions.append(Admission(run_id=job.run_id, verdict=verdict, reason=reason))
            continue
        if waiting:
            verdict, reason = Verdict.WAIT, TURN
        elif fits_now(job.gang, capacity):
            verdict, reason = Verdict.START, f"starts: {_gang(job)} are free"
        elif fits_after_growth(job.gang, capacity):
            verdict, reason = Verdict.START, f"starts: {_gang(job)} will be there once the cluster has grown"
        else:
            verdict, reason = Verdict.WAIT, _wait(job, capacity)
        waiting = waiting or verdict is Verdict.WAIT
        if verdict is Verdict.START:
            capacity = capacity.after(job.gang)
        admissions.append(Admission(run_id=job.run_id, verdict=verdict, reason=reason))
    return admissions


def waits_for_room(reason: str) -> bool:
    """Whether it is that of the job which all others wait behind."""
    return reason.startswith(_NEEDS) and _FREE in reason


def behind(name: str, run_id: str) -> str:
    """What a person reads instead of TURN, of the job that waits for room."""
    return f"waits behind job {name} ({run_id[:8]})"


def is_demand(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether a gang that starts waits for nodes of which nobody said that they would come."""
    return capacity.growth_unknown and not fits_nodes(gang, capacity)


def _beyond(job: Candidate, capacity: Capacity, growing: Candidate | None) -> tuple[Verdict, str]:
    """Of a gang that the cluster could not hold, as far as is known."""
    lacks = _never(job, capacity)
    if not capacity.growth_unknown:
        return Verdict.NEVER, lacks
    if growing is not None:
        first = f"{growing.name} ({growing.run_id[:8]})"
        return Verdict.WAIT, f"waits: {lacks}; whether it grows is tried for job {first} first"
    return Verdict.GROW, lacks


def _gang(job: Candidate) -> str:
    return f"{len(job.gang)} × {describe(job.gang[0])}"


def _never(job: Candidate, capacity: Capacity) -> str:
    totals: list[Amounts] = [node.total for node in (*capacity.nodes, *capacity.to_come)]
    largest = max(totals, key=lambda total: total.get("CPU", 0), default={})
    shown = {key: amount for key, amount in largest.items() if key in job.gang[0]}
    return (
        f"needs {_gang(job)}, and the cluster has {describe(_shown(capacity, job))}"
        f" (largest node: {describe(shown)})"
    )


def _wait(job: Candidate, capacity: Capacity) -> str:
    free = {key: capacity.free().get(key, 0) for key in job.gang[0]}
    reason = f"{_NEEDS}{_gang(job)}{_FREE}{describe(free)} of {describe(_shown(capacity, job))}"
    if silent := sum(not node.known for node in capacity.nodes):
        reason += f"; Ray does not tell what is free on {silent} of {len(capacity.nodes)} nodes"
    blockers = [o for o in capacity.occupants if any(o.held.get(key) for key in job.gang[0])]
    for occupant in sorted(blockers, key=lambda o: -sum(o.held.values())):
        reason += f"; {_holds(occupant)}"
    return reason


def _holds(occupant: Occupant) -> str:
    replicas = f"{occupant.replicas} replica" + ("s" if occupant.replicas != 1 else "")
    return (
        f"service {occupant.name} ({replicas}) holds {describe(occupant.held)},"
        f" `journeyman undeploy {occupant.name}` frees them"
    )


def _shown(capacity: Capacity, job: Candidate) -> dict[str, float]:
    totals = capacity.totals()
    return {key: totals.get(key, 0) for key in job.gang[0]}
