"""Whatever a caller sends is answered or refused: never a 500, never an exception, and answers decode."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from google.protobuf.message import DecodeError
from hypothesis import strategies as st
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, DataType, Object, Property
from starlette.requests import Request

from journeyman.models.engines.engine import Engine, alone
from journeyman.models.files import Version
from journeyman.models.model import ServedModel
from journeyman.models.signature import Signature, read_signature
from journeyman.serve.protocols import invocations, open_inference, open_inference_rpc
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.http import HttpEndpoint
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names
from journeyman.serve.replica.version import LoadedVersion

from .harness import TEXTS, as_json, changed, fuzz, seeds, torn

# pandas and NumPy warn of what they are sent; nobody reads that in a replica.
pytestmark = pytest.mark.filterwarnings("ignore")

SIGNATURES: dict[str, Signature] = {
    name: read_signature(ModelSignature(**parts) if parts else None)
    for name, parts in {
        "bare": {"inputs": Schema([TensorSpec(np.dtype("float32"), (-1, 4))])},
        "named": {"inputs": Schema([TensorSpec(np.dtype("uint8"), (-1, 4), "pixels")])},
        "two": {
            "inputs": Schema(
                [
                    TensorSpec(np.dtype("float32"), (-1, 4), "pixels"),
                    TensorSpec(np.dtype("int64"), (-1, 2), "weights"),
                ]
            ),
            "outputs": Schema([TensorSpec(np.dtype("float32"), (-1, 4), "pixels")]),
        },
        "flags": {"inputs": Schema([TensorSpec(np.dtype("bool"), (-1,), "flags")])},
        "half": {"inputs": Schema([TensorSpec(np.dtype("float16"), (-1, -1), "pixels")])},
        "words": {"inputs": Schema([TensorSpec(np.dtype("O"), (-1,), "words")])},
        "text": {"inputs": Schema([TensorSpec(np.dtype("str"), (-1, 2), "words")])},
        "one": {"inputs": Schema([TensorSpec(np.dtype("float64"), (2, 2), "pixels")])},
        "params": {
            "inputs": Schema([TensorSpec(np.dtype("float32"), (-1, 4))]),
            "params": ParamSchema([ParamSpec("beam", "long", 1), ParamSpec("names", "string", ["a"], (-1,))]),
        },
        "columns": {
            "inputs": Schema(
                [
                    ColSpec("double", "age"),
                    ColSpec("integer", "visits"),
                    ColSpec("string", "city", required=False),
                    ColSpec("boolean", "member", required=False),
                    ColSpec("datetime", "since", required=False),
                    ColSpec("binary", "photo", required=False),
                    ColSpec("float", "weight", required=False),
                    ColSpec("long", "id", required=False),
                ]
            )
        },
        "nameless": {"inputs": Schema([ColSpec("double"), ColSpec("long")])},
        "lists": {"inputs": Schema([ColSpec(Array(DataType.double), "signal")])},
        "objects": {"inputs": Schema([ColSpec(Object([Property("a", DataType.long)]), "o")])},
        "anything": {},
    }.items()
}
TAKEN = st.sampled_from(sorted(SIGNATURES))
KEYS = (
    *("inputs", "instances", "dataframe_split", "dataframe_records", "params", "columns", "data", "index"),
    *(
        "pixels",
        "weights",
        "words",
        "age",
        "visits",
        "since",
        "photo",
        "signal",
        "o",
        "beam",
        "id",
        "outputs",
    ),
    *("name", "shape", "datatype", "parameters", "binary_data_size", "binary_data", "binary_data_output"),
)
TYPES = st.sampled_from(
    [None, "application/json", "text/csv", "text/csv; charset=utf-8", "application/json; charset=latin-1", ""]
) | TEXTS.filter(lambda text: "\ud800" not in text)


def refused(error: RequestError) -> None:
    """A refusal is the caller's: of the 400s, and as long as a sentence, whatever was sent."""
    assert 400 <= error.status < 500
    assert 0 < len(error.message) < 3000
    for protocol in (invocations, open_inference):
        assert error.message in orjson.loads(protocol.render_error(error)).values()
    open_inference_rpc.code_of(error)


def fits(inputs: Any, signature: Signature) -> None:
    """What a model is handed has the types and shapes that it declares."""
    for field in signature.inputs:
        array = inputs[field.name]
        kind = "O" if field.dtype.kind in "OUST" else field.dtype.kind
        assert (kind == "O" and array.dtype.kind in "OU") or array.dtype == field.dtype
        assert len(array.shape) == len(field.shape)
        assert all(wanted in (-1, size) for wanted, size in zip(field.shape, array.shape, strict=True))
        assert array.dtype.kind != "f" or np.isfinite(array).all()


