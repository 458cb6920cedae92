"""One request for inference on its way through a replica: what every protocol's has, and who answers it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from journeyman.models.arrays import Invocation, Outputs
from journeyman.serve.replica.version import LoadedVersion


class Call(ABC):
    """A request as it came; read once, by the event loop or by the thread that computes.

    It is answered by the version that it came to, whichever serves when its turn comes.
    """

    __slots__ = ("_invocation", "answer", "size_bytes", "version")

    def __init__(self, version: LoadedVersion, size_bytes: int) -> None:
        self.version = version
        self.size_bytes = size_bytes
        self.answer: asyncio.Future[Any] | None = None
        """What whoever asked waits for; None for a call that is answered at once."""
        self._invocation: Invocation | None = None

    def invocation(self) -> Invocation:
        """What goes into the model. Raises RequestError."""
        if self._invocation is None:
            self._invocation = self.read()
        return self._invocation

    @abstractmethod
    def read(self) -> Invocation:
        """The request, checked. Raises RequestError."""

    @abstractmethod
    def render(self, outputs: Outputs) -> Any:
        """What is sent for the outputs of the model. Raises RequestError."""

    def compute(self) -> Any:
        """The answer. Raises RequestError, and whatever the model raises."""
        invocation = self.invocation()
        return self.render(self.version.predict(invocation.inputs, invocation.params))

    @property
    def is_awaited(self) -> bool:
        """Whether somebody still waits for it."""
        return self.answer is not None and not self.answer.done()
