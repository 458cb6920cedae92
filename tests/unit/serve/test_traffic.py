"""Counters of several replicas and nodes become what a minute of traffic was."""

from __future__ import annotations

import math

import pytest

from journeyman.serve.control.traffic import Counters, quantile, read_counters, traffic

LABELS = 'application="digits",deployment="model",replica="{replica}",route="{route}"'


ERRORS = "ray_serve_num_http_error_requests_total"


def exported(replica: str, route: str, within_1: int, within_10: int, total: int, errors: int = 0) -> str:
    labels = LABELS.format(replica=replica, route=route)
    name = "ray_serve_deployment_processing_latency_ms"
    return "\n".join(
        (
            f"# HELP {name} The latency for queries to be processed.",
            f"# TYPE {name} histogram",
            f'{name}_bucket{{{labels},le="1.0"}} {within_1}',
            f'{name}_bucket{{{labels},le="10.0"}} {within_10}',
            f'{name}_bucket{{{labels},le="+Inf"}} {total}',
            f"{name}_count{{{labels}}} {total}",
            f"{name}_sum{{{labels}}} 5.0",
            f'{ERRORS}{{application="digits",WorkerId="ingress",error_code="500"}} {errors}',
            f'{ERRORS}{{application="digits",WorkerId="ingress",error_code="400"}} 7',
            'ray_node_cpu_count{ip="127.0.0.1"} 8.0',
            "",
        )
    )


def test_counters_of_routes_and_nodes_add_up_by_replica() -> None:
    first = exported("a", "/x", 1, 2, 3) + exported("a", "/y", 1, 1, 1, errors=1)
    counters = read_counters([first, exported("b", "/x", 0, 0, 5)])["digits"]
    assert counters.requests == {"a": 4, "b": 5}
    assert counters.errors == {"ingress": 1}
    assert counters.buckets["a", 10.0] == 3
    assert counters.buckets["b", math.inf] == 5


def test_traffic_counts_what_came_since_and_new_replicas_whole() -> None:
    before = read_counters([exported("a", "/x", 10, 20, 20, errors=2), exported("gone", "/x", 9, 9, 9)])
    after = read_counters([exported("a", "/x", 60, 70, 70, errors=5), exported("new", "/x", 50, 50, 50)])
    seen = traffic(before["digits"], after["digits"], 60)
    assert seen.requests == 100
    assert seen.requests_per_s == pytest.approx(100 / 60)
    assert seen.errors == 3
    assert seen.p50_ms == pytest.approx(0.5)


def test_traffic_of_a_quiet_minute_has_no_latency() -> None:
    counters = read_counters([exported("a", "/x", 10, 20, 20)])["digits"]
    seen = traffic(counters, counters, 60)
    assert (seen.requests, seen.p50_ms, seen.p99_ms) == (0, None, None)
    assert traffic(Counters(), Counters(), 60).requests == 0


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, 0.5), (0.5, 1.0), (0.75, 5.5), (0.9, 9.1), (0.99, 10.0), (1.0, 10.0)]
)
def test_quantile_lies_on_a_line_within_its_bucket(share: float, expected: float) -> None:
    cumulative = {1.0: 50.0, 10.0: 95.0, math.inf: 100.0}
    # 0.75 of 100 is the 25th of the 45 between 1 and 10 ms.
    expected = 1 + 9 * (share * 100 - 50) / 45 if 0.5 < share <= 0.95 else expected
    assert quantile(cumulative, share) == pytest.approx(expected)


def test_quantile_of_nothing_is_none() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({1.0: 0.0, math.inf: 0.0}, 0.5) is None
