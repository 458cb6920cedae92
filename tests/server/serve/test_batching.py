"""Requests that wait for the thread that computes: joined where told, each with its own answer or refusal."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import Model

from journeyman.models.arrays import Invocation
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.files import Version
from journeyman.models.model import ServedModel
from journeyman.models.signature import Signature
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.replica.batching import Batcher, Read, compute


class Doubles:
    """A model that doubles what it gets, remembers how much it got at a time, and chokes on 13."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.begun = threading.Event()
        self.held = threading.Event()
        self.held.set()

    def __call__(self, inputs: Any, params: dict[str, Any] | None) -> Any:
        self.begun.set()
        self.held.wait(10)
        self.batches.append(len(inputs["x"]))
        if 13 in inputs["x"]:
            raise ArithmeticError("13")
        return {"y": inputs["x"] * 2}


def served(run: Any) -> ServedModel:
    files = Version(Path("/nowhere"), Model(), Signature(), (Engine.PYFUNC,))
    plan = alone(Engine.PYFUNC)
    return ServedModel(files=files, example=None, plan=plan, runs={Engine.PYFUNC: run}, run=run)


def asking(*values: float, dtype: str = "float32", params: dict[str, Any] | None = None) -> Read:
    inputs = {"x": np.array(values, dtype=dtype)}
    return lambda: (Invocation(inputs, params), lambda outputs: outputs["y"].tolist())


def nobody(rows: int) -> None:
    """Need not be told."""


def refused() -> Any:
    raise RequestError("no")


def test_rows_are_computed_together_and_answered_apart() -> None:
    model = Doubles()
    answers = compute(served(model), [asking(1), asking(2, 3), asking(4)], joined_rows=16, computed=nobody)
    assert (answers, model.batches) == ([[2], [4, 6], [8]], [4])


def test_batch_ends_where_it_would_be_larger_than_what_pays() -> None:
    model = Doubles()
    reads = [asking(1, 2), asking(3), asking(4, 5), asking(*range(20, 30))]
    sizes: list[int] = []
    answers = compute(served(model), reads, joined_rows=4, computed=sizes.append)
    assert answers == [[2, 4], [6], [8, 10], list(range(40, 60, 2))]
    assert sizes == model.batches == [3, 2, 10]


def test_what_cannot_be_joined_is_computed_alone() -> None:
    model = Doubles()
    reads = [asking(1), asking(2, dtype="float64"), asking(3, params={"a": 1}), asking(4)]
    assert compute(served(model), reads, joined_rows=16, computed=nobody) == [[2], [4], [6], [8]]
    assert sorted(model.batches) == [1, 1, 2]


def test_one_that_fails_or_is_refused_costs_the_others_nothing() -> None:
    answers = compute(
        served(Doubles()), [asking(1), asking(13), refused, asking(4)], joined_rows=16, computed=nobody
    )
    assert (answers[0], answers[3]) == ([2], [8])
    assert isinstance(answers[1], ArithmeticError)
    assert isinstance(answers[2], RequestError)


def test_model_that_answers_with_another_number_of_rows_is_asked_for_each_alone() -> None:
    def summed(inputs: Any, params: Any) -> Any:
        return {"y": inputs["x"].sum(keepdims=True)}

    assert compute(served(summed), [asking(1), asking(2, 3)], joined_rows=16, computed=nobody) == [[1], [5]]


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=5), max_size=20), st.integers(1, 16))
def test_everyone_gets_the_answer_to_what_they_asked(asked: list[list[int]], joined_rows: int) -> None:
    reads = [asking(*values) for values in asked]
    answers = compute(served(Doubles()), reads, joined_rows, nobody)
    assert answers == [[2 * value for value in values] for values in asked]


@pytest.mark.parametrize(("joined_rows", "batches"), [(16, [1, 3]), (2, [1, 2, 1]), (1, [1, 1, 1, 1])])
def test_lone_request_is_computed_at_once_and_what_comes_meanwhile_is_the_next_batch(
    joined_rows: int, batches: list[int]
) -> None:
    model = Doubles()

    async def ask() -> list[Any]:
        batcher, version = Batcher(), served(model)
        model.held.clear()
        first = batcher.answer(version, joined_rows, asking(0), nobody)
        assert model.begun.wait(10)
        later = [batcher.answer(version, joined_rows, asking(value), nobody) for value in (1, 2, 3)]
        gone = batcher.answer(version, joined_rows, asking(13), nobody)
        gone.cancel()
        model.held.set()
        return list(await asyncio.gather(first, *later))

    assert asyncio.run(ask()) == [[0], [2], [4], [6]]
    assert model.batches == batches, "one that nobody waits for is not begun"


def test_next_is_computed_while_the_event_loop_is_busy() -> None:
    async def ask() -> list[Any]:
        batcher, version, last = Batcher(), served(Doubles()), threading.Event()
        answers = [batcher.answer(version, 1, asking(n), nobody) for n in range(3)]
        answers.append(batcher.answer(version, 1, asking(3), lambda rows: last.set()))
        assert last.wait(10), "nothing but this very line keeps the event loop"
        return list(await asyncio.gather(*answers))

    assert asyncio.run(ask()) == [[0], [2], [4], [6]]


def test_requests_for_two_versions_are_not_joined() -> None:
    old, new = Doubles(), Doubles()

    async def ask() -> list[Any]:
        batcher, versions = Batcher(), (served(old), served(new))
        old.held.clear()
        answers = [batcher.answer(versions[0], 16, asking(0), nobody)]
        assert old.begun.wait(10)
        answers += [batcher.answer(versions[n >= 3], 16, asking(n), nobody) for n in range(1, 6)]
        old.held.set()
        return list(await asyncio.gather(*answers))

    assert asyncio.run(ask()) == [[2 * n] for n in range(6)]
    assert (old.batches, new.batches) == ([1, 2], [3])
