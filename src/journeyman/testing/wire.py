"""What lies between a client and a fake server: where a test delays, loses or counts requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Wire(Protocol):
    """Carries one request to the server by calling `request`, and its answer back by returning it.

    A test's own may raise UnreachableError before or after the call: the request or its answer is lost then.
    `name` is the path of the request, such as `runs/log-batch`.
    """

    def __call__(self, name: str, request: Callable[[], Result], /) -> Result: ...


def direct(name: str, request: Callable[[], Result], /) -> Result:
    """Every request arrives and is answered."""
    return request()
