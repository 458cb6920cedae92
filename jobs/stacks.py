"""The Python stacks of a job's ranks, read by Ray on the node of each: what one that hangs waits for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from journeyman.cluster.ray_api import RayApi
from journeyman.errors import JourneymanError
from journeyman.jobs.place import Place

_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RankStack:
    """What the process of one rank does, or why that could not be seen."""

    rank: int
    pid: int
    ip: str
    node: str
    stack: str
    error: str
    """Empty where there is a stack."""

    @property
    def heading(self) -> str:
        return f"rank {self.rank}: process {self.pid} on {self.node} ({self.ip})"


def read_stacks(ray: RayApi, places: Sequence[Place]) -> list[RankStack]:
    """One for each place, in its order: a rank that cannot be looked into says why and keeps nobody else."""
    if not places:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(places)), thread_name_prefix="stack") as threads:
        return list(threads.map(lambda place: _read(ray, place), places))


def _read(ray: RayApi, place: Place) -> RankStack:
    stack = error = ""
    try:
        stack = ray.stack(place.node_id, place.pid).strip()
    except JourneymanError as told:
        error = f"{told.message}. {told.hint}".removesuffix(" ") if told.hint else told.message
    return RankStack(rank=place.rank, pid=place.pid, ip=place.ip, node=place.node, stack=stack, error=error)


def stacks_text(stacks: Sequence[RankStack]) -> str:
    """As a person reads them, one rank after the other."""
    return "\n\n".join(f"{each.heading}\n{each.stack or each.error}" for each in stacks) + "\n"
