"""The Open Inference Protocol over gRPC: tensors in both forms, metadata, refusals with their code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import Model
from mlflow.types import ColSpec, DataType, Schema

from journeyman.models.engines.engine import Engine, alone
from journeyman.models.files import Version
from journeyman.models.model import ServedModel
from journeyman.models.signature import Field, Signature
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.open_inference_rpc import (
    code_of,
    model_metadata,
    parse_infer,
    render_infer,
)
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names
from journeyman.serve.replica.rpc import RpcEndpoint
from journeyman.serve.replica.version import LoadedVersion
from journeyman.serve.spec import Limits

ROOT = Path(__file__).parents[3]
PROTO = Path("journeyman/serve/protocols/open_inference_rpc.proto")
DTYPES = {
    "BOOL": "bool",
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
CONTENTS = {"BOOL": "bool_contents", "INT64": "int64_contents", "UINT64": "uint64_contents"}
CONTENTS |= {f"INT{bits}": "int_contents" for bits in (8, 16, 32)}
CONTENTS |= {f"UINT{bits}": "uint_contents" for bits in (8, 16, 32)}
CONTENTS |= {"FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents"}

ROWS = Signature(
    inputs=(Field("x", np.dtype("float32"), (-1, 2)),), outputs=(Field("y", np.dtype("float32"), (-1, 2)),)
)
WORDS = Signature(inputs=(Field("text", np.dtype("O"), (-1,)),))
TABLE = Signature(columns=Schema([ColSpec(DataType.long, "age"), ColSpec(DataType.string, "name")]))


def asking(name: str, datatype: str, array: np.ndarray, *, raw: bool, **more: Any) -> Any:
    request = messages.ModelInferRequest(model_name="m", **more)
    tensor = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    if raw:
        request.raw_input_contents.append(array.tobytes())
    else:
        getattr(tensor.contents, CONTENTS[datatype]).extend(array.ravel().tolist())
    return request


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("datatype", DTYPES)
def test_numbers_of_every_datatype_arrive_and_leave_as_they_are(datatype: str, raw: bool) -> None:
    if datatype == "FP16" and not raw:
        pytest.skip("half precision has no contents")
    array = np.array([[0, 1], [1, 0], [1, 1]], DTYPES[datatype])
    signature = Signature(inputs=(Field("x", array.dtype, (-1, 2)),))
    asked = parse_infer(asking("x", datatype, array, raw=raw), signature)
    np.testing.assert_array_equal(asked.invocation.inputs["x"], array)
    assert asked.invocation.inputs["x"].dtype == array.dtype

    answer = render_infer({"y": array}, asked, "m", "3")
    [output] = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("y", datatype, [3, 2])
    if raw:
        assert list(answer.raw_output_contents) == [array.tobytes()]
        assert not output.HasField("contents")
    else:
        assert list(getattr(output.contents, CONTENTS[datatype])) == array.ravel().tolist()
        assert not answer.raw_output_contents


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.booleans())
def test_text_arrives_and_leaves_as_it_is(words: list[str], raw: bool) -> None:
    request = messages.ModelInferRequest(id="7")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(words)])
    encoded = [word.encode() for word in words]
    if raw:
        lengths = b"".join(len(word).to_bytes(4, "little") + word for word in encoded)
        request.raw_input_contents.append(lengths)
    else:
        tensor.contents.bytes_contents.extend(encoded)
    asked = parse_infer(request, WORDS)
    assert asked.invocation.inputs["text"].tolist() == words
    answer = render_infer({"y": np.array(words, object)}, asked, "m", "1")
    assert answer.id == "7"
    if raw:
        assert answer.raw_output_contents[0] == lengths
    else:
        assert list(answer.outputs[0].contents.bytes_contents) == encoded


def test_columns_make_a_table() -> None:
    request = messages.ModelInferRequest()
    age = request.inputs.add(name="age", datatype="INT64", shape=[2])
    age.contents.int64_contents.extend([31, 52])
    name = request.inputs.add(name="name", datatype="BYTES", shape=[2, 1])
    name.contents.bytes_contents.extend([b"ada", b"bob"])
    table = parse_infer(request, TABLE).invocation.inputs
    assert table.to_dict("list") == {"age": [31, 52], "name": ["ada", "bob"]}
    told = model_metadata("m", "3", "mlflow_pyfunc", TABLE)
    assert [(each.name, each.datatype, list(each.shape)) for each in told.inputs] == [
        ("age", "INT64", [-1]),
        ("name", "BYTES", [-1]),
    ]


GOOD = np.zeros((1, 2), "float32")


def spoiled(**changes: Any) -> Any:
    request = asking("x", "FP32", GOOD, raw=False)
    for name, value in changes.items():
        if name == "shape":
            del request.inputs[0].shape[:]
            request.inputs[0].shape.extend(value)
        else:
            setattr(request.inputs[0], name, value)
    return request


def with_both() -> Any:
    request = asking("x", "FP32", GOOD, raw=False)
    request.raw_input_contents.append(GOOD.tobytes())
    return request


def with_other_contents() -> Any:
    request = spoiled()
    request.inputs[0].contents.int_contents.append(1)
    return request


def with_output(name: str) -> Any:
    request = asking("x", "FP32", GOOD, raw=True)
    request.outputs.add(name=name)
    return request


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (messages.ModelInferRequest(), "inputs must be a list"),
        (spoiled(name=""), "inputs[0] must have a name"),
        (spoiled(name="z"), "unknown input 'z'"),
        (spoiled(datatype="FP99"), "inputs[0] must have a datatype"),
        (spoiled(datatype="FP64"), "must come as fp64_contents"),
        (spoiled(shape=[-1, 2]), "inputs[0] must have a shape"),
        (spoiled(shape=[3, 2]), "inputs[0].data"),
        (with_both(), "contents beside raw_input_contents"),
        (with_other_contents(), "must come as fp32_contents"),
        (asking("x", "FP16", GOOD.astype("f2"), raw=True), "inputs[0] is FP16, and this input is FP32"),
        (with_output("q"), "This model has no output 'q'"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_is(request_: Any, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_infer(request_, ROWS)
    assert told in caught.value.message
    assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT


@given(st.binary(max_size=200))
def test_no_bytes_that_are_a_message_raise_anything_but_a_refusal(content: bytes) -> None:
    try:
        request = messages.ModelInferRequest.FromString(content)
    except Exception:  # noqa: BLE001
        return  # gRPC refuses it before anybody is asked.
    for signature in (ROWS, WORDS, TABLE):
        try:
            parse_infer(request, signature)
        except RequestError as refusal:
            assert refusal.status == 400


class Context:
    """Takes what Ray's own would."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.metadata: list[tuple[str, str]] = []

    def request_id(self) -> str:
        return "mine"

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None:
        self.metadata = metadata


