"""The phases of a service, and MLflow's status for each. Pure.

    deploying ──► healthy ◄──► swapping        (another version is on its way)
        │            ▲ │
        ▼            │ ▼
      unhealthy ◄────┘
    each of them ──► undeploying ──► undeployed

The phase tag is the truth and control its only writer; MLflow's run status mirrors it.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a service is in its life."""

    DEPLOYING = "deploying"
    HEALTHY = "healthy"
    SWAPPING = "swapping"
    UNHEALTHY = "unhealthy"
    UNDEPLOYING = "undeploying"
    UNDEPLOYED = "undeployed"


RUN_STATUS: dict[Phase, str] = {
    Phase.DEPLOYING: "RUNNING",
    Phase.HEALTHY: "RUNNING",
    Phase.SWAPPING: "RUNNING",
    Phase.UNHEALTHY: "RUNNING",
    Phase.UNDEPLOYING: "RUNNING",
    Phase.UNDEPLOYED: "FINISHED",
}
