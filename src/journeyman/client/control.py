"""Who is in control of the cluster, as the lease tells it."""

from __future__ import annotations

from dataclasses import dataclass

from journeyman.client.connection import Connection
from journeyman.tracking import records


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control that acts, as the lease tells it."""

    name: str
    term: int
    heard_ms: int | None
    """When it said last that it is there; None in its first moments."""


def control(connection: Connection) -> Control | None:
    # psutil, which comes with it, costs a listing more than its own search.
    from journeyman.tracking.lease.claimant import name_of
    from journeyman.tracking.lease.terms import current, heard_ms, read_ledger, released

    runs = connection.runs(records.CONTROL, "attributes.status = 'RUNNING'")
    ledger = current([read_ledger(run) for run in runs])
    if ledger is None or ledger.term == 0 or ledger.beat == released(ledger.term):
        return None
    return Control(name=name_of(ledger.holder), term=ledger.term, heard_ms=heard_ms(ledger))