def called(method: str, request: Any, limits: Limits | None = None) -> tuple[Any, Context]:
    def run(inputs: Any, params: Any) -> Any:
        if inputs["x"][0, 0] == 13:
            raise ArithmeticError("a secret")
        return {"y": inputs["x"] * 2}

    files = Version(Path("/nowhere"), Model(), ROWS, (Engine.PYFUNC,))
    plan = alone(Engine.PYFUNC)
    model = ServedModel(files=files, example=None, plan=plan, runs={Engine.PYFUNC: run}, run=run)
    loaded = LoadedVersion("3", model, 0, 1, {"x-journeyman-version": "3"}, b"{}")
    metrics = Metrics("service", "model")
    queue = ComputeQueue(metrics)
    queue.limits = limits or Limits()
    context = Context()
    answer = asyncio.run(
        RpcEndpoint(Names("service", "model"), queue, metrics).call(method, request, context, loaded)
    )
    return answer, context


def test_calls_are_answered_with_their_lineage() -> None:
    assert called("ServerLive", messages.ServerLiveRequest())[0].live
    assert called("ServerReady", messages.ServerReadyRequest())[0].ready
    assert called("ServerMetadata", messages.ServerMetadataRequest())[0].name == "journeyman"
    for name in ("service", "model"):
        assert called("ModelReady", messages.ModelReadyRequest(name=name, version="3"))[0].ready
    told, _ = called("ModelMetadata", messages.ModelMetadataRequest(name="model"))
    assert (told.name, list(told.versions), told.inputs[0].name) == ("model", ["3"], "x")
    request = asking("x", "FP32", np.ones((2, 2), "float32"), raw=True)
    request.model_name = "service"
    answer, context = called("ModelInfer", request)
    assert answer.raw_output_contents[0] == np.full((2, 2), 2, "float32").tobytes()
    assert (answer.model_version, context.code) == ("3", None)
    assert context.metadata == [("x-journeyman-version", "3")]


def test_refusals_have_the_code_of_their_cause_and_tell_nothing_of_the_models_own() -> None:
    _, context = called("ModelReady", messages.ModelReadyRequest(name="other"))
    assert (context.code, context.details) == (
        grpc.StatusCode.NOT_FOUND,
        "This service is 'service', with model 'model'.",
    )
    _, context = called("ModelReady", messages.ModelReadyRequest(name="model", version="4"))
    assert context.code == grpc.StatusCode.NOT_FOUND
    request = asking("x", "FP32", np.full((1, 2), 13, "float32"), raw=True)
    request.model_name = "model"
    answer, context = called("ModelInfer", request)
    assert (context.code, answer) == (grpc.StatusCode.INTERNAL, messages.ModelInferResponse())
    assert "secret" not in context.details
    _, context = called("ModelInfer", request, Limits(body=4))
    assert context.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_generated_files_are_what_the_protocols_file_gives(tmp_path: Path) -> None:
    targets = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "src", *targets, str(PROTO)]
    subprocess.run(command, cwd=ROOT, check=True)
    made, kept = (
        {path.name: path.read_text() for path in (folder / PROTO.parent).glob("*_pb2*") if path.is_file()}
        for folder in (tmp_path, ROOT / "src")
    )
    assert made.keys() == {f"{PROTO.stem}_pb2{ending}" for ending in (".py", ".pyi", "_grpc.py")}
    assert kept == made, "make grpc"
