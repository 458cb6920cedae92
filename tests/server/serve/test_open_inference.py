"""Requests and answers of the Open Inference Protocol, written and read by Triton's own client."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Object, Property
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import np_to_triton_dtype

from journeyman.models.signature import Field, Signature, read_signature
from journeyman.serve.protocols import invocations
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.open_inference import (
    Route,
    model_metadata,
    parse_infer,
    read_path,
    readiness,
    render_error,
    render_infer,
    server_metadata,
)

ROWS = Signature(
    inputs=(Field("x", np.dtype("float32"), (-1, 2)),), outputs=(Field("y", np.dtype("float32"), (-1, 2)),)
)
PAIR = Signature(
    inputs=(Field("a", np.dtype("int64"), (-1,)), Field("b", np.dtype("bool"), (-1,))),
    outputs=(Field("y", np.dtype("int64"), (-1,)), Field("z", np.dtype("float64"), (-1,))),
)
WORDS = Signature(inputs=(Field("text", np.dtype("O"), (-1,)),))
TABLE = Signature(
    columns=Schema(
        [
            ColSpec(DataType.long, "age"),
            ColSpec(DataType.string, "name"),
            ColSpec(DataType.binary, "picture"),
        ]
    )
)


def sent(
    arrays: dict[str, np.ndarray], binary: bool, outputs: list[Any] | None = None, **more: Any
) -> tuple[bytes, str | None]:
    """A body as Triton's client writes it, and its header."""
    inputs = []
    for name, array in arrays.items():
        tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    body, json_size = InferenceServerClient.generate_request_body(inputs, outputs=outputs, **more)
    return body, None if json_size is None else str(json_size)


def through(
    signature: Signature, outputs: dict[str, Any], body: bytes, json_size: str | None
) -> tuple[dict[str, Any], Any]:
    """What a request asks for as the client reads the answer: its JSON, and its arrays."""
    asked = parse_infer(body, json_size, signature)
    parts, size = render_infer(outputs, asked, "digits", "3")
    result = InferenceServerClient.parse_response_body(b"".join(parts), header_length=size)
    return result.get_response(), result


def refusal(signature: Signature, **document: Any) -> str:
    with pytest.raises(RequestError) as error:
        parse_infer(json.dumps(document).encode(), None, signature)
    assert error.value.status == 400
    return error.value.message


def one(**changed: Any) -> dict[str, Any]:
    """A request of one tensor."""
    data = {} if "parameters" in changed else {"data": [1.0, 2.0]}
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32"} | data | changed
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


@pytest.mark.parametrize("binary", [True, False])
def test_client_of_triton_gets_what_it_asks_for(binary: bool) -> None:
    arrays = {"a": np.array([1, 2**53 + 1], np.int64), "b": np.array([True, False])}
    body, json_size = sent(arrays, binary, request_id="42")
    inputs = parse_infer(body, json_size, PAIR).invocation.inputs
    assert inputs["a"].tolist() == [1, 2**53 + 1] and inputs["b"].tolist() == [True, False]
    assert inputs["a"].flags.writeable, "a model may work in place"
    answer, result = through(PAIR, {"y": arrays["a"], "z": np.array([0.5, math.nan])}, body, json_size)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("digits", "3", "42")
    assert [output["name"] for output in answer["outputs"]] == ["y", "z"]
    np.testing.assert_array_equal(result.as_numpy("y"), arrays["a"])
    np.testing.assert_array_equal(result.as_numpy("z"), [0.5, math.nan])


def test_outputs_come_as_and_in_the_order_in_which_they_are_wanted() -> None:
    wanted = [InferRequestedOutput("z", binary_data=False), InferRequestedOutput("y", binary_data=True)]
    body, json_size = sent({"a": np.array([1]), "b": np.array([True])}, True, wanted)
    answer, result = through(PAIR, {"y": np.array([7]), "z": np.array([0.5])}, body, json_size)
    z, y = answer["outputs"]
    assert (z["name"], z["data"], y["parameters"]) == ("z", [0.5], {"binary_data_size": 8})
    assert result.as_numpy("y").tolist() == [7]
    only, _ = through(
        PAIR,
        {"y": np.array([7]), "z": np.array([0.5])},
        *sent({"a": np.array([1]), "b": np.array([True])}, False, [InferRequestedOutput("y", False)]),
    )
    assert [output["name"] for output in only["outputs"]] == ["y"]


