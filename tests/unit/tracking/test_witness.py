"""Whether a name of ours still means the same cluster: Ray's own id is a witness, and no more."""

from __future__ import annotations

import pytest

from journeyman.testing import FakeMlflow
from journeyman.tracking.lease.terms import LEASE_S, beat, released
from journeyman.tracking.lease.witness import (
    ASK_S,
    AnotherCluster,
    Known,
    SameAs,
    Witness,
    control_lives,
    control_runs_of_all,
    judge_name,
    known_clusters,
)
from journeyman.tracking.records import BEAT, CLUSTER, CONTROL, KIND, RAY_CLUSTER, TERM_PARAM

HOLDER = "control-elsewhere-7-1 boot/pid 7 1"


def ledger(mlflow: FakeMlflow, cluster: str, ray_cluster: str = "") -> str:
    """A control of the cluster, which holds its third term; the ledger's run."""
    tags = {KIND: CONTROL, CLUSTER: cluster, BEAT: beat(3, 1, 0)}
    if ray_cluster:
        tags[RAY_CLUSTER] = ray_cluster
    run = mlflow.create_run(mlflow.experiment_id("default"), "control", tags)
    assert mlflow.claim(run.run_id, f"{TERM_PARAM}.3", HOLDER)
    return run.run_id


def known(*clusters: tuple[str, str]) -> dict[str, Known]:
    mlflow = FakeMlflow(lambda: 0.0)
    for name, ray_cluster in clusters:
        ledger(mlflow, name, ray_cluster)
    return known_clusters(control_runs_of_all(mlflow))


def test_name_is_kept_where_nothing_speaks_against_it() -> None:
    there = known(("prod", "aa"), ("old", ""))
    assert judge_name("prod", "aa", there) is None
    assert judge_name("new", "bb", there) is None
    # Nobody wrote an id down, or Ray does not tell it.
    assert judge_name("old", "bb", there) is None
    assert judge_name("prod", None, there) is None


def test_cluster_that_has_a_name_is_offered_it() -> None:
    there = known(("prod", "aa"), ("test", "bb"))
    for name in ("new", "test"):
        assert judge_name(name, "aa", there) == SameAs(cluster="prod")


def test_name_of_a_cluster_with_another_id_is_another_cluster_or_a_head_started_anew() -> None:
    verdict = judge_name("prod", "cc", known(("prod", "aa")))
    assert isinstance(verdict, AnotherCluster)
    assert verdict.known.ray_cluster == "aa"


@pytest.mark.parametrize(
    ("said", "lives"), [(beat(3, 2, 0), True), (released(3), False), (beat(3, 1, 0), False)]
)
def test_control_lives_that_says_something_within_its_lease(said: str, lives: bool) -> None:
    mlflow = FakeMlflow(lambda: 0.0)
    run_id = ledger(mlflow, "prod", "aa")
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        if now_s > LEASE_S / 2:
            mlflow.set_tags(run_id, {BEAT: said})

    seen = known_clusters(control_runs_of_all(mlflow))["prod"].ledger
    assert control_lives(mlflow, "prod", seen, lambda: now_s, sleep) is lives
    assert now_s <= LEASE_S + 2


def test_id_is_written_down_by_who_is_in_control_and_asked_for_again() -> None:
    mlflow = FakeMlflow(lambda: 0.0)
    run_id = ledger(mlflow, "prod")
    ids: list[str | None] = []
    now_s = 0.0

    def ask() -> str | None:
        ids.append(["aa", "bb", None][len(ids)])
        return ids[-1]

    witness = Witness(mlflow, ask, lambda: now_s)
    witness.turn(None)
    assert ids == []
    for asked, told in ((1, "aa"), (2, "bb"), (3, "")):
        for _ in range(3):
            witness.turn((run_id, 3))
        assert len(ids) == asked
        assert mlflow.run(run_id).tags[RAY_CLUSTER] == told
        now_s += ASK_S
