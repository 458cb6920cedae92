"""Where calls of every protocol are computed: on the event loop where that takes no time, else in a thread.

There is no window to wait for: a call that finds the thread idle is computed at once, and what arrives
meanwhile is the next batch. So batches grow with the rate of arrivals and a lone call never waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.replica.batching import compute, next_batch
from journeyman.serve.replica.call import Call
from journeyman.serve.replica.health import Pulse, Stopwatch
from journeyman.serve.replica.refusals import full
from journeyman.serve.spec import Limits

READ_ON_LOOP_BYTES = 128 * 1024
"""A body up to this size is read on the event loop: JSON of so much takes about a millisecond."""


class Counts(Protocol):
    """Who is told what the queue does; from the event loop and from the thread."""

    def waiting(self, calls: int) -> None: ...

    def computed(self, version: str, engine: str, rows: int) -> None: ...


class ComputeQueue:
    """Of one replica, for all its protocols. Its event loop alone calls it."""

    def __init__(self, counts: Counts) -> None:
        self.limits = Limits()
        self.waiting = 0
        """Calls whose answer is computed off the event loop, or waits for that."""
        self._counts = counts
        self._calls: deque[Call] = deque()
        """The event loop adds at one end, the thread takes from the other."""
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._on_loop, self._in_thread = Stopwatch(), Stopwatch()
        # A single one: two forward passes at a time would fight for the same cores.
        self._thread = Thread(target=self._compute, name="model", daemon=True)
        self._thread.start()

    async def answer(self, call: Call, gone: Callable[[], Coroutine[Any, Any, None]] | None = None) -> Any:
        """What is sent to whoever asked. `gone` ends once nobody waits for it any more.

        Raises RequestError: 499 then, 503 where too many wait for the thread, 504 where it takes too long.
        """
        version, limits = call.version, self.limits
        if version.joined_rows == 1 and call.size_bytes <= version.on_loop_bytes:
            self._on_loop.begin(version.version)
            try:
                return call.compute()
            finally:
                self._on_loop.end()
        if self.waiting >= limits.queue:
            raise full(limits.queue, "wait here already")
        if call.size_bytes <= READ_ON_LOOP_BYTES:
            # Read here, while the thread computes what came before: that needs no interpreter.
            call.invocation()
        answer = call.answer = asyncio.get_running_loop().create_future()
        self._count(1)
        self._calls.append(call)
        self._turns.put(None)
        left = asyncio.create_task(gone()) if gone is not None else None
        try:
            awaited: tuple[asyncio.Future[Any], ...] = (answer,) if left is None else (answer, left)
            await asyncio.wait(awaited, timeout=limits.time, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if left is not None and left.done():
                raise RequestError(
                    "Nobody waits for this answer any more.", status=499, error_code="CANCELLED"
                )
            raise RequestError(
                f"There was no answer within {limits.time:g} s.", status=504, error_code="DEADLINE_EXCEEDED"
            )
        finally:
            # What nobody waits for any more is not begun; what has begun cannot be stopped.
            answer.cancel()
            if left is not None:
                left.cancel()
            self._count(-1)

    def pulse(self) -> Pulse:
        """How its computing goes on. Any thread may ask."""
        watches = (self._on_loop, self._in_thread)
        since_s, version = min(
            (running for watch in watches if (running := watch.running)), default=(None, "")
        )
        return Pulse(
            computing_since_s=since_s,
            version=version,
            longest_s=max(watch.longest_s for watch in watches),
            timeout_s=self.limits.time,
            dead=() if self._thread.is_alive() else (self._thread.name,),
        )

    def _count(self, more: int) -> None:
        self.waiting += more
        self._counts.waiting(self.waiting)

    # -- in the thread -------------------------------------------------------------------------------

    def _compute(self) -> None:
        while True:
            # One turn a call, and none left where turns before it took several.
            self._turns.get()
            # The thread takes its next batch itself: handed over by the event loop, it would come after all
            # that the loop does with the answers before it.
            if batch := next_batch(self._calls):
                self._answer(batch)

    def _answer(self, batch: Sequence[Call]) -> None:
        version = batch[0].version

        def computed(rows: int) -> None:
            self._counts.computed(version.version, str(version.plan), rows)

        answers = compute(batch, computed, self._in_thread)
        first = batch[0].answer
        assert first is not None, "whoever waits has one"
        first.get_loop().call_soon_threadsafe(_deliver, batch, answers)


def _deliver(batch: Sequence[Call], answers: Sequence[Any]) -> None:
    for call, answer in zip(batch, answers, strict=True):
        if call.answer is None or call.answer.done():
            continue
        if isinstance(answer, StopIteration):
            # What `next()` of a model's own raises; a future refuses it, and all after it would get none.
            failure = RuntimeError("the model raised StopIteration")
            failure.__cause__ = answer
            call.answer.set_exception(failure)
        elif isinstance(answer, Exception):
            call.answer.set_exception(answer)
        else:
            call.answer.set_result(answer)