@given(
    array=hnp.arrays(
        st.sampled_from(["bool", "uint8", "int16", "int64", "float16", "float32", "float64"]).map(np.dtype),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    binary=st.booleans(),
)
def test_an_array_survives_the_way_there_and_back(array: np.ndarray, binary: bool) -> None:
    signature = Signature(inputs=(Field("x", array.dtype, (-1, *array.shape[1:])),))
    if array.dtype == np.float16 and not binary:
        return  # Triton's client has no half precision in JSON.
    asked = parse_infer(*sent({"x": array}, binary), signature)
    np.testing.assert_array_equal(asked.invocation.inputs["x"], array)
    parts, size = render_infer({"y": array}, asked, "digits", "3")
    result = InferenceServerClient.parse_response_body(b"".join(parts), header_length=size)
    got = result.as_numpy("y")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@given(st.lists(st.text(max_size=9), min_size=1, max_size=5), st.booleans())
def test_strings_survive_too(words: list[str], binary: bool) -> None:
    array = np.array(words, dtype=object)
    asked = parse_infer(*sent({"text": array}, binary), WORDS)
    assert asked.invocation.inputs["text"].tolist() == words
    parts, size = render_infer({"echo": array}, asked, "digits", "3")
    result = InferenceServerClient.parse_response_body(b"".join(parts), header_length=size)
    found = result.as_numpy("echo").tolist()
    assert [element.decode() if isinstance(element, bytes) else element for element in found] == words


def test_data_may_be_nested_or_flat_and_a_lone_input_needs_no_signature() -> None:
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4.0]]):
        body = json.dumps(one(shape=[2, 2], data=data)).encode()
        assert parse_infer(body, None, ROWS).invocation.inputs["x"].tolist() == [[1, 2], [3, 4]]
        lone = parse_infer(body, None, Signature()).invocation.inputs
        assert (lone.dtype, lone.tolist()) == (np.dtype("float32"), [[1, 2], [3, 4]])


def test_columns_of_lists_and_objects_have_metadata_too() -> None:
    columns = Schema(
        [ColSpec(Array(DataType.double), "signal"), ColSpec(Object([Property("a", DataType.long)]), "o")]
    )
    described = json.loads(model_metadata("m", "1", "mlflow_pyfunc", Signature(columns=columns)))
    assert described["inputs"] == [
        {"name": "signal", "datatype": "BYTES", "shape": [-1]},
        {"name": "o", "datatype": "BYTES", "shape": [-1]},
    ]


def test_columns_come_as_tensors_and_binary_ones_as_bytes() -> None:
    arrays = {
        "picture": np.array([b"\xff\x00", b"a"], dtype=object),
        "name": np.array([["ada"], ["bob"]], dtype=object),
        "age": np.array([36, 40], np.int64),
    }
    table = parse_infer(*sent(arrays, True), TABLE).invocation.inputs
    assert isinstance(table, pd.DataFrame)
    assert table.to_dict("list") == {"age": [36, 40], "name": ["ada", "bob"], "picture": [b"\xff\x00", b"a"]}
    described = json.loads(model_metadata("people", "1", "mlflow_pyfunc", TABLE))
    assert described["inputs"] == [
        {"name": "age", "datatype": "INT64", "shape": [-1]},
        {"name": "name", "datatype": "BYTES", "shape": [-1]},
        {"name": "picture", "datatype": "BYTES", "shape": [-1]},
    ]
    asked = parse_infer(*sent(arrays, True, [InferRequestedOutput("p", binary_data=False)]), TABLE)
    [part], _ = render_infer(pd.DataFrame({"p": [0.5, 1.0]}), asked, "people", "1")
    assert json.loads(part)["outputs"] == [
        {"name": "p", "datatype": "FP64", "shape": [2], "data": [0.5, 1.0]}
    ]


