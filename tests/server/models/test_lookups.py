"""Which values a program takes: found in its graph, kept with the version, asked of every request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from journeyman.models.files import look_at
from journeyman.models.lookups import Lookups, lookups
from journeyman.models.packages import save_package
from journeyman.models.signature import Signature, with_ranges
from journeyman.serve.protocols import invocations, open_inference
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.openapi import Described, openapi

torch.set_num_threads(1)


class Net(nn.Module):  # type: ignore[misc]
    """Tables of 100 and of 20 rows, and whatever `forward` a test gives it."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 4)
        self.kinds = nn.Embedding(20, 4)
        self.bag = nn.EmbeddingBag(30, 4)
        self.answer = answer

    def forward(self, ids: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        return self.answer(self, ids, kinds)


def found(answer: Any, dtype: torch.dtype = torch.long) -> Lookups:
    rows = {0: torch.export.Dim.AUTO}
    example = (torch.ones(3, 6, dtype=dtype), torch.ones(3, 6, dtype=dtype))
    program = torch.export.export(Net(answer).eval(), example, dynamic_shapes=(rows, rows))
    return lookups(program, ["ids", "kinds"])


@pytest.mark.parametrize(
    ("answer", "ranges"),
    [
        (lambda net, ids, kinds: net.words(ids), {"ids": (0, 99)}),
        (lambda net, ids, kinds: net.words(ids) + net.kinds(ids), {"ids": (0, 19)}),
        (lambda net, ids, kinds: net.words(ids) + net.kinds(kinds), {"ids": (0, 99), "kinds": (0, 19)}),
        (lambda net, ids, kinds: net.words(ids[:, 1:].reshape(-1, 1).to(torch.int32)), {"ids": (0, 99)}),
        (lambda net, ids, kinds: net.words(ids + 2), {"ids": (-2, 97)}),
        (lambda net, ids, kinds: net.words(ids.clamp(0, 99)), {}),
        (lambda net, ids, kinds: net.words(ids.clamp(min=0)), {"ids": (-(2**63), 99)}),
        (lambda net, ids, kinds: net.words(ids % 100), {}),
        (lambda net, ids, kinds: functional.one_hot(ids, 7), {"ids": (0, 6)}),
        (lambda net, ids, kinds: net.bag(ids), {"ids": (0, 29)}),
        (lambda net, ids, kinds: net.words.weight[ids], {"ids": (-100, 99)}),
        (lambda net, ids, kinds: net.words.weight.index_select(0, ids[:, 0]), {"ids": (0, 99)}),
        (lambda net, ids, kinds: torch.gather(kinds, 1, ids), {"ids": (0, 5)}),
        (lambda net, ids, kinds: net.words(ids.chunk(2, 1)[1]), {"ids": (0, 99)}),
        (lambda net, ids, kinds: torch.where(ids > 3, kinds, 0), {}),
        (lambda net, ids, kinds: net.words(torch.arange(ids.shape[1])) + ids[..., None], {}),
        (lambda net, ids, kinds: ids[torch.arange(ids.shape[0]), kinds.argmax(1)], {}),
        (lambda net, ids, kinds: kinds.float() @ torch.ones(6, 2), {}),
    ],
)
def test_the_values_that_a_table_has_rows_for_are_found(answer: Any, ranges: dict[str, Any]) -> None:
    assert found(answer) == Lookups(ranges)


@pytest.mark.parametrize(
    "answer",
    [
        lambda net, ids, kinds: net.words(ids.cumsum(1)),
        lambda net, ids, kinds: net.words(ids * 2),
        lambda net, ids, kinds: net.words(ids.float().mul(2).long()),
        lambda net, ids, kinds: torch.cond(
            kinds.sum() > 3, lambda x: net.words(x), lambda x: net.kinds(x), (ids,)
        ),
    ],
)
def test_a_table_looked_up_by_what_the_model_computes_is_told(answer: Any) -> None:
    assert "by values that the model computes" in found(answer).unknown


def test_a_dtype_that_holds_nothing_else_needs_no_range() -> None:
    assert found(lambda net, ids, kinds: net.words(ids.int()), torch.uint8).ranges == {"ids": (-(2**63), 99)}
    assert found(lambda net, ids, kinds: torch.ones(256, 2)[ids.long()], torch.uint8) == Lookups({})


@pytest.mark.parametrize(
    ("answer", "sizes"),
    [
        (
            lambda net, ids, kinds: net.words(torch.arange(ids.shape[1])) + net.words(ids),
            {"ids": {1: (0, 100)}},
        ),
        (
            lambda net, ids, kinds: net.kinds(torch.arange(ids.shape[1]) + 2).sum() + kinds,
            {"ids": {1: (0, 18)}},
        ),
        (
            lambda net, ids, kinds: (
                net.kinds(torch.arange(ids.shape[1])).sum() + net.words(torch.arange(ids.shape[1]))
            ),
            {"ids": {1: (0, 20)}},
        ),
        (lambda net, ids, kinds: ids[:, torch.arange(ids.shape[1])] + kinds.sum(), {}),
        # A slice of a table, and a window: what the export itself finds.
        (
            lambda net, ids, kinds: net.kinds.weight[: ids.shape[1]].sum(1) + ids + kinds[0, 0],
            {"ids": {1: (0, 20)}},
        ),
        (lambda net, ids, kinds: ids.unfold(1, 4, 1).sum(2) + kinds[0, 0], {"ids": {1: (4, None)}}),
    ],
)
def test_how_long_an_input_may_be_is_found_where_its_positions_are_looked_up(
    answer: Any, sizes: dict[str, Any]
) -> None:
    free = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    example = (torch.ones(3, 6, dtype=torch.long), torch.ones(4, 7, dtype=torch.long))
    program = torch.export.export(Net(answer).eval(), example, dynamic_shapes=(free, free))
    told = lookups(program, ["ids", "kinds"])
    assert (told.sizes, told.unknown) == (sizes, "")


@pytest.mark.parametrize(
    "answer",
    [
        # Of the batch: requests that are computed together are longer than each of them.
        lambda net, ids, kinds: net.words(torch.arange(ids.shape[0])) + kinds.sum(),
        lambda net, ids, kinds: net.words(torch.arange(ids.shape[1] + 1)) + kinds.sum(),
        lambda net, ids, kinds: net.words(torch.arange(1, ids.shape[1])) + kinds.sum(),
        lambda net, ids, kinds: net.words(torch.arange(0, ids.shape[1], 2)) + kinds.sum(),
        lambda net, ids, kinds: net.words(torch.arange(ids.shape[1]) - 1) + kinds.sum(),
        lambda net, ids, kinds: net.words(torch.ones(ids.shape[1]).cumsum(0).long()) + kinds.sum(),
        lambda net, ids, kinds: kinds[0][torch.arange(ids.shape[1])],
    ],
)
def test_positions_that_no_size_of_an_input_bounds_are_told(answer: Any) -> None:
    free = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    example = (torch.ones(3, 6, dtype=torch.long), torch.ones(4, 7, dtype=torch.long))
    program = torch.export.export(Net(answer).eval(), example, dynamic_shapes=(free, free))
    assert lookups(program, ["ids", "kinds"]).unknown


class Placed(nn.Module):  # type: ignore[misc]
    """Words at places, of which there are 12."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(100, 4), nn.Embedding(12, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return (self.table(ids) + self.places(torch.arange(ids.shape[1]))).mean(1)


def test_a_sentence_that_is_longer_than_its_places_is_the_callers_mistake(tmp_path: Path) -> None:
    save_package(Placed(), torch.ones(2, 6, dtype=torch.long), tmp_path / "model", {"ids": [0, 1]})
    placed = look_at(tmp_path / "model").signature
    assert parsed_shape(12, placed) == (1, 12)
    with pytest.raises(
        RequestError, match=r"shape \[1, 13\], and this model takes \[any, up to 12\]"
    ) as caught:
        parsed_shape(13, placed)
    assert caught.value.status == 400
    tensor = {"name": "input", "datatype": "INT64", "shape": [1, 13], "data": [1] * 13}
    with pytest.raises(RequestError, match="up to 12"):
        open_inference.parse_infer(json.dumps({"inputs": [tensor]}).encode(), None, placed)
    described = openapi(
        Described(service="words", model="words", version="1", signature=placed, example=None)
    )
    assert '"maxItems": 12' in json.dumps(described)
    # A version with longer tables takes what this one takes: it may follow it.
    assert placed == with_ranges(placed, {"journeyman.size_limits": {"input": {"1": [0, 24]}}})


def parsed_shape(length: int, signature: Signature) -> tuple[int, ...]:
    read = invocations.parse(json.dumps({"inputs": [[1] * length]}).encode(), None, signature)
    shape: tuple[int, ...] = read.inputs["input"].shape
    return shape


@pytest.mark.parametrize(
    "told",
    [None, [], {"input": 5}, {"input": {"1": 9}}, {"input": {"1": [5]}}, {"input": {"1": [9, 5]}}, {"x": {}}],
)
def test_sizes_that_cannot_be_read_bound_nothing(told: Any, signature: Signature) -> None:
    assert not with_ranges(signature, {"journeyman.size_limits": told}).inputs[0].limits


class Words(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids).mean(1)


@pytest.fixture(scope="module")
def signature(tmp_path_factory: pytest.TempPathFactory) -> Signature:
    folder = tmp_path_factory.mktemp("words") / "model"
    save_package(Words(), torch.ones(2, 3, dtype=torch.long), folder)
    return look_at(folder).signature


@pytest.mark.parametrize("number", [-1, 100, 5000, -(2**62), 2**62])
def test_an_id_out_of_range_is_the_callers_mistake_by_every_protocol(
    number: int, signature: Signature
) -> None:
    says = f"holds {number}, and this input takes 0 to 99"
    rows = [[7, 8, number], [1, 2, 3]]
    with pytest.raises(RequestError, match=says) as caught:
        invocations.parse(json.dumps({"inputs": rows}).encode(), None, signature)
    assert caught.value.status == 400
    tensor = {"name": "input", "datatype": "INT64", "shape": [2, 3]}
    with pytest.raises(RequestError, match=says):
        open_inference.parse_infer(
            json.dumps({"inputs": [tensor | {"data": rows}]}).encode(), None, signature
        )
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 48}}]}).encode()
    with pytest.raises(RequestError, match=says):
        open_inference.parse_infer(head + np.array(rows).tobytes(), str(len(head)), signature)
    with pytest.raises(RequestError, match=says):
        invocations.parse(f"a,b,c\n7,8,{number}\n".encode(), "text/csv", signature)


def test_the_ids_of_a_vocabulary_are_taken_and_described(signature: Signature) -> None:
    taken = invocations.parse(b'{"inputs": [[0, 99, 5]]}', None, signature).inputs["input"]
    assert taken.tolist() == [[0, 99, 5]]
    described = openapi(
        Described(service="words", model="words", version="1", signature=signature, example=None)
    )
    assert '"minimum": 0, "maximum": 99' in json.dumps(described)


@pytest.mark.parametrize(
    "told",
    [None, [], {"input": [0]}, {"input": ["0", 9]}, {"input": [9, 0]}, {"input": [0, True]}, {"x": [0, 9]}],
)
def test_ranges_that_cannot_be_read_are_none(told: Any, signature: Signature) -> None:
    bare = with_ranges(signature, {"journeyman.value_ranges": told})
    assert bare.inputs[0].ends == ((0, 99) if told in (None, []) else None)
