"""Who is in control of a cluster: terms, claimed one after another, of which the newest one's claimant acts.

Pure. Terms are write-once params of a run, the ledger. Three rules keep two controls from acting at once,
without a comparison of two machines' clocks:

- A control acts within ACT_S of the moment before its last beat or its claim, by its own clock. Past that its
  term is over, even where nobody else has claimed the next.
- Another claims the next term once it has looked at the same beat for LEASE_S, by its own clock, or where the
  holder let go or was a process of the same machine that is gone.
- A ledger is closed by a term that nobody holds. Whoever claims a term first closes every other ledger it
  sees: of two controls that both began one, the later to look sees both, and finds the first's claim or
  leaves it nothing to claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from journeyman.tracking.lease.claimant import name_of
from journeyman.tracking.records import BEAT, TERM_PARAM, Run

LEASE_S = 15.0
ACT_S = LEASE_S * 2 / 3
"""The rest is for a turn that began in time."""
BEAT_S = LEASE_S / 5
MAX_TERMS = 100
"""In one ledger: it is read whole every few seconds."""
_NUMBER = re.compile(r"[0-9]{1,15}")
CLOSED = "closed"
"""Stands where a claimant would, in the last term of a ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A run that terms are claimed in."""

    run_id: str
    start_ms: int
    term: int
    """The newest; 0 before the first."""
    holder: str
    beat: str

    @property
    def mark(self) -> tuple[str, int, str]:
        """Stays the same while the holder says nothing."""
        return self.run_id, self.term, self.beat


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """A term of our own, and when it was last certain that it was: a time of our own clock."""

    run_id: str
    term: int
    confirmed_s: float

    def of(self, ledger: Ledger) -> bool:
        return (self.run_id, self.term) == (ledger.run_id, ledger.term)

    def lasts(self, now: float) -> bool:
        return now - self.confirmed_s <= ACT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one control has seen; times of its own clock."""

    ledgers: Sequence[Ledger]
    looked_s: float
    """Before the ledgers were asked for."""
    seen_s: Mapping[tuple[str, int, str], float]
    """Of each ledger's mark: when its first sight was over."""
    gone: frozenset[str]
    """Holders that were processes of this machine."""
    claimant: str
    tenure: Tenure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Make a ledger."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Claim the next term of a ledger for nobody."""

    ledger: Ledger
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Claim the next term of a ledger."""

    ledger: Ledger
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Act, and let the others know."""

    ledger: Ledger
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandBy:
    reason: str


Decision = Begin | Close | Claim | Hold | StandBy


def read_ledger(run: Run) -> Ledger:
    prefix = f"{TERM_PARAM}."
    # Whoever may write to the run may write what is no term.
    told = {key.removeprefix(prefix): key for key in run.params if key.startswith(prefix)}
    terms = {int(number): key for number, key in told.items() if _NUMBER.fullmatch(number)}
    term = max(terms, default=0)
    return Ledger(
        run_id=run.run_id,
        start_ms=run.start_ms,
        term=term,
        holder=run.params[terms[term]] if term else "",
        beat=run.tags.get(BEAT, ""),
    )


def current(ledgers: Sequence[Ledger]) -> Ledger | None:
    """The ledger that counts."""
    # One that is held comes first: whoever claimed in it has closed those that it saw.
    return min(
        (ledger for ledger in ledgers if ledger.holder != CLOSED),
        key=lambda ledger: (ledger.term == 0, ledger.start_ms, ledger.run_id),
        default=None,
    )


def beat(term: int, count: int, now_ms: int) -> str:
    """The count makes it another one even if the wall clock, which is for people, is set back."""
    return f"{term} {count} {now_ms}"


def heard_ms(ledger: Ledger) -> int | None:
    """When the holder said something last, by its own wall clock: for people to read, not to decide by."""
    term, *rest = ledger.beat.split(" ")
    said = term == str(ledger.term) and len(rest) == 2 and _NUMBER.fullmatch(rest[1])
    return int(rest[1]) if said else None


def released(term: int) -> str:
    """The last beat of a holder that lets go."""
    return f"{term} released"


def decide(snapshot: Snapshot, now: float) -> Decision:
    """What one control does about the control of its cluster."""
    ledger = current(snapshot.ledgers)
    if ledger is None:
        return Begin(reason="there is no open ledger")
    tenure = snapshot.tenure
    if tenure is not None and tenure.of(ledger) and tenure.lasts(now):
        return Hold(ledger=ledger, reason=f"term {ledger.term} is ours")
    vacancy = _vacancy(ledger, snapshot)
    if vacancy is None:
        return StandBy(reason=f"{name_of(ledger.holder)} is in control, term {ledger.term}")
    for other in snapshot.ledgers:
        if other is not ledger:
            return Close(ledger=other, reason=f"ledger {ledger.run_id} comes first")
    if ledger.term >= MAX_TERMS:
        return Close(ledger=ledger, reason=f"it has {ledger.term} terms")
    return Claim(ledger=ledger, reason=vacancy)


def _vacancy(ledger: Ledger, snapshot: Snapshot) -> str | None:
    """Why the next term may be claimed; None where it may not."""
    if ledger.term == 0:
        return "nobody was in control"
    holder = name_of(ledger.holder)
    if ledger.holder == snapshot.claimant:
        return f"its own term {ledger.term} was not confirmed for {ACT_S:g} s"
    if ledger.holder in snapshot.gone:
        return f"{holder}, which was, is gone"
    if ledger.beat == released(ledger.term):
        return f"{holder} let go"
    if snapshot.looked_s - snapshot.seen_s[ledger.mark] >= LEASE_S:
        return f"{holder} was not heard of for {LEASE_S:g} s"
    return None
