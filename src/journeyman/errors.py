"""The tree of errors: what happened, to what, and what to do next.

    JourneymanError                 exit code 1
    ├── UsageError                  the caller can put it right; exit code 2
    │   ├── SpecError               a spec file: the key, what is wrong, what is right
    │   └── NotFoundError           no such job, service, model, version, alias, secret
    ├── StackError                  the local stack: a part does not start, stop or answer
    │   └── StackDownError          nothing is running to talk to
    ├── UnreachableError            a server does not answer
    ├── RefusedError                a server answered that it will not
    │   └── DeniedError             to the one who asks: no credentials, or the wrong ones; exit code 2
    ├── UnreadableError             a record that this version cannot read: it is set aside
    └── PublishError                a model could not be exported, verified or registered

Every error is built from its message and its hint alone, so that it survives pickling: Ray carries
exceptions between processes.
"""

from __future__ import annotations


def described(error: BaseException) -> str:
    """Whatever was raised, in one line: its type and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


class JourneymanError(Exception):
    """What happened and to what (`message`), and what to do next (`hint`)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def in_one_line(error: JourneymanError) -> str:
    """Its message and its hint where there is one line for both: each ends before the next begins."""
    message, hint = " ".join(error.message.split()), " ".join(error.hint.split())
    if not hint:
        return message
    return f"{message}{'' if message.endswith(tuple('.;:,!?…')) else '.'} {hint}"


class UsageError(JourneymanError):
    """The caller asked for something that cannot be; asking differently helps."""

    exit_code = 2


class SpecError(UsageError):
    """A spec file says something that is not allowed, or lacks something that is needed."""


class NotFoundError(UsageError):
    """A name or an id that nothing answers to, or that several things answer to."""


class StackError(JourneymanError):
    """A part of the local stack does not start, stop or answer."""


class StackDownError(StackError):
    """There is no stack to talk to."""

    exit_code = 2


class UnreachableError(JourneymanError):
    """A server that should be there does not answer."""


class RefusedError(JourneymanError):
    """A server answered, and said no."""


class DeniedError(RefusedError):
    """A server does not let in who asks, or does not allow them what they ask for."""

    exit_code = 2


class UnreadableError(JourneymanError):
    """A record in MLflow is in no form that this version of Journeyman reads."""


class PublishError(JourneymanError):
    """A model could not be exported, verified or registered; its weights are safe."""
