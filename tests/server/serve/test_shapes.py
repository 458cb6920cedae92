"""Shapes that no array can have are the caller's mistake, by whichever way they come."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from journeyman.models.signature import Field, Signature
from journeyman.serve.protocols import open_inference, open_inference_rpc
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError

SIGNATURES = {
    "declared": Signature(inputs=(Field("x", np.dtype("float32"), (-1, -1, -1)),)),
    "two": Signature(inputs=(Field("x", np.dtype("float32"), (-1, 2)),)),
    "none": Signature(),
}
IMPOSSIBLE = [
    [0, 10**18, 10**18],
    [0, 2**63 - 1],
    [2**62, 2**62, 0],
    [2**63 - 1, 2**63 - 1],
    [0, 1, 2**62],
]


def by_json(shape: list[int], signature: Signature) -> Any:
    tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": []}
    return open_inference.parse_infer(json.dumps({"inputs": [tensor]}).encode(), None, signature)


def by_bytes(shape: list[int], signature: Signature) -> Any:
    tensor = {"name": "x", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": 0}}
    body = json.dumps({"inputs": [tensor]}).encode()
    return open_inference.parse_infer(body, str(len(body)), signature)


def by_grpc(shape: list[int], signature: Signature) -> Any:
    request = messages.ModelInferRequest(model_name="m")
    request.inputs.add(name="x", datatype="FP32", shape=shape)
    request.raw_input_contents.append(b"")
    return open_inference_rpc.parse_infer(request, signature)


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("way", [by_json, by_bytes, by_grpc])
@pytest.mark.parametrize("shape", IMPOSSIBLE)
def test_shape_that_no_array_can_have_is_400(shape: list[int], way: Any, signature: str) -> None:
    with pytest.raises(RequestError) as refused:
        way(shape, SIGNATURES[signature])
    assert refused.value.status == 400
    assert "inputs[0] has a shape of more values than a tensor can have" in refused.value.message


@pytest.mark.parametrize("way", [by_json, by_bytes])
def test_size_beyond_64_bits_is_400(way: Any) -> None:
    for shape in ([2**63], [2**64], [10**30, 0]):
        with pytest.raises(RequestError) as refused:
            way(shape, SIGNATURES["none"])
        assert refused.value.status == 400


@pytest.mark.parametrize("way", [by_json, by_bytes, by_grpc])
def test_empty_array_of_a_possible_shape_is_read(way: Any) -> None:
    read = way([3, 0], SIGNATURES["none"]).invocation.inputs
    assert read.shape == (3, 0)
