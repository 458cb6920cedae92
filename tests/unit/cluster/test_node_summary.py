"""What Ray tells of nodes: the same figures from both autoscalers, and nothing is free unless it says so."""

from __future__ import annotations

from typing import Any

import pytest

from journeyman.cluster.capacity import Node
from journeyman.cluster.node_summary import (
    launched_by_autoscaler,
    living_nodes,
    scaled_by_monitor,
    taken_amounts,
)

from ...records.golden import read_golden

GIB = 1024.0**3


def summary(number: int, state: str = "ALIVE", **more: Any) -> dict[str, Any]:
    raylet = {
        "nodeId": f"{number:056x}",
        "nodeManagerAddress": f"10.0.0.{number}",
        "state": state,
        "resourcesTotal": {"CPU": 8.0, "GPU": 2.0, "memory": 16 * GIB, "acceleratorType:Tpu-V6E": 1.0},
        "isHeadNode": number == 1,
        "nodeTypeName": "",
        "instanceId": "",
        "labels": {},
    }
    return {"ip": raylet["nodeManagerAddress"], "raylet": raylet | more}


def told(*summaries: dict[str, Any], **figures: str) -> dict[str, Any]:
    return {"summary": list(summaries), "nodeLogicalResources": figures}


def only(data: dict[str, Any]) -> Node:
    [(_, node)] = living_nodes(data)
    return node


def test_recorded_nodes_are_read() -> None:
    [(address, node)] = living_nodes(read_golden("1").ray["/nodes"]["data"])
    assert (address, node.known, node.head) == ("127.0.0.1", True, True)
    assert node.total == {"CPU": 8.0, "memory": 16258816000.0}
    assert node.free == {"CPU": 4.75, "memory": 16258816000.0}


def test_node_without_figures_has_nothing_free() -> None:
    """As where Ray's older autoscaler does not run: nobody writes any."""
    data = dict(read_golden("1").ray["/nodes"]["data"])
    for figures in ({}, None, {"f" * 56: "0.0/8.0 CPU"}):
        node = only(data | {"nodeLogicalResources": figures})
        assert (node.total["CPU"], node.free, node.known) == (8.0, {}, False)
    del data["nodeLogicalResources"]
    assert not only(data).known


def test_resource_whose_figure_cannot_be_read_is_not_free() -> None:
    node = only(told(summary(1), **{f"{1:056x}": "many/8.0 CPU\n0.5/2.0 GPU"}))
    assert (node.known, node.free) == (True, {"CPU": 0.0, "GPU": 1.5, "memory": 0.0})


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("3.25/8.0 CPU (2.0 used of 2.5 reserved in placement groups)", {"CPU": (3.75, 8.0)}),
        ("0.0/8.0 CPU (0.0 used of 6.0 reserved in placement groups)", {"CPU": (6.0, 8.0)}),
        ("1e-05/8.0 CPU\n-2.5e-16/1.0 GPU", {"CPU": (1e-05, 8.0), "GPU": (0.0, 1.0)}),
        ("4.00GiB/15.50GiB memory", {"memory": (4 * GIB, 15.5 * GIB)}),
        (
            "1.00GiB/16.00GiB memory (512.00MiB used of 2.00GiB reserved in placement groups)",
            {"memory": (2.5 * GIB, 16 * GIB)},
        ),
        ("0B/1.00TiB memory", {"memory": (0.0, 1024 * GIB)}),
        ("0.0/1.0 accelerator_type:TPU-V6E", {"accelerator_type:TPU-V6E": (0.0, 1.0)}),
        ("1.0/2.0 my own thing\n0/1 x", {"my own thing": (1.0, 2.0), "x": (0.0, 1.0)}),
        ("no figures", {}),
        ("", {}),
    ],
)
def test_what_is_taken_is_what_runs_and_what_is_reserved(
    text: str, taken: dict[str, tuple[float, float]]
) -> None:
    assert taken_amounts(text) == taken


def test_dead_nodes_are_left_out_and_all_others_told() -> None:
    every = [summary(number, "DEAD" if number % 2 else "ALIVE") for number in range(2, 252)]
    nodes = dict(living_nodes(told(*every, {"ip": "10.0.1.1"})))
    assert list(nodes) == [f"10.0.0.{number}" for number in range(2, 252, 2)]


def test_accelerator_has_its_own_name_and_not_that_of_the_dashboard() -> None:
    figures = "0.0/1.0 accelerator_type:TPU-V6E\n1.0/8.0 CPU\n0.0/2.0 GPU\n0B/16.00GiB memory"
    node = only(told(summary(1), **{f"{1:056x}": figures}))
    assert node.total["accelerator_type:TPU-V6E"] == node.free["accelerator_type:TPU-V6E"] == 1.0
    silent = only(told(summary(1, labels={"ray.io/accelerator-type": "TPU-V6E"})))
    assert silent.total["accelerator_type:TPU-V6E"] == 1.0
    assert all("Tpu" not in name for name in (*node.total, *silent.total))


def test_older_autoscaler_tells_of_nodes_by_address_where_an_address_is_of_one_node() -> None:
    nodes = dict(living_nodes(told(summary(1), summary(2), **{"10.0.0.1": "3.0/8.0 CPU"})))
    assert (nodes["10.0.0.1"].free["CPU"], nodes["10.0.0.2"].known) == (5.0, False)
    shared = summary(2, nodeManagerAddress="10.0.0.1")
    two = list(living_nodes(told(summary(1), shared, **{"10.0.0.1": "3.0/8.0 CPU"})))
    assert [node.known for _, node in two] == [False, False]


def test_autoscaler_shows_in_what_its_nodes_and_its_report_say() -> None:
    assert not launched_by_autoscaler(told(summary(1)))
    assert not launched_by_autoscaler(told(summary(1), summary(2, "DEAD", nodeTypeName="worker")))
    assert launched_by_autoscaler(told(summary(1, instanceId="i-0a1b")))
    assert launched_by_autoscaler(told(summary(1), summary(2, nodeTypeName="worker")))
    # Without a config it gives each node a type of its own; without one that runs there is no report.
    assert not scaled_by_monitor(read_golden("1").ray["/api/cluster_status"]["data"])
    assert not scaled_by_monitor({"clusterStatus": None})
    for node in ("10.0.0.1", "f" * 56):
        report = {"nodeTypeMapping": {node: "ray.head.default"}}
        assert scaled_by_monitor({"clusterStatus": {"autoscalerReport": report}})
