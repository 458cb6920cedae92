"""What stands in the way of working with a cluster, and what is only to be known."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace

import pytest

from journeyman.attach.proof import MARK, SERVE_FLAGS, Node, Verdict, judge, read_output

WELL = Node(
    name="10.0.0.1-aaaa",
    python=platform.python_version(),
    packages={"ray": "2.60.0"},
    unmet=(),
    mlflow_trouble="",
    storage_trouble="",
    unseen=(),
    serve_flags=SERVE_FLAGS,
)


def judged(*nodes: Node) -> Verdict:
    return judge(nodes, "http://mlflow:5000", "s3://bucket/runs")


def test_nodes_that_are_well_leave_nothing_to_say() -> None:
    assert judged(WELL, replace(WELL, name="10.0.0.2-bbbb")) == Verdict(obstacles=[], notes=[])


@pytest.mark.parametrize(
    ("changed", "obstacle"),
    [
        ({"python": "3.9.18"}, "runs Python 3.9.18; Journeyman needs 3.11 or newer"),
        ({"python": "3.10.2"}, "runs Python 3.10.2; Journeyman needs 3.11 or newer"),
        (
            {"unmet": ("torch>=2.10 (2.9.0 is there)", "orjson>=3.10")},
            "lacks torch>=2.10 (2.9.0 is there), orjson>=3.10: install it there",
        ),
        (
            {"mlflow_trouble": "it does not let in nobody"},
            "does not reach MLflow at http://mlflow:5000: it does",
        ),
        ({"storage_trouble": "AccessDenied"}, "cannot write to s3://bucket/runs: AccessDenied"),
        ({"unseen": ("10.0.0.1-aaaa",)}, "does not see what 10.0.0.1-aaaa wrote to s3://bucket/runs"),
    ],
)
def test_what_stands_in_the_way_names_the_node(changed: dict[str, object], obstacle: str) -> None:
    [told] = judged(WELL, replace(WELL, name="10.0.0.2-bbbb", **changed)).obstacles  # type: ignore[arg-type]
    assert told.startswith(f"node 10.0.0.2-bbbb {obstacle}")


def test_another_python_and_a_slow_ingress_are_told_and_stand_in_nobodys_way() -> None:
    verdict = judged(replace(WELL, python="3.12.99", serve_flags=()))
    assert verdict.obstacles == []
    assert verdict.notes[0].startswith("the cluster runs Python 3.12.99, and this machine ")
    assert "RAY_SERVE_ENABLE_HA_PROXY=1 RAY_SERVE_THROUGHPUT_OPTIMIZED=1" in verdict.notes[1]


def test_output_is_read_from_among_what_ray_prints() -> None:
    output = f"a warning of Ray's\n{MARK}{json.dumps([asdict(WELL)])}\nanother\n"
    [node] = read_output(output) or []
    assert judged(node) == judged(WELL)
    assert read_output("ModuleNotFoundError: No module named 'httpx'\n") is None
