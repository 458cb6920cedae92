"""Someone who asks a service all the time, and which of the requests fail."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import httpx

PAUSE_S = 0.1
PATIENCE_S = 10.0
"""A request that is not answered by then has failed."""


class Asking:
    """Asks until it is left."""

    def __init__(self, url: str, body: bytes) -> None:
        self.requests = 0
        self.failed_ms: list[float] = []
        """When each request that failed was sent, in epoch milliseconds."""
        self._url = f"{url}/invocations"
        self._body = body
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def failed_since(self, moment_ms: float) -> int:
        return sum(sent_ms >= moment_ms for sent_ms in self.failed_ms)

    def _ask(self) -> None:
        headers = {"content-type": "application/json"}
        with httpx.Client(timeout=PATIENCE_S, limits=httpx.Limits(keepalive_expiry=2)) as http:
            while not self._stop.wait(PAUSE_S):
                sent_ms = time.time() * 1000
                self.requests += 1
                try:
                    well = http.post(self._url, content=self._body, headers=headers).status_code == 200
                except httpx.HTTPError:
                    well = False
                if not well:
                    self.failed_ms.append(sent_ms)
