"""What control asks replicas and nodes over HTTP: one client, and of each turn little time."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import httpx

TURN_S = 2.0
"""A turn spends no more on answers that it can do without."""


class Probe:
    """Whoever was slow is left out the next time. One thread uses it."""

    def __init__(self, turn_s: float = TURN_S) -> None:
        self._turn_s = turn_s
        self._until_s = time.monotonic() + turn_s
        self._slow: set[str] = set()
        self._client: httpx.Client | None = None
        """Made when it is needed: reading the certificates of a system takes a while."""

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def begin_turn(self) -> None:
        self._until_s = time.monotonic() + self._turn_s

    def get(self, url: str) -> httpx.Response:
        """The whole answer, whatever its status. Raises httpx.HTTPError, also where there is no time left."""
        origin = urlsplit(url).netloc
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise httpx.PoolTimeout("this turn has no time left to ask it")
        if origin in self._slow:
            self._slow.discard(origin)
            raise httpx.PoolTimeout("it was slow to answer, and is asked again the next time")
        if self._client is None:
            limits = httpx.Limits(max_connections=16, max_keepalive_connections=8)
            # They are on the cluster: a proxy of the environment leads elsewhere.
            self._client = httpx.Client(limits=limits, trust_env=False)
        try:
            with self._client.stream("GET", url, timeout=left_s) as answer:
                content = bytearray()
                for piece in answer.iter_bytes():
                    content += piece
                    if time.monotonic() > self._until_s:
                        raise httpx.ReadTimeout("it did not answer in time")
        except httpx.TimeoutException:
            self._slow.add(origin)
            raise
        return httpx.Response(answer.status_code, content=bytes(content), request=answer.request)
