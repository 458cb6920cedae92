"""A steady load on one service: requests at a fixed rate, however long the answers take.

They are sent by a process of its own, at a real-time priority where that is allowed: who asks is elsewhere
and waits for no processor that the service has. It takes a twentieth of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
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
        self._command = [sys.executable, __file__, f"{url}/invocations", body.decode(), str(per_s)]

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._sender = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._sender.stdin is not None
        self._sender.stdin.close()
        self._reader.join()
        self._sender.wait()

    def between(self, first_s: float, last_s: float) -> list[Sample]:
        return [sample for sample in self.samples if first_s <= sample.sent_s < last_s]

    def _read(self) -> None:
        assert self._sender.stdout is not None
        for line in self._sender.stdout:
            sent_s, took_s, version = line.rstrip("\n").split(" ")
            self.samples.append(Sample(float(sent_s), float(took_s), version))


async def _send_all(url: str, body: bytes, pause_s: float) -> None:
    """Until whoever started this closes its standard input, or is gone."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(timeout=60, limits=limits) as http, asyncio.TaskGroup() as sending:
        due_s = time.monotonic()
        while not stop.is_set():
            sending.create_task(_send(http, url, body, due_s))
            due_s += pause_s
            await asyncio.sleep(max(0, due_s - time.monotonic()))


async def _send(http: httpx.AsyncClient, url: str, body: bytes, due_s: float) -> None:
    # From when the request was due: a sender that is held up must not hide that.
    try:
        answer = await http.post(url, content=body, headers={"content-type": "application/json"})
        version = answer.headers.get("x-journeyman-version", "") if answer.status_code == 200 else ""
    except httpx.HTTPError:
        version = ""
    print(due_s, time.monotonic() - due_s, version, flush=True)


def main() -> None:
    url, body, per_s = sys.argv[1:]
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    asyncio.run(_send_all(url, body.encode(), 1 / float(per_s)))


if __name__ == "__main__":
    main()
