"""What the cluster has, what is free, what it may grow by, and whether a gang fits. Pure.

A gang is all or nothing: one bundle of resources per worker, each bundle on one node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

Amounts = Mapping[str, float]
"""Ray's name of a resource (`CPU`, `GPU`, `memory` in bytes) to how much of it."""

USEFUL = ("CPU", "GPU", "memory")
ACCELERATOR = "accelerator_type:"
"""What the name of the resource begins with that Ray gives to nodes of one accelerator."""
_COUNTED = ("CPU", "GPU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the cluster, in Ray's terms."""

    total: Amounts
    free: Amounts
    """Empty where Ray does not tell: what is unknown is not free."""
    known: bool = True
    """Whether Ray tells what of it is free."""
    head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Nodes of one shape that the autoscaler starts and ends."""

    total: Amounts
    nodes: int
    """How many there may be at once, beside the head; those that run already are among them."""

    def __str__(self) -> str:
        return f"up to {self.nodes} × {describe(self.total)}"


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
    to_come: tuple[Node, ...] = ()
    """Nodes that the autoscaler may still add."""
    growth_unknown: bool = False
    """Whether an autoscaler runs of which nobody said what it may add."""
    occupants: tuple[Occupant, ...] = ()

    def totals(self) -> dict[str, float]:
        return _sums([node.total for node in self.nodes])

    def free(self) -> dict[str, float]:
        return _sums([node.free for node in self.nodes])

    def after(self, gang: Sequence[Amounts]) -> Capacity:
        """The capacity once this gang has what it can get of what is free, and of what is to come."""
        every = (*self.nodes, *self.to_come)
        free = [dict(node.free) for node in every]
        _place(gang, free)
        left = tuple(replace(node, free=amounts) for node, amounts in zip(every, free, strict=True))
        return replace(self, nodes=left[: len(self.nodes)], to_come=left[len(self.nodes) :])


def describe(amounts: Amounts) -> str:
    """`2 CPUs and 1 GPU`, for reasons that people read."""
    parts = []
    for key, amount in amounts.items():
        if key == "memory":
            parts.append(f"{amount / 1024**3:.1f} GiB of memory")
        elif key.startswith(ACCELERATOR):
            parts.append(f"{'an' if amount else 'no'} accelerator {key.partition(':')[2]}")
        else:
            parts.append(f"{amount:g} {key}" + ("s" if amount != 1 and key in _COUNTED else ""))
    return " and ".join(parts) or "nothing"


def fits_now(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    return _place(gang, [dict(node.free) for node in capacity.nodes])


def fits_after_growth(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether what is free together with what the autoscaler may add is enough."""
    return _place(gang, [dict(node.free) for node in (*capacity.nodes, *capacity.to_come)])


def fits_nodes(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether the nodes there are would be enough if they were empty."""
    return _place(gang, [dict(node.total) for node in capacity.nodes])


def fits_ever(gang: Sequence[Amounts], capacity: Capacity) -> bool:
    """Whether an empty cluster, grown as far as it may, is enough."""
    return _place(gang, [dict(node.total) for node in (*capacity.nodes, *capacity.to_come)])


def nodes_to_come(growth: Sequence[Growth], nodes: Sequence[Node]) -> tuple[Node, ...]:
    """What the autoscaler may add to the nodes there are."""
    to_come: list[Node] = []
    for each in growth:
        started = sum(not node.head and _has_shape(node, each.total) for node in nodes)
        to_come += [Node(total=each.total, free=each.total)] * max(0, each.nodes - started)
    return tuple(to_come)


def _has_shape(node: Node, total: Amounts) -> bool:
    """Whether a node is one of those; a shape without GPUs is not that of a node with some."""
    # Of its memory a node keeps some for itself, and says less than what it was ordered with.
    counted = {*_COUNTED, *total} - {"memory"}
    return all(node.total.get(key, 0) == total.get(key, 0) for key in counted)


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
