"""What Ray tells of its jobs and of Serve: data alone, without how it is asked"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RayJob:
    """What Ray Jobs knows of one submission."""

    submission_id: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    message: str
    exit_code: int | None

    @property
    def ended(self) -> bool:
        return self.status in ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica of a service as Serve's controller tells it."""

    replica_id: str
    state: str
    node_ip: str
    """Empty until it has a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Serve application: a service of ours."""

    name: str
    status: str
    """NOT_STARTED, DEPLOYING, DEPLOY_FAILED, RUNNING, UNHEALTHY or DELETING."""
    message: str
    """Serve's own, and those of its deployments, which tell the cause."""
    replicas: tuple[Replica, ...]
    target_replicas: int
    held: Mapping[str, float]
    config: Mapping[str, Any]
    """As it was PUT; empty where Serve keeps none."""
    route_prefix: str
    """Empty until it is built."""
    declared: bool
    """Whether it came by a config; a program deployed it otherwise, and no config ends it."""
