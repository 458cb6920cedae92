"""Whether this rank does anything: it computes, reads, writes or prints, or waits in `ray.train.report`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import psutil

from journeyman.jobs.waits import STILL_AFTER_S, Wait

EVERY_S = 5.0
LEAST_CPU = 0.1
"""Of one core: what Ray and our own threads take is less."""
LEAST_BYTES = 256 * 1024
"""Read and written between two looks: what is fetched for training is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a process and its children had done when they were looked at."""

    cpu_s: float
    io_bytes: int
    printed_bytes: int
    reports: int


class Stillness:
    """Of one rank. `tell` takes what it is to be known for, each time that it changes."""

    def __init__(self, rank: int, printed_bytes: Callable[[], int], tell: Callable[[Wait], None]) -> None:
        self._rank = rank
        self._printed_bytes = printed_bytes
        self._tell = tell
        self._process: psutil.Process | None = None
        self._reports = 0
        self._reporting = False

    def runs_in(self, pid: int) -> None:
        """Which process the training is in."""
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """While the code is in `ray.train.report`, which returns when all ranks have called it."""
        self._reporting = True
        try:
            yield
        finally:
            self._reporting = False
            self._reports += 1

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again, in a thread, until the end."""
        done = threading.Event()

        def watch() -> None:
            said: Literal["report", "still", "moves"] = "moves"
            before, before_s = self._look(), time.monotonic()
            since_s = before_s
            while not done.wait(EVERY_S):
                now, now_s = self._look(), time.monotonic()
                waits = self._reporting and now.reports == before.reports
                if not waits and (now.reports != before.reports or moved(before, now, now_s - before_s)):
                    since_s = now_s
                before, before_s = now, now_s
                what = self._what(now_s - since_s)
                if what != said:
                    said = what
                    self._tell(Wait(rank=self._rank, what=what))

        threading.Thread(target=watch, name="stillness", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _what(self, still_s: float) -> Literal["report", "still", "moves"]:
        if still_s < STILL_AFTER_S:
            return "moves"
        return "report" if self._reporting else "still"

    def _look(self) -> Look:
        cpu_s, io_bytes = 0.0, 0
        if self._process is not None:
            with contextlib.suppress(psutil.Error):
                for process in [self._process, *self._process.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        times = process.cpu_times()
                        cpu_s += times.user + times.system
                        # Not on every system: where it is not told, the rest is.
                        io = getattr(process, "io_counters", None)
                        io_bytes += io().read_chars + io().write_chars if io else 0
        return Look(
            cpu_s=cpu_s,
            io_bytes=io_bytes,
            printed_bytes=self._printed_bytes(),
            reports=self._reports,
        )


def moved(before: Look, now: Look, passed_s: float) -> bool:
    """Whether anything was done between two looks. A child that ended takes its times with it."""
    return (
        abs(now.cpu_s - before.cpu_s) > LEAST_CPU * passed_s
        or abs(now.io_bytes - before.io_bytes) > LEAST_BYTES
        or now.printed_bytes != before.printed_bytes
    )
