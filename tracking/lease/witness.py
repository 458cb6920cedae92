"""Ray's own id of a cluster, kept beside the lease: whether a name of ours still means the same cluster.

Ray makes another id each time a head starts without a store of its own, so no record goes by it. But two
clusters behind one address, such as a forwarded port, have two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from journeyman.tracking.lease.claimant import is_gone, name_of
from journeyman.tracking.lease.terms import LEASE_S, Ledger, current, read_ledger, released
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import CLUSTER, CONTROL, KIND, RAY_CLUSTER, Run

ASK_S = 60.0
"""How often who is in control asks for the id: a head that was started anew has another."""
_POLL_S = 1.0


class Witness:
    """Writes the id down while this control is in control. One thread calls turn()."""

    def __init__(
        self, mlflow: MlflowApi, cluster_id: Callable[[], str | None], clock: Callable[[], float]
    ) -> None:
        self._mlflow = mlflow
        self._cluster_id = cluster_id
        self._clock = clock
        self._told: tuple[str, str] | None = None
        self._asked_s: float | None = None

    def turn(self, term: tuple[str, int] | None) -> None:
        """`term` is that of the lease. Raises what asking raises; then the next turn asks again."""
        if term is None:
            self._told, self._asked_s = None, None
            return
        if self._asked_s is not None and self._clock() - self._asked_s < ASK_S:
            return
        told = term[0], self._cluster_id() or ""
        if told != self._told:
            self._mlflow.set_tags(term[0], {RAY_CLUSTER: told[1]})
        self._told, self._asked_s = told, self._clock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is recorded of one cluster."""

    ledger: Ledger
    ray_cluster: str
    """Ray's id of it; empty where nobody wrote it down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SameAs:
    """The cluster has another name already."""

    cluster: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherCluster:
    """The name is that of a cluster with another id, unless its control is gone and its head began anew."""

    known: Known


def known_clusters(runs: Iterable[Run]) -> dict[str, Known]:
    """By their names, of the runs of controls."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.tags.get(CLUSTER, ""), []).append(run)
    known = {}
    for name, ledgers in by_name.items():
        ledger = current([read_ledger(run) for run in ledgers])
        if ledger is not None:
            [run] = [run for run in ledgers if run.run_id == ledger.run_id]
            known[name] = Known(ledger=ledger, ray_cluster=run.tags.get(RAY_CLUSTER, ""))
    return known


def judge_name(
    cluster: str, ray_cluster: str | None, known: Mapping[str, Known]
) -> SameAs | AnotherCluster | None:
    """What speaks against calling a cluster so; nothing where Ray does not tell its id."""
    if not ray_cluster:
        return None
    own = known.get(cluster)
    if own is not None and own.ray_cluster == ray_cluster:
        return None
    names = sorted(name for name, each in known.items() if each.ray_cluster == ray_cluster)
    if names:
        return SameAs(cluster=names[0])
    if own is not None and own.ray_cluster:
        return AnotherCluster(known=own)
    return None


def control_lives(
    mlflow: MlflowApi,
    cluster: str,
    seen: Ledger,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Whether somebody is in control of a cluster: seen by its beat, in at most LEASE_S."""
    began_s = clock()
    while True:
        if seen.term == 0 or seen.beat == released(seen.term) or is_gone(seen.holder):
            return False
        if clock() - began_s > LEASE_S:
            return False
        sleep(_POLL_S)
        now = known_clusters(control_runs_of_all(mlflow)).get(cluster)
        if now is not None and now.ledger.mark != seen.mark:
            # It said something, or another took over, or it let go.
            if now.ledger.beat != released(now.ledger.term):
                return True
            seen = now.ledger


def control_runs_of_all(mlflow: MlflowApi) -> list[Run]:
    """The ledgers of all clusters."""
    conditions = (f"tags.`{KIND}` = '{CONTROL}'", "attributes.status = 'RUNNING'")
    return mlflow.search_runs(mlflow.experiments(), " and ".join(conditions))


def holder_of(known: Known) -> str:
    """For people."""
    return name_of(known.ledger.holder)
