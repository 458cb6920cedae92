"""The lease on a cluster: of several controls one acts, and another takes over when that one is gone.

What is to be done is decided in `terms`; here it is looked at and carried out. What remains: a control that
pauses amid a turn, long enough for another to take over, finishes that turn beside its successor when it
wakes. Its actions bear that: attempts are claimed, Ray refuses a submission id the second time, and the Serve
config says what is to be.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from journeyman.tracking.lease.claimant import Claimant, is_gone
from journeyman.tracking.lease.terms import (
    CLOSED,
    Begin,
    Claim,
    Close,
    Hold,
    Ledger,
    Snapshot,
    StandBy,
    Tenure,
    beat,
    decide,
    read_ledger,
    released,
)
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import (
    BEAT,
    CLUSTER,
    CONTROL,
    KIND,
    NAME,
    NOTE,
    SCHEMA,
    SCHEMA_VERSION,
    TERM_PARAM,
    Run,
)

_EXPERIMENT = "default"
_MOVES = 8
"""In one turn. From nothing to a term that is held takes three."""

_logger = logging.getLogger(__name__)


def clock() -> float:
    """Seconds that nobody sets, and that pass while the machine sleeps as they pass elsewhere."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def control_runs(mlflow: MlflowApi, cluster: str) -> list[Run]:
    """The ledgers of a cluster: one, unless two controls began at once or one is full."""
    conditions = (
        f"tags.`{KIND}` = '{CONTROL}'",
        f"tags.`{CLUSTER}` = '{cluster}'",
        "attributes.status = 'RUNNING'",
    )
    return mlflow.search_runs(mlflow.experiments(), " and ".join(conditions))


class Lease:
    """One control's part in it. One thread calls turn(); any may ask for term()."""

    def __init__(
        self, mlflow: MlflowApi, cluster: str, claimant: Claimant, clock: Callable[[], float]
    ) -> None:
        self._mlflow = mlflow
        self._cluster = cluster
        self._claimant = claimant
        self._clock = clock
        self._seen_s: dict[tuple[str, int, str], float] = {}
        self._tenure: Tenure | None = None
        self._beats = 0
        self._said = ""

    def term(self) -> tuple[str, int] | None:
        """The term in which this control may act now: ledger and number. None while it stands by."""
        tenure = self._tenure
        if tenure is None or not tenure.lasts(self._clock()):
            return None
        return tenure.run_id, tenure.term

    def turn(self) -> None:
        """Look, and do what is to be done until there is nothing but to wait.

        Raises UnreachableError where MLflow is away: a term that is held then lasts for ACT_S.
        """
        for _ in range(_MOVES):
            looked_s = self._clock()
            decision = decide(self._observe(looked_s), self._clock())
            if not isinstance(decision, Hold):
                self._stop_acting(decision.reason)
            match decision:
                case StandBy():
                    self._say(f"stands by: {decision.reason}")
                    return
                case Hold():
                    if self._beat(decision.ledger, looked_s):
                        return
                case Begin():
                    self._begin()
                case Close():
                    self._close(decision.ledger)
                case Claim():
                    self._claim(decision.ledger, decision.reason)

    def release(self) -> None:
        """Let go, when nothing acts any more: who stands by need not wait."""
        tenure = self._tenure
        if self.term() is not None and tenure is not None:
            self._tenure = None
            note = f"Nobody is in control of cluster {self._cluster}: {self._claimant.name} let go."
            self._mlflow.set_tags(tenure.run_id, {BEAT: released(tenure.term), NOTE: note})

    def _observe(self, looked_s: float) -> Snapshot:
        ledgers = [read_ledger(run) for run in control_runs(self._mlflow, self._cluster)]
        now = self._clock()
        self._seen_s = {ledger.mark: self._seen_s.get(ledger.mark, now) for ledger in ledgers}
        return Snapshot(
            ledgers=ledgers,
            looked_s=looked_s,
            seen_s=self._seen_s,
            gone=frozenset(ledger.holder for ledger in ledgers if is_gone(ledger.holder)),
            claimant=str(self._claimant),
            tenure=self._tenure,
        )

    def _begin(self) -> None:
        tags = {SCHEMA: SCHEMA_VERSION, KIND: CONTROL, CLUSTER: self._cluster, NAME: CONTROL}
        self._mlflow.create_run(self._mlflow.experiment_id(_EXPERIMENT), CONTROL, tags)

    def _close(self, ledger: Ledger) -> None:
        """Where it is refused someone has claimed in the ledger meanwhile, and is seen in the next look."""
        # Closed already where whoever did it died before the run was ended.
        closed = ledger.holder == CLOSED
        if closed or self._mlflow.claim(ledger.run_id, f"{TERM_PARAM}.{ledger.term + 1}", CLOSED):
            self._mlflow.update_run(ledger.run_id, "FINISHED", int(time.time() * 1000))

    def _claim(self, ledger: Ledger, reason: str) -> None:
        term, before_s = ledger.term + 1, self._clock()
        if self._mlflow.claim(ledger.run_id, f"{TERM_PARAM}.{term}", str(self._claimant)):
            self._tenure = Tenure(run_id=ledger.run_id, term=term, confirmed_s=before_s)
            self._say(f"is in control, term {term}: {reason}")

    def _beat(self, ledger: Ledger, looked_s: float) -> bool:
        """Whether it came while the term lasted: later, another may have claimed the next meanwhile."""
        self._beats += 1
        note = f"**{self._claimant.name}** is in control of cluster {self._cluster}, term {ledger.term}."
        tags = {BEAT: beat(ledger.term, self._beats, int(time.time() * 1000)), NOTE: note}
        self._mlflow.set_tags(ledger.run_id, tags)
        tenure = self._tenure
        if tenure is None or not tenure.lasts(self._clock()):
            return False
        self._tenure = Tenure(run_id=ledger.run_id, term=ledger.term, confirmed_s=looked_s)
        return True

    def _stop_acting(self, reason: str) -> None:
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            _logger.warning("lost control, term %d: %s", tenure.term, reason)

    def _say(self, words: str) -> None:
        if words != self._said:
            _logger.info("%s %s", self._claimant.name, words)
        self._said = words
