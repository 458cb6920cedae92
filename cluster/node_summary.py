"""What Ray's dashboard tells of nodes at `/nodes?view=summary`, read into nodes. Pure.

What of a node is in use is told in words, the same for both of Ray's autoscalers:

    3.25/8.0 CPU (2.0 used of 2.5 reserved in placement groups)
    4.00GiB/15.14GiB memory

The first number counts of a placement group what runs in it, and not what it keeps reserved.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from journeyman.cluster.capacity import ACCELERATOR, USEFUL, Node

_UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_LETTERS = "BKMGTi"
_NUMBER = r"-?[0-9.]+(?:e[-+]?[0-9]+)?(?:[KMGT]iB|B)?"
_LINE = re.compile(
    rf"(?P<used>{_NUMBER})/(?P<total>{_NUMBER}) (?P<name>.+?)"
    rf"(?: \((?P<running>{_NUMBER}) used of (?P<reserved>{_NUMBER}) reserved in placement groups\))?"
)
_ACCELERATOR_LABEL = "ray.io/accelerator-type"


def living_nodes(data: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    """The nodes that are alive, by their addresses; `data` is what the dashboard answers with.

    A figure that is missing or cannot be read is unknown, and of what is unknown nothing is free.
    """
    figures: Mapping[str, str] = data.get("nodeLogicalResources") or {}
    alive = _alive(data)
    addresses = Counter(raylet["nodeManagerAddress"] for raylet in alive)
    for raylet in alive:
        address = raylet["nodeManagerAddress"]
        # The older autoscaler tells nodes apart by their addresses where it starts them itself.
        by_address = figures.get(address, "") if addresses[address] == 1 else ""
        yield address, _node(raylet, figures.get(raylet["nodeId"]) or by_address)


def launched_by_autoscaler(data: Mapping[str, Any]) -> bool:
    """Whether a node that is alive names its type or instance, as those do that an autoscaler starts."""
    return any(raylet.get("nodeTypeName") or raylet.get("instanceId") for raylet in _alive(data))


def scaled_by_monitor(data: Mapping[str, Any]) -> bool:
    """Whether Ray's older autoscaler has types of nodes to start; `data` is of `/api/cluster_status`.

    Without a config it only watches, and gives each node a type of its own.
    """
    report: Mapping[str, Any] = (data.get("clusterStatus") or {}).get("autoscalerReport") or {}
    types: Mapping[str, str] = report.get("nodeTypeMapping") or {}
    return any(name != f"node_{node}" for node, name in types.items())


def taken_amounts(text: str) -> dict[str, tuple[float, float]]:
    """What of each resource is taken, and how much there is; lines of another form are left out."""
    amounts = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            used = _amount(match["used"])
            if match["reserved"] is not None:
                used += _amount(match["reserved"]) - _amount(match["running"])
            amounts[match["name"]] = (max(0.0, used), _amount(match["total"]))
    return amounts


def _alive(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    raylets = [summary.get("raylet") or {} for summary in data["summary"]]
    return [raylet for raylet in raylets if raylet.get("state") == "ALIVE"]


def _node(raylet: Mapping[str, Any], figures: str) -> Node:
    # To the byte, where the words are rounded. Of other resources the dashboard changes the names.
    told: Mapping[str, float] = raylet.get("resourcesTotal") or {}
    total = {name: float(told[name]) for name in USEFUL if name in told}
    taken = taken_amounts(figures)
    if figures:
        total |= {name: there for name, (_, there) in taken.items() if name.startswith(ACCELERATOR)}
    elif accelerator := (raylet.get("labels") or {}).get(_ACCELERATOR_LABEL):
        total[f"{ACCELERATOR}{accelerator}"] = 1.0
    free = {name: max(0.0, amount - taken.get(name, (amount, amount))[0]) for name, amount in total.items()}
    known = bool(figures)
    head = bool(raylet.get("isHeadNode"))
    return Node(total=total, free=free if known else {}, known=known, head=head)


def _amount(text: str) -> float:
    digits = text.rstrip(_LETTERS)
    return float(digits) * _UNITS[text[len(digits) :]]
