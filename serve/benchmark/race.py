"""The race of a version's engines on this hardware: equal outputs first, then rounds of calls by turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from journeyman.errors import described
from journeyman.models.arrays import Inputs, Invocation, Run, rows_of, take_rows
from journeyman.models.engines.engine import Engine
from journeyman.models.engines.hardware import Hardware
from journeyman.models.model import ModelError, ServedModel
from journeyman.models.packages import difference
from journeyman.serve.verdict import BATCH_SIZES, Verdict, judge

LIMIT_S = 60.0
"""For a whole race, the loading of the engines aside."""
ROUNDS = 15
LEAST_ROUNDS = 3
_ROUND_S = 0.02
"""For the calls of one engine with one batch in a round."""
_MOST_CALLS = 1000
_TRIES = 5


def race(
    models: Mapping[Engine, ServedModel], rejected: Mapping[Engine, str], example: Invocation, on: Hardware
) -> Verdict:
    """The verdict on the loaded engines of a version, the safest first, with the rows of `example`.

    Raises ModelError where the safest does not answer it.
    """
    began_s = time.monotonic()
    rejected = dict(rejected)
    runs = {engine: model.run for engine, model in models.items()}
    safest, *others = runs
    batches = _batches(runs[safest], example)
    for engine in others:
        if why := _why_unlike(runs[safest], runs[engine], batches, example.params):
            rejected[engine] = why
            del runs[engine]
    times = _times_us(runs, list(batches.values()), example.params, began_s + LIMIT_S)
    return judge(
        hardware=str(on),
        took_s=time.monotonic() - began_s,
        batch_sizes=list(batches),
        times_us=times,
        rejected=rejected,
        rows_are_independent=_rows_are_independent(runs[safest], example),
    )


def quickest_row_us(runs: Mapping[Engine, Run], example: Invocation) -> tuple[Engine, float]:
    """Which of them computes the first row of `example`, or all of it, in the least time: before any race."""
    inputs = example.inputs if rows_of(example.inputs) is None else take_rows(example.inputs, np.array([0]))
    took = {
        engine: min(_call_s(run, inputs, example.params, 1) for _ in range(_TRIES))
        for engine, run in runs.items()
    }
    quickest = min(took, key=lambda engine: took[engine])
    return quickest, took[quickest] * 1e6


def _batches(safest: Run, example: Invocation) -> dict[int, Inputs]:
    """The example's rows over and over, by how many there are; one batch where rows cannot be told apart."""
    rows = rows_of(example.inputs)
    if rows is None:
        return {1: example.inputs}
    batches: dict[int, Inputs] = {}
    for size in BATCH_SIZES:
        inputs = take_rows(example.inputs, np.arange(size) % rows)
        try:
            safest(inputs, example.params)
        except Exception as error:
            # The model's own code runs here: anything can come out of it.
            if not batches:
                raise ModelError(f"it does not answer a single row of it: {described(error)}") from error
            break
        batches[size] = inputs
    return batches


def _why_unlike(safest: Run, other: Run, batches: Mapping[int, Inputs], params: Any) -> str:
    for size, inputs in batches.items():
        expected = safest(inputs, params)
        try:
            actual = other(inputs, params)
        except Exception as error:  # noqa: BLE001
            # Engines share no base for what they raise.
            return f"fails on {size} rows: {described(error)}"
        if why := unlike(expected, actual):
            return f"{why} on {size} rows"
    return ""


def unlike(expected: Any, actual: Any) -> str:
    """How the outputs of two engines differ by more than their dtypes allow; empty where they do not."""
    if not isinstance(expected, dict):
        return "" if _same(expected, actual) else "answers otherwise"
    for name, array in expected.items():
        found = actual.get(name)
        if found is None or found.shape != array.shape or found.dtype != array.dtype:
            return f"gives another '{name}'"
        if array.dtype.kind not in "biuf":
            if not np.array_equal(array, found):
                return f"gives another '{name}'"
            continue
        apart = difference(torch.from_numpy(np.ascontiguousarray(array)), torch.from_numpy(np.array(found)))
        if apart is not None:
            return f"'{name}' differs by up to {apart:.3g}"
    return ""


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, (pd.DataFrame, pd.Series)):
        return bool(expected.equals(actual))
    return bool(expected == actual)


def _rows_are_independent(run: Run, example: Invocation) -> bool:
    """Whether a row's answer is the same whatever other rows are beside it, as far as the example tells."""
    rows = rows_of(example.inputs)
    if rows is None or rows < 2:
        return False
    together = run(example.inputs, example.params)
    if not isinstance(together, dict) or any(array.shape[:1] != (rows,) for array in together.values()):
        return False
    singles = [run(take_rows(example.inputs, np.array([row])), example.params) for row in range(rows)]
    joined = {name: np.concatenate([single[name] for single in singles]) for name in together}
    return not unlike(together, joined)


def _times_us(
    runs: Mapping[Engine, Run], batches: Sequence[Inputs], params: Any, deadline_s: float
) -> dict[Engine, list[float]]:
    """The median time of a call, by engine and batch."""
    calls = {
        (engine, index): max(1, min(_MOST_CALLS, int(_ROUND_S / _call_s(run, batch, params, 1))))
        for engine, run in runs.items()
        for index, batch in enumerate(batches)
    }
    seen: dict[tuple[Engine, int], list[float]] = {key: [] for key in calls}
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.monotonic() > deadline_s:
            break
        for index, batch in enumerate(batches):
            for engine, run in runs.items():
                seen[engine, index].append(_call_s(run, batch, params, calls[engine, index]))
    return {
        engine: [statistics.median(seen[engine, index]) * 1e6 for index in range(len(batches))]
        for engine in runs
    }


def _call_s(run: Run, inputs: Inputs, params: Any, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        run(inputs, params)
    return max((time.perf_counter() - began) / calls, 1e-9)
