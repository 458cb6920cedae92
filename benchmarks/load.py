"""A steady load on one service: requests at a fixed rate, however long the answers take."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx


@dataclass(frozen=True, slots=True)
class Sample:
    """One request."""

    sent_s: float
    """On the monotonic clock."""
    took_s: float
    version: str
    """The version that answered; empty where the request failed."""


def p99_ms(samples: Sequence[Sample]) -> float:
    return 1000 * statistics.quantiles([sample.took_s for sample in samples], n=100, method="inclusive")[98]


class SteadyLoad:
    """Sends `per_s` requests a second to a service until it is left."""

    def __init__(self, url: str, body: bytes, per_s: float) -> None:
        self.samples: list[Sample] = []
        self._url = f"{url}/invocations"
        self._body = body
        self._pause_s = 1 / per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send_all()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, first_s: float, last_s: float) -> list[Sample]:
        return [sample for sample in self.samples if first_s <= sample.sent_s < last_s]

    async def _send_all(self) -> None:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        async with httpx.AsyncClient(timeout=60, limits=limits) as http, asyncio.TaskGroup() as sending:
            due_s = time.monotonic()
            while not self._stop.is_set():
                sending.create_task(self._send(http, due_s))
                due_s += self._pause_s
                await asyncio.sleep(max(0, due_s - time.monotonic()))

    async def _send(self, http: httpx.AsyncClient, due_s: float) -> None:
        # From when the request was due: a sender that is held up must not hide that.
        headers = {"content-type": "application/json"}
        try:
            answer = await http.post(self._url, content=self._body, headers=headers)
            version = answer.headers.get("x-journeyman-version", "") if answer.status_code == 200 else ""
        except httpx.HTTPError:
            version = ""
        self.samples.append(Sample(due_s, time.monotonic() - due_s, version))
