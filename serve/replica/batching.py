"""Requests that wait for the one thread that computes: by turns, or joined where that was measured to pay.

There is no window to wait for: a request that finds the thread idle is computed at once, and what arrives
meanwhile is the next batch. So batches grow with the rate of arrivals and a lone request never waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from journeyman.models.arrays import Invocation, join, kind_of, rows_of, split
from journeyman.models.model import ServedModel

Render = Callable[[Any], Any]
"""From outputs to an answer."""
Read = Callable[[], tuple[Invocation, Render]]
"""What was asked, and how it is to be answered; raises RequestError."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    model: ServedModel
    joined_rows: int
    read: Read
    computed: Callable[[int], None]
    answer: asyncio.Future[Any]


class Batcher:
    """Of one replica. Its event loop alone calls it."""

    def __init__(self) -> None:
        # A single one: two forward passes at a time would fight for the same cores.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._waiting: deque[_Waiting] = deque()
        """The event loop adds at one end, the thread takes from the other."""

    def answer(
        self, model: ServedModel, joined_rows: int, read: Read, computed: Callable[[int], None]
    ) -> asyncio.Future[Any]:
        """The answer, or what reading, computing or writing it raised. One that is cancelled is not begun.

        `computed` is told, in the thread that computes, how many rows went into the model at once.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(model, joined_rows, read, computed, answer))
        self._executor.submit(self._turn)
        return answer

    def _turn(self) -> None:
        """In the thread, once for each request: what waits is computed, unless turns before it did that."""
        # The thread takes its next batch itself: handed over by the event loop, it would come after all that
        # the loop does with the answers before it.
        if batch := self._next():
            first = batch[0]
            reads = [waiting.read for waiting in batch]
            answers = compute(first.model, reads, first.joined_rows, first.computed)
            first.answer.get_loop().call_soon_threadsafe(_deliver, batch, answers)

    def _next(self) -> list[_Waiting]:
        """Those who wait for the version of the first of them, as many as are computed together."""
        batch: list[_Waiting] = []
        while self._waiting:
            first = self._waiting[0]
            if not first.answer.done():
                if batch and (first.model is not batch[0].model or len(batch) >= batch[0].joined_rows):
                    break
                batch.append(first)
            self._waiting.popleft()
        return batch


def _deliver(batch: Sequence[_Waiting], answers: Sequence[Any]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.answer.done():
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)


def compute(
    model: ServedModel, reads: Sequence[Read], joined_rows: int, computed: Callable[[int], None]
) -> list[Any]:
    """An answer for each read, or the exception that it is answered with."""
    answers: list[Any] = [None] * len(reads)
    groups: dict[Any, list[tuple[int, Invocation, Render]]] = {}
    for index, read in enumerate(reads):
        try:
            invocation, render = read()
        except Exception as error:  # noqa: BLE001
            # A refusal is raised to whoever sent it, and what is no refusal is answered as a failure.
            answers[index] = error
            continue
        kind = kind_of(invocation.inputs) if invocation.params is None and len(reads) > 1 else None
        groups.setdefault(index if kind is None else kind, []).append((index, invocation, render))
    for group in groups.values():
        for batch in _batches(group, joined_rows):
            for (index, _, _), answer in zip(batch, _computed(model, batch, computed), strict=True):
                answers[index] = answer
    return answers


def _batches(
    group: list[tuple[int, Invocation, Render]], joined_rows: int
) -> list[list[tuple[int, Invocation, Render]]]:
    batches: list[list[tuple[int, Invocation, Render]]] = []
    rows = 0
    for each in group:
        count = rows_of(each[1].inputs) or 0
        if not batches or rows + count > joined_rows:
            batches.append([])
            rows = 0
        batches[-1].append(each)
        rows += count
    return batches


def _computed(
    model: ServedModel, batch: list[tuple[int, Invocation, Render]], computed: Callable[[int], None]
) -> list[Any]:
    counts = [rows_of(invocation.inputs) or 1 for _, invocation, _ in batch]
    if len(batch) > 1:
        try:
            outputs = model.predict(join([invocation.inputs for _, invocation, _ in batch]))
            apart = split(outputs, counts)
        except Exception:  # noqa: BLE001
            # One of them may be why: alone, the others are answered.
            apart = None
        if apart is not None:
            computed(sum(counts))
            return [_rendered(render, outputs) for (_, _, render), outputs in zip(batch, apart, strict=True)]
    answers = []
    for (_, invocation, render), count in zip(batch, counts, strict=True):
        answers.append(_alone(model, invocation, render))
        computed(count)
    return answers


def _alone(model: ServedModel, invocation: Invocation, render: Render) -> Any:
    try:
        return render(model.predict(invocation.inputs, invocation.params))
    except Exception as error:  # noqa: BLE001
        # The model's own code runs here: anything can come out of it.
        return error


def _rendered(render: Render, outputs: Any) -> Any:
    try:
        return render(outputs)
    except Exception as error:  # noqa: BLE001
        # As where it is alone.
        return error
