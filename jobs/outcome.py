"""How an attempt ended, and whether another is due. Pure.

A person's own exception is final: running the same code again gives the same exception. What the machines did
(a worker, a node or the driver died) is retried from the last checkpoint, in the same run, as often as
`jobs/control/attempts.py` decides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from journeyman.errors import JourneymanError, UnreadableError
from journeyman.tracking.records import fitted


class Cause(StrEnum):
    """Whose doing an attempt's end was."""

    FINISHED = "finished"
    USER = "user"
    """The training code raised, or its script exited with a code other than 0."""
    STORAGE = "storage"
    """A disk is full, or the job's storage cannot be written: the same attempt would meet it again."""
    MODEL = "model"
    """Training is done and its weights are safe, but the model was not registered."""
    MACHINE = "machine"
    """A worker, a node, the driver or the cluster went away."""
    STOPPED = "stopped"
    """Its script was told to end, and ended."""
    PREEMPTED = "preempted"
    """The cluster took a node away, as it does with those that are lent: nothing was wrong with it."""


ADVICE = {
    Cause.STOPPED: "Submit it again, with another `max_duration` where it was too short.",
    Cause.USER: "Fix the code, run it locally with `journeyman try`, and submit it again.",
    Cause.STORAGE: "Make room there, or name another place in `storage:`, and submit it again.",
    Cause.MODEL: "Change what the reason names and submit again; the weights are where it says.",
    Cause.MACHINE: "`journeyman status` tells what is wrong with the machines; then submit it again.",
    Cause.PREEMPTED: "Nodes are taken away before a checkpoint is there: write them more often, or use nodes "
    "that stay, and submit it again.",
}
"""What to do about a job that failed, by whose doing it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended."""

    cause: Cause
    message: str
    rank: int | None = None
    """The first rank that failed."""
    node: str = ""
    """The machine it ran on, where it had said so."""
    detail: str = ""
    """The traceback, or the last lines that were printed."""
    out_of_memory: bool = False
    """Whether a process was ended because its node ran out of memory."""
    checkpoint_step: int | None = None
    """The step of the newest checkpoint that this attempt committed; None where it committed none."""

    @property
    def told(self) -> str:
        """In a line: whose doing it was, where, and in which words."""
        where = "" if self.rank is None else f"rank {self.rank}"
        where += f" on {self.node}" if self.node else ""
        parts = (self.cause.value, "out of memory" if self.out_of_memory else "", where, self.message)
        return " ".join(": ".join(part for part in parts if part).split())

    def to_json(self) -> str:
        """Always fits into one tag: the longest texts are shortened, what tells the cause last."""
        return fitted(asdict(self), "detail", "message", "node")

    @staticmethod
    def from_json(text: str) -> Outcome:
        """Raises UnreadableError where it was cut, or another version wrote it in a form of its own."""
        try:
            return _OUTCOME.validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UnreadableError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None


_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
"""Whatever else another version has written is passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """When something was raised, by which machine's clock: those of two machines are never compared."""

    node: str
    time_s: float


class RankError(JourneymanError):
    """What ended one rank's part of an attempt, in a form that any process can read.

    A person's own exception may be of a class that other processes do not know, or hold what cannot be
    pickled: its words travel, not the object.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        cause: Cause = Cause.USER,
        detail: str = "",
        out_of_memory: bool = False,
        raised: Raised | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.cause = cause
        self.detail = detail
        """The traceback, or the last lines that were printed."""
        self.out_of_memory = out_of_memory
        self.raised = raised