def echoed(inputs: Any) -> Any:
    """What a model could answer: what it was sent."""
    if isinstance(inputs, pd.DataFrame):
        return {"rows": np.arange(len(inputs))}
    named = inputs if isinstance(inputs, dict) else {"output": inputs}
    return {name: np.asarray(value) for name, value in named.items()}


def invoke(given: tuple[bytes, str | None, str]) -> None:
    body, content_type, name = given
    signature = SIGNATURES[name]
    try:
        invocation = invocations.parse(body, content_type, signature)
    except RequestError as error:
        refused(error)
        return
    fits(invocation.inputs, signature)
    answer = orjson.loads(invocations.render(echoed(invocation.inputs), signature))
    assert answer.keys() == {"predictions"}


def test_invocations_in_json(seconds: float) -> None:
    documents = [orjson.loads(each) for each in seeds("invocations")]
    bodies = torn(changed(documents, KEYS).map(as_json))
    fuzz(st.tuples(bodies, TYPES | st.none(), TAKEN), invoke, seconds)


def test_invocations_in_csv(seconds: float) -> None:
    names = st.sampled_from(["age", "visits", "city", "member", "since", "photo", "weight", "id", "", "age"])
    cells = TEXTS.map(str) | st.sampled_from(
        ["1", "2.5", "true", "2024-01-01", "NaN", '"', "1e999", "9" * 400]
    )
    lines = st.lists(st.lists(cells, max_size=5).map(",".join), max_size=5)
    tables = st.tuples(st.lists(names, max_size=5).map(",".join), lines).map(
        lambda t: "\n".join((t[0], *t[1]))
    )
    written = tables.map(lambda text: text.encode("utf-8", "surrogatepass"))
    bodies = torn(st.sampled_from(seeds("csv")) | written)
    fuzz(st.tuples(bodies, st.just("text/csv"), TAKEN), invoke, seconds)


def infer(given: tuple[bytes, bytes, str | None, str]) -> None:
    head, tail, json_size, name = given
    signature = SIGNATURES[name]
    try:
        asked = open_inference.parse_infer(
            head + tail, str(len(head)) if json_size == "" else json_size, signature
        )
        fits(asked.invocation.inputs, signature)
        parts, size = open_inference.render_infer(echoed(asked.invocation.inputs), asked, "m", "1")
    except RequestError as error:
        refused(error)
        return
    content = b"".join(parts)
    answer = orjson.loads(content[:size])
    binary = sum(o.get("parameters", {}).get("binary_data_size", 0) for o in answer["outputs"])
    assert len(content) - (size or len(content)) == binary
    for output in answer["outputs"]:
        if "data" in output:
            assert len(output["data"]) == math.prod(output["shape"])


def test_open_inference(seconds: float) -> None:
    documents = [orjson.loads(each) for each in seeds("open_inference")]
    heads = torn(changed(documents, KEYS).map(as_json))
    tails = st.binary(max_size=40) | st.sampled_from([b"", bytes(16), bytes(8), b"\x01\x00\x00\x00a"])
    sizes = st.sampled_from([None, "", "0", "-1", "1e3", "999999999999", "9" * 400, "٣", " 5"]) | TEXTS
    fuzz(st.tuples(heads, tails, sizes, TAKEN), infer, seconds)


def call(given: tuple[bytes, str]) -> None:
    content, name = given
    try:
        request = messages.ModelInferRequest.FromString(content)
    except DecodeError:
        return  # gRPC's own server refuses it.
    try:
        asked = open_inference_rpc.parse_infer(request, SIGNATURES[name])
        fits(asked.invocation.inputs, SIGNATURES[name])
        answer = open_inference_rpc.render_infer(echoed(asked.invocation.inputs), asked, "m", "1")
    except RequestError as error:
        refused(error)
        return
    messages.ModelInferResponse.FromString(answer.SerializeToString())