def test_parameters_are_the_models_params() -> None:
    params = ParamSchema([ParamSpec("beam", DataType.long, 1)])
    takes = Signature(inputs=ROWS.inputs, params=params)
    asked = parse_infer(json.dumps(one() | {"parameters": {"beam": 4}}).encode(), None, takes)
    assert asked.invocation.params == {"beam": 4}
    assert parse_infer(json.dumps(one()).encode(), None, takes).invocation.params == {"beam": 1}
    # Of another server's parameters nobody is told.
    assert parse_infer(json.dumps(one() | {"parameters": {"priority": 1}}).encode(), None, ROWS)
    assert "no param 'beem'. Did you mean 'beam'?" in refusal(takes, **one(), parameters={"beem": 4})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "inputs must be a list of tensors"),
        ({"inputs": []}, "inputs must be a list of tensors"),
        ({"inputs": [3]}, "inputs[0] must be an object"),
        (one(name=None), "inputs[0] must have a name of its own"),
        ({"inputs": one()["inputs"] * 2}, "inputs[1] must have a name of its own"),
        (one(name="y"), "inputs has an unknown input 'y'. It takes 'x'."),
        (one(datatype="FP31"), "inputs[0] must have a datatype, one of 'BOOL'"),
        (one(datatype="FP64"), "inputs[0] is FP64, and this input is FP32."),
        (one(shape=[1, -2]), "inputs[0] must have a shape"),
        (one(shape=[True, 2]), "inputs[0] must have a shape"),
        (one(shape=[1] * 65, data=[1.0]), "inputs[0] must have a shape, a list of sizes, 64 at most"),
        (one(shape=[1, 3], data=[1, 2, 3]), "inputs[0].data has shape [1, 3], and this model takes [any, 2]"),
        (one(shape=[2, 2]), "inputs[0].data holds 2 values, and its shape [2, 2] has 4"),
        (
            one(shape=[2, 2], data=[[[1, 2], [3, 4]]]),
            "inputs[0].data is neither flat nor of the shape [2, 2]",
        ),
        (one(shape=[2, 0], data=[]), "inputs[0].data has shape [2, 0], and this model takes [any, 2]."),
        (one(shape=[0, 2], data=[]), "inputs[0].data is empty: there is nothing to predict"),
        (one(data=None), "either 'data' or the parameter 'binary_data_size'"),
        (one(data=[1.0, "two"]), "inputs[0].data[1] is a string, and this input is float32"),
        (one(data=[1.0, False]), "inputs[0].data[1] is a boolean, and this input is float32"),
        (one(data=[1.0, None]), "inputs[0].data[1] is null"),
        (one(data=[1.0, 1e300]), "inputs[0].data holds a number beyond the range of float32"),
        (one(data={"a": 1}), "inputs[0].data must be a list"),
        (one(data=[1.0, 2.0], parameters=3), "inputs[0].parameters must be an object"),
        (one(parameters={"binary_data_size": 8}), "does not fit the 0 bytes that follow"),
        (one() | {"outputs": [{"name": "z"}]}, "This model has no output 'z'."),
        (one() | {"outputs": {}}, "outputs must be a list"),
        (one() | {"id": 4}, "id must be a string"),
        (one() | {"parameters": []}, "parameters must be an object"),
    ],
)
def test_request_that_does_not_fit_says_where(document: dict[str, Any], says: str) -> None:
    assert says in refusal(ROWS, **document)


@pytest.mark.parametrize(
    ("body", "json_size", "says"),
    [
        (b"{", None, "not valid JSON in UTF-8 (line 1, column 2)"),
        (b"[]", None, "must be a JSON object"),
        (b"{}", "3", "must be how many of the body's 2 bytes are JSON"),
        (b"{}", "-1", "must be how many"),
        (b"{}", "²", "must be how many"),
        (b"{}", "9" * 5000, "must be how many"),
    ],
)
def test_body_that_is_no_request_is_a_bad_request(body: bytes, json_size: str | None, says: str) -> None:
    with pytest.raises(RequestError) as error:
        parse_infer(body, json_size, ROWS)
    assert (error.value.status, says in error.value.message) == (400, True), error.value.message


