"""Calls that wait for the thread that computes: joined where told, each with its own answer or refusal."""

from __future__ import annotations

import asyncio
import sys
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
from journeyman.serve.replica.batching import compute
from journeyman.serve.replica.call import Call
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.health import Stopwatch, ailment_of
from journeyman.serve.replica.version import LoadedVersion
from journeyman.serve.spec import Limits


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


def served(run: Any, joined_rows: int = 1, on_loop_bytes: float = 0) -> LoadedVersion:
    files = Version(Path("/nowhere"), Model(), Signature(), (Engine.PYFUNC,))
    plan = alone(Engine.PYFUNC)
    model = ServedModel(files=files, example=None, plan=plan, runs={Engine.PYFUNC: run}, run=run)
    return LoadedVersion("3", model, on_loop_bytes, joined_rows, {}, b"")


class Asking(Call):
    """For rows of numbers; for none of them where it is refused."""

    def __init__(
        self,
        version: LoadedVersion,
        *values: float,
        dtype: str = "float32",
        params: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(version, 1)
        self.values, self.dtype, self.params = values, dtype, params

    def read(self) -> Invocation:
        if not self.values:
            raise RequestError("no")
        return Invocation({"x": np.array(self.values, dtype=self.dtype)}, self.params)

    def render(self, outputs: Any) -> Any:
        return outputs["y"].tolist()


class Counted:
    """What a queue tells of itself."""

    def __init__(self) -> None:
        self.waited: list[int] = []
        self.rows: list[int] = []
        self.last = threading.Event()

    def waiting(self, calls: int) -> None:
        self.waited.append(calls)

    def computed(self, version: str, engine: str, rows: int) -> None:
        self.rows.append(rows)
        if len(self.rows) == 4:
            self.last.set()


def nobody(rows: int) -> None:
    """Need not be told."""


def computed(*calls: Call) -> list[Any]:
    return compute(calls, nobody, Stopwatch())


def test_rows_are_computed_together_and_answered_apart() -> None:
    model = Doubles()
    version = served(model, 16)
    answers = computed(Asking(version, 1), Asking(version, 2, 3), Asking(version, 4))
    assert (answers, model.batches) == ([[2], [4, 6], [8]], [4])


def test_batch_ends_where_it_would_be_larger_than_what_pays() -> None:
    model = Doubles()
    version = served(model, 4)
    calls = [
        Asking(version, 1, 2),
        Asking(version, 3),
        Asking(version, 4, 5),
        Asking(version, *range(20, 30)),
    ]
    sizes: list[int] = []
    answers = compute(calls, sizes.append, Stopwatch())
    assert answers == [[2, 4], [6], [8, 10], list(range(40, 60, 2))]
    assert sizes == model.batches == [3, 2, 10]


def test_what_cannot_be_joined_is_computed_alone() -> None:
    model = Doubles()
    version = served(model, 16)
    calls = [
        Asking(version, 1),
        Asking(version, 2, dtype="float64"),
        Asking(version, 3, params={"a": 1}),
        Asking(version, 4),
    ]
    assert computed(*calls) == [[2], [4], [6], [8]]
    assert sorted(model.batches) == [1, 1, 2]


def test_one_that_fails_or_is_refused_costs_the_others_nothing() -> None:
    version = served(Doubles(), 16)
    answers = computed(Asking(version, 1), Asking(version, 13), Asking(version), Asking(version, 4))
    assert (answers[0], answers[3]) == ([2], [8])
    assert isinstance(answers[1], ArithmeticError)
    assert isinstance(answers[2], RequestError)


def test_model_that_answers_with_another_number_of_rows_is_asked_for_each_alone() -> None:
    def summed(inputs: Any, params: Any) -> Any:
        return {"y": inputs["x"].sum(keepdims=True)}

    version = served(summed, 16)
    assert computed(Asking(version, 1), Asking(version, 2, 3)) == [[1], [5]]


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=5), max_size=20), st.integers(1, 16))
def test_everyone_gets_the_answer_to_what_they_asked(asked: list[list[int]], joined_rows: int) -> None:
    version = served(Doubles(), joined_rows)
    answers = computed(*(Asking(version, *values) for values in asked))
    assert answers == [[2 * value for value in values] for values in asked]


