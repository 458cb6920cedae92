"""Calls that are computed together where that was measured to pay, each with its own answer or refusal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from journeyman.models.arrays import join, kind_of, rows_of, split
from journeyman.serve.replica.call import Call
from journeyman.serve.replica.health import Stopwatch
from journeyman.serve.replica.version import ModelEndedError


def next_batch(waiting: deque[Call]) -> list[Call]:
    """Those who wait for the version of the first of them, as many as are computed together.

    They are taken from `waiting`, and with them those that nobody waits for any more.
    """
    batch: list[Call] = []
    while waiting:
        first = waiting[0]
        if first.is_awaited:
            if batch and (
                first.version is not batch[0].version or len(batch) >= batch[0].version.joined_rows
            ):
                break
            batch.append(first)
        waiting.popleft()
    return batch


def compute(calls: Sequence[Call], computed: Callable[[int], None], watch: Stopwatch) -> list[Any]:
    """An answer for each call of one version, or the exception that it is answered with.

    `computed` is told how many rows went into the model at once.
    """
    answers: dict[Call, Any] = {}
    groups: dict[Any, list[Call]] = {}
    for call in calls:
        watch.begin(call.version.version)
        try:
            invocation = call.invocation()
        except Exception as error:  # noqa: BLE001
            # A refusal is raised to whoever sent it, and what is no refusal is answered as a failure.
            answers[call] = error
            continue
        kind = kind_of(invocation.inputs) if invocation.params is None and len(calls) > 1 else None
        groups.setdefault(call if kind is None else kind, []).append(call)
    for group in groups.values():
        for batch in _batches(group):
            answers |= zip(batch, _computed(batch, computed, watch), strict=True)
    watch.end()
    return [answers[call] for call in calls]


def _batches(group: list[Call]) -> list[list[Call]]:
    batches: list[list[Call]] = []
    rows = 0
    for call in group:
        count = rows_of(call.invocation().inputs) or 0
        if not batches or rows + count > call.version.joined_rows:
            batches.append([])
            rows = 0
        batches[-1].append(call)
        rows += count
    return batches


def _computed(batch: list[Call], computed: Callable[[int], None], watch: Stopwatch) -> list[Any]:
    invocations = [call.invocation() for call in batch]
    counts = [rows_of(invocation.inputs) or 1 for invocation in invocations]
    if len(batch) > 1:
        watch.begin(batch[0].version.version)
        try:
            joined = join([invocation.inputs for invocation in invocations])
            apart = split(batch[0].version.predict(joined), counts)
        except (Exception, KeyboardInterrupt):  # noqa: BLE001
            # One of them may be why: alone, the others are answered.
            apart = None
        if apart is not None:
            computed(sum(counts))
            return [_rendered(call, outputs) for call, outputs in zip(batch, apart, strict=True)]
    answers = []
    for call, count in zip(batch, counts, strict=True):
        watch.begin(call.version.version)
        answers.append(_alone(call))
        watch.end()
        computed(count)
    return answers


def _alone(call: Call) -> Any:
    try:
        return call.compute()
    except Exception as error:  # noqa: BLE001
        # The model's own code runs here: anything can come out of it.
        return error
    except KeyboardInterrupt as error:
        # Python interrupts no thread but the main one: the model raised it, and would end this one.
        ended = ModelEndedError("the model raised KeyboardInterrupt")
        ended.__cause__ = error
        return ended


def _rendered(call: Call, outputs: Any) -> Any:
    try:
        return call.render(outputs)
    except Exception as error:  # noqa: BLE001
        # As where it is alone.
        return error
