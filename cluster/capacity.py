"""What the cluster has, what is free, what it may grow by, and whether a gang fits. Pure.

A gang is all or nothing: one bundle of resources per worker, each bundle on one node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Amounts = Mapping[str, float]
"""Ray's name of a resource (`CPU`, `GPU`, `memory` in bytes) to how much of it."""

_COUNTED = ("CPU", "GPU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the cluster, in Ray's terms."""

    total: Amounts
    free: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Machines of one shape that the autoscaler may add."""

    total: Amounts
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """A service that holds resources now."""

    name: str
    replicas: int
    held: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A snapshot of the cluster."""

    nodes: tuple[Node, ...]
    growth: tuple[Growth, ...] = ()
    occupants: tuple[Occupant, ...] = ()

    def totals(self) -> dict[str, float]:
        return _sums([node.total for node in self.nodes])

    def free(self) -> dict[str, float]:
        return _sums([node.free for node in self.nodes])

    def after(self, gang: Sequence[Amounts]) -> Capacity:
        """The capacity once this gang has what it can get of what is free."""
        free = [dict(node.free) for node in self.nodes]
        _place(gang, free)
        nodes = tuple(Node(total=n.total, free=f) for n, f in zip(self.nodes, free, strict=True))
        return Capacity(nodes=nodes, growth=self.growth, occupants=self.occupants)


def describe(amounts: Amounts) -> str:
    """`2 CPUs and 1 GPU`, for reasons that people read."""
    parts = []
    for key, amount in amounts.items():
        if key == "memory":
            parts.append(f"{amount / 1024**3:.1f} GiB of memory")
        elif key.startswith("accelerator_type:"):
            parts.append(f"{'an' if amount else 'no'} accelerator {key.partition(':')[2]}")
        else:
            parts.append(f"{amount:g} {key}" + ("s" if amount != 1 and key in _COUNTED else ""))
    return " and ".join(parts) or "nothing"


def fits_now(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    return _place(gang, [dict(node.free) for node in capacity.nodes])


def fits_after_growth(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether what is free together with what the autoscaler may add is enough."""
    return _place(gang, [dict(node.free) for node in capacity.nodes] + _grown(capacity))


def fits_ever(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether an empty cluster, grown as far as it may, is enough."""
    return _place(gang, [dict(node.total) for node in capacity.nodes] + _grown(capacity))


def _grown(capacity: Capacity) -> list[dict[str, float]]:
    return [dict(growth.total) for growth in capacity.growth for _ in range(growth.nodes)]


def _place(gang: Sequence[Amounts], free: list[dict[str, float]]) -> bool:
    """Take each bundle out of the first node that holds it; the bundles of a gang are alike, so the
    first fit is also the best."""
    placed = True
    for bundle in gang:
        for node in free:
            if all(node.get(key, 0) + 1e-9 >= amount for key, amount in bundle.items()):
                for key, amount in bundle.items():
                    node[key] = node[key] - amount
                break
        else:
            placed = False
    return placed


def _sums(amounts: Sequence[Amounts]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for each in amounts:
        for key, amount in each.items():
            sums[key] = sums.get(key, 0) + amount
    return sums