@st.composite
def calls(draw: st.DrawFn) -> bytes:
    """A request as gRPC carries it."""
    texts = TEXTS.filter(lambda text: not re.search("[\ud800-\udfff]", text))
    names = (
        st.sampled_from(["pixels", "weights", "words", "flags", "age", "visits", "input", "output"]) | texts
    )
    request = messages.ModelInferRequest(id=draw(texts))
    for _ in range(draw(st.integers(0, 3))):
        sizes = st.sampled_from([0, 1, 2, 4, -1, 10**18, 2**63 - 1])
        tensor = request.inputs.add(
            name=draw(names),
            datatype=draw(st.sampled_from(["FP32", "INT64", "UINT8", "BOOL", "BYTES", "FP16", "FP64", "X"])),
            shape=draw(st.lists(sizes, max_size=4) | st.just([1] * 70)),
        )
        if draw(st.booleans()):
            floats = st.lists(st.floats(width=32), max_size=8)
            tensor.contents.fp32_contents.extend(draw(floats))
            tensor.contents.int64_contents.extend(draw(st.lists(st.integers(-9, 9), max_size=4)))
            tensor.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=4), max_size=4)))
            tensor.contents.bool_contents.extend(draw(st.lists(st.booleans(), max_size=2)))
        else:
            request.raw_input_contents.append(draw(st.binary(max_size=40) | st.just(bytes(16))))
    for name in draw(st.lists(names, max_size=2)):
        request.outputs.add(name=name)
    for name in draw(st.lists(st.sampled_from(["beam", "names", "binary_data_output"]) | texts, max_size=2)):
        match draw(st.integers(0, 3)):
            case 0:
                request.parameters[name].int64_param = draw(st.integers(-(2**63), 2**63 - 1))
            case 1:
                request.parameters[name].string_param = draw(texts)
            case 2:
                request.parameters[name].bool_param = True
            case _:
                _ = request.parameters[name]
    return bytes(request.SerializeToString())


def test_open_inference_over_grpc(seconds: float) -> None:
    fuzz(st.tuples(torn(calls()), TAKEN), call, seconds)


# -- the whole way -----------------------------------------------------------------------------------------


def served(name: str) -> LoadedVersion:
    files = Version(Path("/nowhere"), Model(), SIGNATURES[name], (Engine.PYFUNC,))

    def run(inputs: Any, params: Any) -> Any:
        return echoed(inputs)

    model = ServedModel(files, None, alone(Engine.PYFUNC), {Engine.PYFUNC: run}, run)
    return LoadedVersion("3", model, 1e9, 1, {"x-journeyman-version": "3"}, b"{}")


METRICS = Metrics("s", "m")
ENDPOINT = HttpEndpoint(Names("s", "m"), ComputeQueue(METRICS), METRICS)
LOADED = {name: served(name) for name in SIGNATURES}
PATHS = (
    st.sampled_from(
        [
            *(
                "",
                "/",
                "/invocations",
                "/ping",
                "/health",
                "/version",
                "/openapi.json",
                "/v2",
                "/v2/health/live",
            ),
            *(
                "/v2/models/m",
                "/v2/models/s/infer",
                "/v2/models/m/versions/3/infer",
                "/v2/models/m/versions/x/ready",
            ),
        ]
    )
    | TEXTS.map(lambda text: f"/v2/models/{text}")
    | TEXTS.map(lambda text: f"/{text}")
)
NAMES = st.sampled_from(
    [
        *(b"content-type", b"content-length", b"content-encoding", b"accept", b"accept-encoding", b"host"),
        *(
            b"inference-header-content-length",
            b"x-request-id",
            b"x-request-timeout",
            b"grpc-timeout",
            b"origin",
        ),
        *(b"transfer-encoding", b"expect", b"traceparent", b"connection", b"x-journeyman-version"),
    ]
) | st.binary(min_size=1, max_size=9)
HEADERS = st.lists(
    st.tuples(
        NAMES,
        st.sampled_from(
            [b"", b"0", b"-1", b"1e9", b"nan", b"application/json", b"gzip", b"*/*;q=\xff", b"9" * 500]
        )
        | st.binary(max_size=12),
    ),
    max_size=4,
)
_LINE = re.compile(rb"[\x20-\x7e]*")


def ask(given: tuple[str, str, list[tuple[bytes, bytes]], bytes, str]) -> None:
    method, path, headers, body, name = given

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def asked() -> Any:
        scope = {
            "type": "http",
            "method": method,
            "path": f"/s{path}",
            "root_path": "/s",
            "query_string": b"",
            "headers": headers,
        }
        return await ENDPOINT.answer(Request(scope, receive), LOADED[name])

    response = asyncio.run(asked())
    assert response.status_code < 500
    told = dict(response.raw_headers)
    assert int(told[b"content-length"]) == len(response.body)
    assert all(_LINE.fullmatch(part) for pair in response.raw_headers for part in pair)
    if told[b"content-type"].startswith(b"application/json"):
        orjson.loads(response.body)


def test_endpoint_with_any_path_method_and_headers(seconds: float) -> None:
    documents = [orjson.loads(each) for kind in ("invocations", "open_inference") for each in seeds(kind)]
    methods = st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "DELETE", "PATCH", "X", "\x1b"])
    bodies = torn(changed(documents, KEYS).map(as_json))
    fuzz(st.tuples(methods, PATHS, HEADERS, bodies, TAKEN), ask, seconds)
