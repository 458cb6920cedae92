"""The runs of one kind that have not ended, without reading all of them each turn.

What others may change of a run that control has read is found by filters, and by the ids of the runs that
are on their way. All are listed at first and each minute: what no filter covers, such as a tag that was
changed by hand or a run that was deleted, is seen then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import CLUSTER, KIND, Run

LISTED_EVERY_S = 60.0
IDS_A_SEARCH = 500
MAX_STRANGERS = 50
"""Runs of other clusters that a search may bring: more cost the server more than to leave them out does."""


class LiveRuns:
    """Those of one kind and cluster. One thread uses it.

    `alive` are the conditions that every run of it meets, `news` the filters, each as its conditions, that
    find what others may have changed. A filter asks for tags with IS NULL and IS NOT NULL: the server looks
    those up run by run, and for the value of a tag it reads the tags of all runs there ever were.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        cluster: str,
        kind: str,
        alive: Sequence[str],
        news: Sequence[Sequence[str]],
    ) -> None:
        self._mlflow = mlflow
        self._cluster = cluster
        self._kind = kind
        self._alive = alive
        self._news = news
        self._runs: dict[str, Run] = {}
        self._listed_s: float | None = None
        self._written: set[str] = set()
        self._fresh: frozenset[str] = frozenset()
        self._among_many = False

    @property
    def known(self) -> Collection[Run]:
        """As they were read last."""
        return self._runs.values()

    @property
    def fresh(self) -> frozenset[str]:
        """The ids of those that the last read() brought."""
        return self._fresh

    def is_listing(self, now: float) -> bool:
        """Whether read() would list them all; a clock that was set back does not put it off."""
        return self._listed_s is None or not 0 <= now - self._listed_s < LISTED_EVERY_S

    def may_write(self, run_id: str) -> bool:
        """Whether a run that is about to be written to was read in this turn.

        What is known of it is outdated by the write, whatever becomes of that; and what was not read in this
        turn may be another by now. In both cases it is read in the next.
        """
        self._written.add(run_id)
        return run_id in self._fresh

    def read(self, now: float, moving: Iterable[str] = ()) -> Collection[Run]:
        """What there is now; `moving` are the ids of runs that others write to at any time."""
        if self.is_listing(now):
            found = self._search(self._ours(), *self._alive)
            self._keep(found, {})
            self._listed_s, self._among_many = now, False
        else:
            found = {}
            for conditions in self._news:
                found |= self._news_of(conditions)
            asked = (self._written.union(moving)) - found.keys()
            found |= self._of_ids(sorted(asked))
            self._keep(found, {run_id: run for run_id, run in self._runs.items() if run_id not in asked})
        self._written.clear()
        return self.known

    def _keep(self, found: Mapping[str, Run], others: Mapping[str, Run]) -> None:
        """A run that is as it was stays the same object: whoever has parsed it need not again."""
        same = {run_id: self._runs[run_id] for run_id, run in found.items() if self._runs.get(run_id) == run}
        self._fresh, self._runs = frozenset(found), {**others, **found, **same}

    def _ours(self) -> str:
        return f"tags.`{KIND}` = '{self._kind}' and tags.`{CLUSTER}` = '{self._cluster}'"

    def _news_of(self, conditions: Sequence[str]) -> dict[str, Run]:
        ours = (self._ours(),) if self._among_many else ()
        runs = self._search(*conditions, *ours)
        found = {run_id: run for run_id, run in runs.items() if self._is_ours(run)}
        if len(runs) - len(found) > MAX_STRANGERS:
            self._among_many = True
        return found

    def _is_ours(self, run: Run) -> bool:
        return (run.tags.get(KIND), run.tags.get(CLUSTER)) == (self._kind, self._cluster)

    def _of_ids(self, run_ids: Sequence[str]) -> dict[str, Run]:
        found: dict[str, Run] = {}
        for start in range(0, len(run_ids), IDS_A_SEARCH):
            ids = ", ".join(f"'{run_id}'" for run_id in run_ids[start : start + IDS_A_SEARCH])
            found |= self._search(f"attributes.run_id IN ({ids})", *self._alive)
        return {run_id: run for run_id, run in found.items() if self._is_ours(run)}

    def _search(self, *conditions: str) -> dict[str, Run]:
        runs = self._mlflow.search_runs(self._mlflow.experiments(), " and ".join(conditions))
        return {run.run_id: run for run in runs}
