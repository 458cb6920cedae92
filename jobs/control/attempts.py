"""Whether another attempt at a job is due, and what ended one whose driver wrote nothing. Pure"""

from __future__ import annotations

from collections.abc import Sequence

from journeyman.jobs.outcome import Cause, Outcome

MAX_ATTEMPTS = 5


_NO_ENVIRONMENT = "runtime_env setup failed"


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


def another_attempt(outcome: Outcome, attempt: int) -> bool:
    """Whether attempt `attempt` + 1 is due."""
    return outcome.cause is Cause.MACHINE and attempt < MAX_ATTEMPTS