@pytest.mark.parametrize(
    ("size", "tail", "says"),
    [
        (4, b"\0" * 4, "comes with 4 bytes, and its shape and datatype make 8"),
        (8, b"\0" * 9, "9 bytes follow the JSON, and the inputs name 8 of them"),
        (8, b"\0" * 7, "does not fit the 7 bytes"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(size: int, tail: bytes, says: str) -> None:
    head = json.dumps(one(parameters={"binary_data_size": size})).encode()
    with pytest.raises(RequestError) as error:
        parse_infer(head + tail, str(len(head)), ROWS)
    assert says in error.value.message


@pytest.mark.parametrize(
    ("tail", "says"),
    [
        (b"\x05\0\0\0ab", "the last of its strings is cut off"),
        (b"\x01\0", "the last of its strings is cut off"),
        (b"\x01\0\0\0\xff", "element 0 is not text in UTF-8"),
        (b"\x01\0\0\0a\x01\0\0\0b", "holds 2 strings, and its shape 1"),
    ],
)
def test_strings_that_are_none_are_refused(tail: bytes, says: str) -> None:
    tensor = one(name="text", shape=[1], datatype="BYTES", parameters={"binary_data_size": len(tail)})
    head = json.dumps(tensor).encode()
    with pytest.raises(RequestError) as error:
        parse_infer(head + tail, str(len(head)), WORDS)
    assert says in error.value.message


@given(st.binary(max_size=80), st.none() | st.integers(0, 90).map(str))
def test_any_body_is_a_request_or_a_refusal(body: bytes, json_size: str | None) -> None:
    try:
        parse_infer(body, json_size, ROWS)
    except RequestError as error:
        assert error.status == 400
        assert set(json.loads(render_error(error))) == {"error"}


def test_an_output_that_the_answer_does_not_have_is_the_callers_fault() -> None:
    with pytest.raises(RequestError) as unknown:
        named = parse_infer(json.dumps(one() | {"outputs": [{"name": "z"}]}).encode(), None, Signature())
        render_infer({"y": np.array([1])}, named, "digits", "3")
    assert (unknown.value.status, "It has 'y'." in unknown.value.message) == (400, True)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("", Route(None, None, "")),
        ("/health/live", Route(None, None, "live")),
        ("/health/ready", Route(None, None, "ready")),
        ("/models/digits", Route("digits", None, "")),
        ("/models/digits/ready", Route("digits", None, "ready")),
        ("/models/digits/infer", Route("digits", None, "infer")),
        ("/models/digits/versions/3", Route("digits", "3", "")),
        ("/models/digits/versions/3/ready", Route("digits", "3", "ready")),
        ("/models/digits/versions/3/infer", Route("digits", "3", "infer")),
    ],
)
def test_paths_of_the_protocol(path: str, route: Route) -> None:
    assert read_path(path) == route


@pytest.mark.parametrize(
    "path", ["/models", "/models/", "/health", "/models/a/predict", "/models/a/versions"]
)
def test_other_paths_are_404(path: str) -> None:
    with pytest.raises(RequestError) as error:
        read_path(path)
    assert error.value.status == 404


def test_metadata_tells_what_the_protocol_wants_told() -> None:
    assert json.loads(server_metadata("0.1.0")) == {
        "name": "journeyman",
        "version": "0.1.0",
        "extensions": ["binary_tensor_data"],
    }
    assert json.loads(model_metadata("digits", "3", "pytorch_pt2", ROWS)) == {
        "name": "digits",
        "versions": ["3"],
        "platform": "pytorch_pt2",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert json.loads(readiness(Route(None, None, "live"))) == {"live": True}
    assert json.loads(readiness(Route("digits", None, "ready"))) == {"name": "digits", "ready": True}


# -- parameters of other servers -----------------------------------------------------------------------

THRESHOLD = read_signature(
    ModelSignature(
        inputs=Schema([ColSpec("double", "x")]),
        params=ParamSchema([ParamSpec("threshold", "double", 0.5), ParamSpec("priority", "long", 0)]),
    )
)


@pytest.mark.parametrize(
    ("parameters", "params"),
    [
        ({}, {"threshold": 0.5, "priority": 0}),
        ({"content_type": "pd", "headers": {"a": "b"}, "timeout": 3}, {"threshold": 0.5, "priority": 0}),
        ({"content_type": "pd", "threshold": 0.05}, {"threshold": 0.05, "priority": 0}),
        ({"priority": 7, "triton_enable_empty_final_response": True}, {"threshold": 0.5, "priority": 7}),
    ],
)
def test_parameters_that_clients_of_other_servers_add_are_passed_over(
    parameters: dict[str, Any], params: dict[str, Any]
) -> None:
    column = {
        "name": "x",
        "datatype": "FP64",
        "shape": [2, 1],
        "data": [0.1, 0.9],
        "parameters": {"content_type": "np"},
    }
    body = json.dumps({"parameters": parameters, "inputs": [column]}).encode()
    assert parse_infer(body, None, THRESHOLD).invocation.params == params


def test_a_misspelt_parameter_is_told() -> None:
    column = {"name": "x", "datatype": "FP64", "shape": [1], "data": [0.1]}
    body = json.dumps({"parameters": {"treshold": 0.05}, "inputs": [column]}).encode()
    with pytest.raises(RequestError, match="no param 'treshold'. Did you mean 'threshold'"):
        parse_infer(body, None, THRESHOLD)


# -- answers of any form -------------------------------------------------------------------------------


class Tag(pydantic.BaseModel):
    text: str
    loud: bool


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (["a", "ä"], {"output": ("BYTES", [2], ["a", "ä"])}),
        ([{"text": "a", "n": 1}], {"output": ("BYTES", [1], ['{"text":"a","n":1}'])}),
        ([Tag(text="a", loud=True)], {"output": ("BYTES", [1], ['{"text":"a","loud":true}'])}),
        ([[1, 2], [3]], {"output": ("BYTES", [2], ["[1,2]", "[3]"])}),
        (["a", 1, True, None], {"output": ("BYTES", [4], ["a", "1", "true", "null"])}),
        ([["a", "b"], ["c", "d"]], {"output": ("BYTES", [2, 2], ["a", "b", "c", "d"])}),
        (
            {"label": ["a"], "scores": [[0.5, 0.5]]},
            {"label": ("BYTES", [1], ["a"]), "scores": ("FP64", [1, 2], [0.5, 0.5])},
        ),
        ({"found": [{"at": 3}, {}]}, {"found": ("BYTES", [2], ['{"at":3}', "{}"])}),
        (
            pd.DataFrame({"who": ["a", None], "when": pd.to_datetime(["2026-05-01"] * 2)}),
            {
                "who": ("BYTES", [2], ["a", "null"]),
                "when": ("BYTES", [2], ["2026-05-01T00:00:00.000000"] * 2),
            },
        ),
        (np.array(["a", "b"], dtype=object), {"output": ("BYTES", [2], ["a", "b"])}),
    ],
)
def test_answers_that_are_no_tensors_are_the_text_of_their_json(
    outputs: Any, expected: dict[str, tuple[str, list[int], list[Any]]]
) -> None:
    asked = parse_infer(body_of_rows(), None, ROWS)
    parts, _ = render_infer(outputs, replace(asked, outputs=None), "m", "1")
    found = json.loads(b"".join(parts))["outputs"]
    seen = {each["name"]: (each["datatype"], each["shape"], each["data"]) for each in found}
    when = seen.get("when")
    if when is not None:
        seen["when"] = (when[0], when[1], [text[:26] for text in when[2]])
    assert seen == expected


def body_of_rows() -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize("outputs", [object(), [object()], np.array([1j])])
def test_an_answer_that_json_cannot_hold_is_the_models_failure(outputs: Any) -> None:
    asked = parse_infer(body_of_rows(), None, ROWS)
    with pytest.raises(RequestError, match="is not a tensor") as caught:
        render_infer(outputs, asked, "m", "1")
    assert caught.value.status == 500


# -- types that predict declares -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DataType.string, DataType.double, DataType.datetime])
def test_a_null_is_the_callers_mistake_where_types_are_declared(kind: DataType) -> None:
    declared = ModelSignature(inputs=Schema([ColSpec(kind)]))
    body = json.dumps({"inputs": [None]}).encode()
    with pytest.raises(RequestError, match="holds null in row 1") as caught:
        invocations.parse(body, None, read_signature(declared, from_type_hints=True))
    assert caught.value.status == 400
    assert invocations.parse(body, None, read_signature(declared)).inputs.isna().all().all()
