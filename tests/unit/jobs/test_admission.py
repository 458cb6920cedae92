"""Admission: whole gangs, first in first out, and reasons that name what is in the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journeyman.cluster.capacity import (
    Capacity,
    Growth,
    Node,
    Occupant,
    fits_ever,
    fits_now,
    nodes_to_come,
)
from journeyman.jobs.admission import Candidate, Verdict, admit

ONE_CPU = {"CPU": 1.0}


def node(cpus: float, free: float | None = None) -> Node:
    return Node(total={"CPU": cpus}, free={"CPU": cpus if free is None else free})


def job(name: str, workers: int, cpus: float = 1) -> Candidate:
    return Candidate(run_id=f"{name}0000000", name=name, gang=[{"CPU": cpus}] * workers)


def test_gang_that_fits_starts_and_takes_what_it_needs_from_the_next() -> None:
    first, second = admit([job("a", 3), job("b", 2)], Capacity(nodes=(node(4),)))
    assert (first.verdict, second.verdict) == (Verdict.START, Verdict.WAIT)
    assert second.reason == "waits: needs 2 × 1 CPU, free are 1 CPU of 4 CPUs"


def test_small_job_does_not_overtake_one_that_waits() -> None:
    capacity = Capacity(nodes=(node(4, free=2),))
    first, second = admit([job("large", 4), job("small", 1)], capacity)
    assert (first.verdict, second.verdict) == (Verdict.WAIT, Verdict.WAIT)
    assert second.reason == "waits for its turn"


def test_gang_over_everything_can_never_run_and_holds_nobody_up() -> None:
    first, second = admit([job("huge", 9), job("small", 1)], Capacity(nodes=(node(8),)))
    assert first.verdict is Verdict.NEVER
    assert first.reason == "needs 9 × 1 CPU, and the cluster has 8 CPUs (largest node: 8 CPUs)"
    assert second.verdict is Verdict.START


def test_worker_larger_than_any_node_can_never_run_though_the_sum_would_do() -> None:
    [only] = admit([job("wide", 1, cpus=6)], Capacity(nodes=(node(4), node(4))))
    assert only.verdict is Verdict.NEVER


def test_gang_that_fits_after_growth_starts_to_make_the_cluster_grow() -> None:
    nodes = (node(2, free=0),)
    to_come = nodes_to_come([Growth(total={"CPU": 4}, nodes=2)], nodes)
    capacity = Capacity(nodes=nodes, to_come=to_come)
    first, second, third = admit([job("a", 6), job("b", 4), job("c", 11)], capacity)
    assert first.verdict is Verdict.START
    assert "once the cluster has grown" in first.reason
    # Of what is to come the first has taken its part, and no grown cluster holds the third.
    assert (second.verdict, third.verdict) == (Verdict.WAIT, Verdict.NEVER)


def test_nodes_that_the_autoscaler_has_started_are_not_to_come_again() -> None:
    head = Node(total={"CPU": 8.0}, free={}, head=True)
    growth = [Growth(total={"CPU": 8.0}, nodes=3)]
    with_gpu = Node(total={"CPU": 8.0, "GPU": 1.0}, free={})
    assert len(nodes_to_come(growth, [head, with_gpu, node(8), node(4)])) == 2
    assert len(nodes_to_come(growth, [head, *[node(8)] * 5])) == 0


def test_gang_beyond_everything_is_demand_where_an_autoscaler_may_know_better() -> None:
    capacity = Capacity(nodes=(node(2),), growth_unknown=True)
    queue = [job("first", 4), job("second", 1, cpus=3), job("small", 2)]
    first, second, small = admit(queue, capacity)
    assert (first.verdict, second.verdict, small.verdict) == (Verdict.GROW, Verdict.WAIT, Verdict.START)
    assert first.reason == "needs 4 × 1 CPU, and the cluster has 2 CPUs (largest node: 2 CPUs)"
    assert second.reason == (
        "waits: needs 1 × 3 CPUs, and the cluster has 2 CPUs (largest node: 2 CPUs); "
        "whether it grows is tried for job first (first000) first"
    )
    # One that is demand already comes before all of them.
    [waits] = admit([job("late", 4)], capacity, job("early", 8))
    assert (waits.verdict, waits.reason.endswith("tried for job early (early000) first")) == (
        Verdict.WAIT,
        True,
    )


def test_what_of_a_node_is_not_told_is_not_free() -> None:
    silent = Node(total={"CPU": 4.0}, free={}, known=False)
    [only] = admit([job("a", 2)], Capacity(nodes=(node(4, free=1), silent)))
    assert only.verdict is Verdict.WAIT
    assert only.reason == (
        "waits: needs 2 × 1 CPU, free are 1 CPU of 8 CPUs; Ray does not tell what is free on 1 of 2 nodes"
    )


def test_service_in_the_way_is_named_with_the_command_that_frees_it() -> None:
    occupant = Occupant(name="digits", replicas=3, held={"CPU": 3.0})
    capacity = Capacity(nodes=(node(4, free=1),), occupants=(occupant,))
    [only] = admit([job("a", 2)], capacity)
    assert only.verdict is Verdict.WAIT
    assert "service digits (3 replicas) holds 3 CPUs" in only.reason
    assert "`journeyman undeploy digits`" in only.reason


@given(
    sizes=st.lists(st.integers(1, 6), max_size=8),
    nodes=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), min_size=1, max_size=4),
)
def test_started_gangs_never_exceed_what_is_free(sizes: list[int], nodes: list[tuple[int, int]]) -> None:
    capacity = Capacity(nodes=tuple(node(total, min(total, free)) for total, free in nodes))
    queue = [job(f"j{i}", size) for i, size in enumerate(sizes)]
    admissions = admit(queue, capacity)
    started = sum(len(q.gang) for q, a in zip(queue, admissions, strict=True) if a.verdict is Verdict.START)
    assert [a.run_id for a in admissions] == [q.run_id for q in queue]
    assert started <= capacity.free()["CPU"]


@given(cpus=st.integers(1, 10), workers=st.integers(1, 10), total=st.integers(1, 10))
def test_what_fits_now_fits_ever(cpus: int, workers: int, total: int) -> None:
    capacity = Capacity(nodes=(node(total), node(total, free=total / 2)))
    gang = [{"CPU": float(cpus)}] * workers
    assert fits_ever(gang, capacity) or not fits_now(gang, capacity)
