"""What a control does about the control of its cluster, moment by moment."""

from __future__ import annotations

import pytest

from journeyman.tracking.lease.terms import (
    ACT_S,
    CLOSED,
    LEASE_S,
    MAX_TERMS,
    Ledger,
    Snapshot,
    Tenure,
    beat,
    decide,
    heard_ms,
    read_ledger,
    released,
)
from journeyman.tracking.records import BEAT, Run

NOW = 1000.0
OURS, OTHER = "control-a-1-1 m 1 1", "control-b-1-1 n 1 1"


def ledger(term: int, holder: str, beat: str = "", run_id: str = "a", start_ms: int = 5) -> Ledger:
    return Ledger(run_id=run_id, start_ms=start_ms, term=term, holder=holder, beat=beat)


@pytest.mark.parametrize("key", ["term.x", "term.", "term.-3", "term.٣", "term.1.5", f"term.{'9' * 5000}"])
def test_param_that_is_no_term_changes_nothing(key: str) -> None:
    run = Run(
        run_id="a",
        experiment_id="",
        run_name="",
        status="RUNNING",
        artifact_uri="",
        start_ms=5,
        end_ms=None,
        tags={BEAT: beat(2, 7, 1000)},
        params={"term.1": OTHER, "term.2": OURS, key: "somebody"},
        metrics={},
        steps={},
    )
    assert read_ledger(run) == ledger(2, OURS, beat(2, 7, 1000))
    assert heard_ms(read_ledger(run)) == 1000


@pytest.mark.parametrize("said", ["", "2", "2 x y", "2 7 1e3", f"2 7 {'9' * 5000}", "2 7 -1", "3 7 1000"])
def test_beat_in_another_form_tells_no_time(said: str) -> None:
    assert heard_ms(ledger(2, OURS, said)) is None


def told(
    *ledgers: Ledger,
    silent_s: float = 0.0,
    gone: str = "",
    held: tuple[str, int] | None = None,
    confirmed_s_ago: float = 0.0,
    answered_in_s: float = 0.0,
) -> str:
    """The decision in words."""
    looked_s = NOW - answered_in_s
    tenure = None
    if held is not None:
        tenure = Tenure(run_id=held[0], term=held[1], confirmed_s=NOW - confirmed_s_ago)
    snapshot = Snapshot(
        ledgers=ledgers,
        looked_s=looked_s,
        seen_s={each.mark: looked_s - silent_s for each in ledgers},
        gone=frozenset({gone}),
        claimant=OURS,
        tenure=tenure,
    )
    decision = decide(snapshot, NOW)
    of = getattr(decision, "ledger", None)
    return f"{type(decision).__name__}{f' {of.run_id}{of.term}' if of else ''}: {decision.reason}"


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (told(), "Begin: there is no open ledger"),
        (told(ledger(4, CLOSED)), "Begin: there is no open ledger"),
        (told(ledger(0, "")), "Claim a0: nobody was in control"),
        # Of two ledgers that were begun at once: the oldest, and of two as old, the first by its id.
        (told(ledger(0, "", run_id="b"), ledger(0, "")), "Close b0: ledger a comes first"),
        (told(ledger(0, "", start_ms=3, run_id="b"), ledger(0, "")), "Close a0: ledger b comes first"),
        # One that is held comes before an older one that is not.
        (
            told(ledger(0, ""), ledger(1, OTHER, run_id="b", start_ms=9)),
            "StandBy: control-b-1-1 is in control, term 1",
        ),
        (told(ledger(0, ""), ledger(1, CLOSED, run_id="b")), "Close b1: ledger a comes first"),
        # The holder.
        (told(ledger(3, OURS), held=("a", 3)), "Hold a3: term 3 is ours"),
        (told(ledger(3, OURS), held=("a", 3), confirmed_s_ago=ACT_S), "Hold a3: term 3 is ours"),
        (
            told(ledger(3, OURS), held=("a", 3), confirmed_s_ago=ACT_S + 0.1),
            "Claim a3: its own term 3 was not confirmed for 10 s",
        ),
        (told(ledger(3, OURS)), "Claim a3: its own term 3 was not confirmed for 10 s"),
        (told(ledger(4, OTHER), held=("a", 3)), "StandBy: control-b-1-1 is in control, term 4"),
        (told(ledger(4, CLOSED), held=("a", 3)), "Begin: there is no open ledger"),
        # The others.
        (told(ledger(3, OTHER), silent_s=LEASE_S - 0.1), "StandBy: control-b-1-1 is in control, term 3"),
        (told(ledger(3, OTHER), silent_s=LEASE_S), "Claim a3: control-b-1-1 was not heard of for 15 s"),
        # How long MLflow took to answer is no silence of the holder's.
        (
            told(ledger(3, OTHER), silent_s=LEASE_S - 1, answered_in_s=20),
            "StandBy: control-b-1-1 is in control, term 3",
        ),
        (told(ledger(3, OTHER), gone=OTHER), "Claim a3: control-b-1-1, which was, is gone"),
        (told(ledger(3, OTHER, released(3))), "Claim a3: control-b-1-1 let go"),
        # A word of an earlier holder that came late.
        (told(ledger(3, OTHER, released(2))), "StandBy: control-b-1-1 is in control, term 3"),
        # A ledger that is full.
        (
            told(ledger(MAX_TERMS, OTHER)),
            f"StandBy: control-b-1-1 is in control, term {MAX_TERMS}",
        ),
        (told(ledger(MAX_TERMS, OTHER), gone=OTHER), f"Close a{MAX_TERMS}: it has {MAX_TERMS} terms"),
    ],
)
def test_decision(decision: str, expected: str) -> None:
    assert decision == expected
