"""What control may do about one job, and why: what is decided goes in these to whoever carries it out.

Every action may be repeated: an attempt is claimed with a write-once param and its Ray submission id is
refused the second time, so a control that died in between is followed by one that finishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeyman.jobs.phases import Phase
from journeyman.jobs.records import JobRecord
from journeyman.tracking.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Bring a job's code to the cluster, off the loop."""

    job: JobRecord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Claim an attempt and submit its driver."""

    job: JobRecord
    workers: int
    """The size of this attempt."""
    reason: str
    demand: bool = False
    """Whether it starts for the cluster to grow, which nobody said it would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Record from when on an attempt is waited for of which nobody wrote down when it began."""

    job: JobRecord
    workers: int
    """As far as can be told."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Have Ray stop a job's driver; asked each turn until it has ended."""

    job: JobRecord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskToEnd:
    """Have a script told to end, which its own processes see; `Stop` follows when its grace is over."""

    job: JobRecord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """Record that an attempt does not start, and have Ray stop its driver; another one may follow."""

    job: JobRecord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Record a phase with its reason."""

    job: JobRecord
    phase: Phase
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Store the stacks of a job that hangs, off the loop, and record that it does."""

    job: JobRecord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelUnread:
    """Cancel a job whose record cannot be read: stop what lives of it; once nothing does, end its run.

    No tag of it is written.
    """

    run: Run
    living: Sequence[str]
    """Its Ray jobs that have not ended."""


Action = Upload | Start | Admit | Stop | AskToEnd | Abandon | Mark | Suspect | CancelUnread


def only_tells(action: Action) -> bool:
    """Whether an action changes nothing but the reason that people read."""
    return isinstance(action, Mark) and action.phase is action.job.phase
