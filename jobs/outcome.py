"""How an attempt ended, and whether another is due. Pure.

A person's own exception is final: running the same code again gives the same exception. What the machines did
(a worker, a node or the driver died) is retried from the last checkpoint, in the same run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from journeyman.errors import JourneymanError

MAX_ATTEMPTS = 5

# What a healthy rank raises when its peer's process is gone: it says nothing about this rank's code.
_PEER_GONE = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error\b|RuntimeError: .*"
    r"(?:gloo/|NCCL|TCPStore|Connection (?:closed|reset) by peer|Socket closed|Broken pipe))",
    re.MULTILINE,
)


_NO_ENVIRONMENT = "runtime_env setup failed"


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


ADVICE = {
    Cause.USER: "Mend the code, try it here with `journeyman try`, and submit it again.",
    Cause.STORAGE: "Make room there, or name another place in `storage:`, and submit it again.",
    Cause.MODEL: "Change what the reason names and submit again; the weights are where it says.",
    Cause.MACHINE: "`journeyman status` tells what is wrong with the machines; then submit it again.",
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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Outcome:
        body = json.loads(text)
        return Outcome(**body | {"cause": Cause(body["cause"])})


class RankError(JourneymanError):
    """What ended one rank's part of an attempt, in a form that any process can read.

    A person's own exception may be of a class that other processes do not know, or hold what cannot be
    pickled: its words travel, not the object.
    """

    def __init__(self, message: str, hint: str = "", *, cause: Cause = Cause.USER, detail: str = "") -> None:
        super().__init__(message, hint)
        self.cause = cause
        self.detail = detail
        """The traceback, or the last lines that were printed."""


_DEATHS = (
    (
        re.compile(r"health check has been hanging for ([\d.]+)"),
        "its process did not answer for {0:.0f} s: it was stopped, or something held its interpreter",
    ),
    (
        re.compile(r"low on memory|NODE_OUT_OF_MEMORY"),
        "its process was ended because its node ran out of memory",
    ),
    (
        re.compile(r"[Nn]ode.{0,40}(?:died|dead|terminated|preempted)|NODE_DIED|NODE_TERMINATED"),
        "its node is gone",
    ),
    (re.compile(r"exit(?:s|ed)? (?:with|by) exit code '?(\d+)"), "its process exited with code {0:.0f}"),
    (
        re.compile(r"connection error code 2|unexpectedly exits with a connection error"),
        "its process died without a word: killed, as when memory runs out, or crashed, as by SIGSEGV",
    ),
)
"""What Ray says of a worker that is gone, and what that means; the first that fits."""


def death_of_worker(told: str) -> str:
    """What Ray tells of a worker's death, in one line; empty where it says nothing known."""
    for pattern, meaning in _DEATHS:
        if found := pattern.search(told):
            return meaning.format(*(float(number) for number in found.groups()))
    return ""


def classify(errors: Mapping[int, RankError]) -> Outcome:
    """The outcome of an attempt whose ranks ended like this: the first cause, not the echoes of it."""
    dead = {rank: error for rank, error in errors.items() if error.cause is Cause.MACHINE}
    own = {rank: e for rank, e in errors.items() if rank not in dead and not _is_echo(e)}
    rank, first = min((own or dead or errors).items())
    cause = first.cause if own else Cause.MACHINE
    return Outcome(cause=cause, message=first.message, rank=rank, detail=first.detail)


def driverless(message: str, requirements: Sequence[str]) -> Outcome:
    """The outcome of an attempt whose driver wrote none; `message` is what Ray says of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if requirements and message.startswith(_NO_ENVIRONMENT):
        pip = [line for line in lines if line.startswith("ERROR:")]
        if pip:
            told = pip[0].removeprefix("ERROR:").strip()
            return Outcome(cause=Cause.USER, message=f"its requirements cannot be installed: {told}")
    # Ray repeats the end of the driver's output: its last line is the cause, the rest is in the log.
    return Outcome(
        cause=Cause.MACHINE, message=f"the driver died: {lines[-1] if lines else 'nobody knows how'}"
    )


def _is_echo(error: RankError) -> bool:
    return bool(_PEER_GONE.search(error.message) or _PEER_GONE.search(error.detail))


def another_attempt(outcome: Outcome, attempt: int) -> bool:
    """Whether attempt `attempt` + 1 is due."""
    return outcome.cause is Cause.MACHINE and attempt < MAX_ATTEMPTS
