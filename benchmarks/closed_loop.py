"""A closed loop over HTTP/1.1: so many connections, each sending its next request when it has its answer.

It speaks only what it needs, for the client must cost less than any of the servers it measures.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


@dataclass(frozen=True, slots=True)
class Request:
    """One that is sent over and over."""

    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)

    def wire(self) -> bytes:
        address = urlsplit(self.url)
        lines = [
            f"POST {address.path} HTTP/1.1",
            f"host: {address.netloc}",
            f"content-length: {len(self.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + _END + self.body


@dataclass(frozen=True, slots=True)
class Round:
    """What a closed loop saw."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


class _Connection(asyncio.Protocol):
    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.took_s: list[float] = []
        self.failed = 0
        self.until_s = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._missing = -1
        """Bytes of the body that are still to come; -1 while the headers are."""
        self._chunked = False
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own class, which is none of asyncio's.
        self.transport: Any = transport

    def send(self) -> None:
        self._sent_s = time.perf_counter()
        self.transport.write(self.wire)

    def data_received(self, data: bytes) -> None:
        if self._missing > 0:
            self._missing -= len(data)
        else:
            self._buffer += data
            end = self._buffer.find(_END)
            if end < 0:
                return
            if not self._chunked and self._missing < 0:
                head = bytes(self._buffer[:end]).lower()
                if not head.startswith(b"http/1.1 200"):
                    self.failed += 1
                self._chunked = b"transfer-encoding: chunked" in head
                if not self._chunked:
                    length = head.index(_LENGTH) + len(_LENGTH)
                    size = int(head[length:].split(b"\r\n", 1)[0])
                    self._missing = size - (len(self._buffer) - end - len(_END))
            if self._chunked:
                # The last chunk is the empty one.
                self._missing = 0 if self._buffer.endswith(b"\r\n0\r\n\r\n") else -1
        if self._missing == 0:
            self._answered()

    def _answered(self) -> None:
        now_s = time.perf_counter()
        self.took_s.append(now_s - self._sent_s)
        self._buffer.clear()
        self._missing, self._chunked = -1, False
        if now_s < self.until_s:
            self.send()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)


def closed_loop(request: Request, connections: int, seconds: float) -> Round:
    return uvloop.run(_closed_loop(request, connections, seconds))


async def _closed_loop(request: Request, connections: int, seconds: float) -> Round:
    loop = asyncio.get_running_loop()
    address = urlsplit(request.url)
    wire = request.wire()
    opened = [
        await loop.create_connection(lambda: _Connection(wire), address.hostname, address.port)
        for _ in range(connections)
    ]
    began_s = time.perf_counter()
    for _, connection in opened:
        connection.until_s = began_s + seconds
        connection.send()
    await asyncio.wait_for(asyncio.gather(*(connection.done for _, connection in opened)), seconds + 60)
    took_s = time.perf_counter() - began_s
    for transport, _ in opened:
        transport.close()
    samples = [sample for _, connection in opened for sample in connection.took_s]
    quantiles = statistics.quantiles(samples, n=100, method="inclusive")
    return Round(
        per_s=len(samples) / took_s,
        p50_ms=1000 * quantiles[49],
        p99_ms=1000 * quantiles[98],
        failed=sum(connection.failed for _, connection in opened),
    )
