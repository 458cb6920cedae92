"""Which queued job starts now, and why the others wait. Pure.

First in, first out, whole gangs. A gang that fits now starts. One that fits only after the cluster has grown
starts too: its pending placement group is the demand that makes the cluster grow. One that an empty, fully
grown cluster could not hold can never run.
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
    fits_now,
)


class Verdict(StrEnum):
    """What becomes of a queued job now."""

    START = "start"
    WAIT = "wait"
    NEVER = "never"


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


def admit(queue: Sequence[Candidate], capacity: Capacity) -> list[Admission]:
    """One verdict per queued job, oldest first."""
    admissions: list[Admission] = []
    waiting: Candidate | None = None
    for job in queue:
        if not fits_ever(job.gang, capacity):
            verdict, reason = Verdict.NEVER, _never(job, capacity)
        elif waiting is not None:
            verdict, reason = Verdict.WAIT, f"waits behind job {waiting.name} ({waiting.run_id[:8]})"
        elif fits_now(job.gang, capacity):
            verdict, reason = Verdict.START, f"starts: {_gang(job)} are free"
        elif fits_after_growth(job.gang, capacity):
            verdict, reason = Verdict.START, f"starts: {_gang(job)} will be there once the cluster has grown"
        else:
            verdict, reason = Verdict.WAIT, _wait(job, capacity)
        if verdict is Verdict.WAIT and waiting is None:
            waiting = job
        if verdict is Verdict.START:
            capacity = capacity.after(job.gang)
        admissions.append(Admission(run_id=job.run_id, verdict=verdict, reason=reason))
    return admissions


def _gang(job: Candidate) -> str:
    return f"{len(job.gang)} × {describe(job.gang[0])}"


def _never(job: Candidate, capacity: Capacity) -> str:
    totals: list[Amounts] = [node.total for node in capacity.nodes]
    totals += [growth.total for growth in capacity.growth]
    largest = max(totals, key=lambda total: total.get("CPU", 0), default={})
    shown = {key: amount for key, amount in largest.items() if key in job.gang[0]}
    return (
        f"needs {_gang(job)}, and the cluster has {describe(_shown(capacity, job))}"
        f" (largest node: {describe(shown)})"
    )


def _wait(job: Candidate, capacity: Capacity) -> str:
    free = {key: capacity.free().get(key, 0) for key in job.gang[0]}
    reason = f"waits: needs {_gang(job)}, free are {describe(free)} of {describe(_shown(capacity, job))}"
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