@pytest.mark.parametrize(("joined_rows", "batches"), [(16, [1, 3]), (2, [1, 2, 1]), (1, [1, 1, 1, 1])])
def test_lone_call_is_computed_at_once_and_what_comes_meanwhile_is_the_next_batch(
    joined_rows: int, batches: list[int]
) -> None:
    model = Doubles()

    async def ask() -> list[Any]:
        queue, version = ComputeQueue(Counted()), served(model, joined_rows)
        model.held.clear()
        first = asyncio.create_task(queue.answer(Asking(version, 0)))
        await asyncio.to_thread(model.begun.wait, 10)
        later = [asyncio.create_task(queue.answer(Asking(version, value))) for value in (1, 2, 3)]
        gone = asyncio.create_task(queue.answer(Asking(version, 13)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        model.held.set()
        return list(await asyncio.gather(first, *later))

    assert asyncio.run(ask()) == [[0], [2], [4], [6]]
    assert model.batches == batches, "one that nobody waits for is not begun"


def test_next_is_computed_while_the_event_loop_is_busy() -> None:
    async def ask() -> list[Any]:
        counted, version = Counted(), served(Doubles())
        queue = ComputeQueue(counted)
        answers = [asyncio.create_task(queue.answer(Asking(version, n))) for n in range(4)]
        await asyncio.sleep(0)
        assert counted.last.wait(10), "nothing but this very line keeps the event loop"
        return list(await asyncio.gather(*answers))

    assert asyncio.run(ask()) == [[0], [2], [4], [6]]


def test_calls_for_two_versions_are_not_joined() -> None:
    old, new = Doubles(), Doubles()

    async def ask() -> list[Any]:
        queue, versions = ComputeQueue(Counted()), (served(old, 16), served(new, 16))
        old.held.clear()
        answers = [asyncio.create_task(queue.answer(Asking(versions[0], 0)))]
        await asyncio.to_thread(old.begun.wait, 10)
        answers += [asyncio.create_task(queue.answer(Asking(versions[n >= 3], n))) for n in range(1, 6)]
        await asyncio.sleep(0)
        old.held.set()
        return list(await asyncio.gather(*answers))

    assert asyncio.run(ask()) == [[2 * n] for n in range(6)]
    assert (old.batches, new.batches) == ([1, 2], [3])


@pytest.mark.parametrize("on_loop_bytes", [0, 1e9], ids=["thread", "loop"])
def test_model_that_ends_its_process_ends_neither_the_loop_nor_the_thread(on_loop_bytes: float) -> None:
    def leaves(inputs: Any, params: Any) -> Any:
        if inputs["x"][0] == 1:
            sys.exit("enough")
        return {"y": inputs["x"]}

    async def ask() -> Any:
        queue, version = ComputeQueue(Counted()), served(leaves, on_loop_bytes=on_loop_bytes)
        with pytest.raises(Exception, match="the model raised SystemExit"):
            await queue.answer(Asking(version, 1))
        assert queue.pulse().dead == ()
        return await queue.answer(Asking(version, 2))

    assert asyncio.run(ask()) == [2]


@pytest.mark.parametrize("raised", [StopIteration, KeyboardInterrupt])
def test_model_that_raises_what_is_no_answer_costs_its_own_call_and_none_beside_it(
    raised: type[BaseException],
) -> None:
    held = threading.Event()

    def ends(inputs: Any, params: Any) -> Any:
        held.wait(10)
        if 1 in inputs["x"]:
            raise raised
        return {"y": inputs["x"]}

    async def ask() -> list[Any]:
        queue, version = ComputeQueue(Counted()), served(ends, joined_rows=16)
        queue.limits = Limits(time=5)
        asked = [asyncio.create_task(queue.answer(Asking(version, number))) for number in (0, 1, 2)]
        await asyncio.sleep(0)
        held.set()
        return list(await asyncio.gather(*asked, return_exceptions=True))

    before, own, after = asyncio.run(ask())
    assert (before, after) == ([0], [2])
    assert isinstance(own, Exception)
    assert str(own) == f"the model raised {raised.__name__}"


@pytest.mark.parametrize("joined_rows", [1, 16])
def test_pulse_tells_of_the_call_that_is_computed_and_of_none_that_waits(joined_rows: int) -> None:
    model = Doubles()

    async def ask() -> None:
        counted, version = Counted(), served(model, joined_rows)
        queue = ComputeQueue(counted)
        assert queue.pulse().computing_since_s is None
        model.held.clear()
        answers = [asyncio.create_task(queue.answer(Asking(version, n))) for n in range(3)]
        await asyncio.to_thread(model.begun.wait, 10)
        pulse = queue.pulse()
        assert pulse.computing_since_s is not None
        ailment = ailment_of(pulse, pulse.computing_since_s + 121)
        assert ailment is not None
        assert ailment.reason.startswith("a call has been computing")
        assert ailment.version == version.version
        model.held.set()
        await asyncio.gather(*answers)
        while queue.pulse().computing_since_s is not None:
            await asyncio.sleep(0.001)
        assert queue.pulse().longest_s > 0
        assert counted.waited[-1] == 0

    asyncio.run(ask())
