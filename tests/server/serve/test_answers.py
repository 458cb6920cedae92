"""What models answer with in Python, as every protocol writes it."""

from __future__ import annotations

import collections
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from journeyman.models.signature import read_signature
from journeyman.serve.protocols import invocations, open_inference
from journeyman.serve.protocols.errors import RequestError

ANYTHING = read_signature(None)
ASKED = open_inference.parse_infer(
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}', None, ANYTHING
)
Pair = collections.namedtuple("Pair", "first second")


def scored(answer: Any) -> Any:
    return json.loads(invocations.render(answer, ANYTHING))["predictions"]


def inferred(answer: Any) -> list[dict[str, Any]]:
    parts, _ = open_inference.render_infer(answer, ASKED, "m", "1")
    outputs: list[dict[str, Any]] = json.loads(b"".join(parts))["outputs"]
    return outputs


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (torch.tensor([[1.0, 2.0]], requires_grad=True), [[1.0, 2.0]]),
        ({"logits": torch.tensor([0.5]), "label": "cat"}, {"logits": [0.5], "label": "cat"}),
        ([torch.tensor(3)], [3]),
        # As `dict(zip(*np.unique(labels, return_counts=True)))` makes it.
        ({np.int64(1): np.int64(4), np.str_("b"): 2}, {"1": 4, "b": 2}),
        ([{(1, 2): {np.int64(3): 4}}], [{"(1, 2)": {"3": 4}}]),
        (Decimal("1.5"), 1.5),
        (timedelta(seconds=90), "P0DT0H1M30S"),
        (PurePosixPath("/a"), "/a"),
        (Pair(1, "b"), [1, "b"]),
        (collections.deque([1, 2]), [1, 2]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.Index(["a", "b"]), ["a", "b"]),
    ],
)
def test_whatever_python_holds_is_plain_json(answer: Any, told: Any) -> None:
    assert scored(answer) == told


def test_what_holds_itself_and_what_is_no_value_is_refused() -> None:
    endless: list[Any] = []
    endless.append({np.int64(1): endless})
    for answer in (endless, object(), 1j, 2**70):
        with pytest.raises(RequestError) as caught:
            scored(answer)
        assert caught.value.status == 500


def test_bytes_that_are_no_text_are_base64_in_both_protocols_and_say_so() -> None:
    assert scored([b"\xff", b"a"]) == ["/w==", "YQ=="]
    [output] = inferred([b"\xff", b"a"])
    assert (output["data"], output["parameters"]) == (["/w==", "YQ=="], {"content_type": "base64"})
    [output] = inferred([b"b", b"a"])
    assert (output["data"], "parameters" in output) == (["b", "a"], False)


def test_a_date_that_is_missing_is_null_in_both_protocols() -> None:
    table = pd.DataFrame({"seen": pd.to_datetime(["2026-05-01", None])})
    assert scored(table)[1] == {"seen": None}
    assert inferred(table)[0]["data"][1] == "null"


def test_text_that_is_said_to_be_base64_is_read_so() -> None:
    def asked(content_type: str | None, word: str) -> Any:
        tensor: dict[str, Any] = {"name": "x", "datatype": "BYTES", "shape": [1], "data": [word]}
        tensor |= {"parameters": {"content_type": content_type}} if content_type else {}
        body = json.dumps({"inputs": [tensor]}).encode()
        return open_inference.parse_infer(body, None, ANYTHING).invocation.inputs.tolist()

    assert asked("base64", "R3LDtsOfZQ==") == ["Größe"]
    assert asked("str", "R3LDtsOfZQ==") == asked(None, "R3LDtsOfZQ==") == ["R3LDtsOfZQ=="]
    with pytest.raises(RequestError, match=r"inputs\[0\] holds what is no text in base64"):
        asked("base64", "Größe")
