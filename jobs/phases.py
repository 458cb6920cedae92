"""The phases of a job, which follows which, and MLflow's status for each. Pure.

    queued ──► starting ──► running ◄──► hung
      │  ▲         │           │           │
      │  └─────────┴───────────┴───────────┤ (an attempt died and another is due)
      │                        └───────────┴──► finished, failed
      └──► cancelled ◄── cancelling ◄── (starting, running, hung)

The phase tag is the truth and control its only writer; MLflow's run status mirrors it.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    HUNG = "hung"
    """Its processes are there, and no step comes."""
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({Phase.FINISHED, Phase.FAILED, Phase.CANCELLED})

FOLLOWING: dict[Phase, frozenset[Phase]] = {
    Phase.QUEUED: frozenset({Phase.STARTING, Phase.FAILED, Phase.CANCELLED}),
    Phase.STARTING: frozenset(
        {Phase.RUNNING, Phase.QUEUED, Phase.CANCELLING, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED}
    ),
    Phase.RUNNING: frozenset(
        {Phase.HUNG, Phase.QUEUED, Phase.CANCELLING, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED}
    ),
    Phase.HUNG: frozenset(
        {Phase.RUNNING, Phase.QUEUED, Phase.CANCELLING, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED}
    ),
    # A job may end by itself before the order to stop reaches it: its true end stands.
    Phase.CANCELLING: frozenset({Phase.CANCELLED, Phase.FINISHED, Phase.FAILED}),
    Phase.FINISHED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.CANCELLED: frozenset(),
}

RUN_STATUS: dict[Phase, str] = {
    Phase.QUEUED: "SCHEDULED",
    Phase.STARTING: "SCHEDULED",
    Phase.RUNNING: "RUNNING",
    Phase.HUNG: "RUNNING",
    Phase.CANCELLING: "RUNNING",
    Phase.FINISHED: "FINISHED",
    Phase.FAILED: "FAILED",
    Phase.CANCELLED: "KILLED",
}


def may_follow(now: Phase, following: Phase) -> bool:
    return following in FOLLOWING[now]
