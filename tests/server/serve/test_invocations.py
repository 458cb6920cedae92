"""MLflow's scoring protocol: what is understood, what is refused and how it says so, what is answered."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, DataType

from journeyman.models.signature import Field, Signature, read_signature
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.invocations import parse, render, render_error

FLOAT = np.dtype("float32")


def tensor(dtype: str, *shape: int) -> Signature:
    field = Field("input", np.dtype(dtype), shape)
    return Signature(inputs=(field,), bare_input=True)


BARE = tensor("float32", -1, 4)
NAMED = Signature(inputs=(Field("pixels", FLOAT, (-1, 4)),))
TWO = Signature(inputs=(Field("pixels", FLOAT, (-1, 4)), Field("weights", np.dtype("int64"), (-1, 2))))
COLUMNS = read_signature(
    ModelSignature(
        inputs=Schema(
            [
                ColSpec("double", "age"),
                ColSpec("integer", "visits"),
                ColSpec("string", "city", required=False),
                ColSpec("boolean", "member", required=False),
                ColSpec("datetime", "since", required=False),
                ColSpec("binary", "photo", required=False),
                ColSpec("float", "weight", required=False),
            ]
        )
    )
)
LISTS = read_signature(ModelSignature(inputs=Schema([ColSpec(Array(DataType.double), "signal")])))
NAMELESS = read_signature(ModelSignature(inputs=Schema([ColSpec("double"), ColSpec("double")])))
ANYTHING = read_signature(None)
PARAMS = read_signature(
    ModelSignature(
        inputs=Schema([TensorSpec(FLOAT, (-1, 4))]), params=ParamSchema([ParamSpec("beam", "long", 1)])
    )
)
ROW: list[float] = [1, 2.5, 3, 4]
ROWS: list[list[float]] = [[1, 2.5, 3, 4], [5, 6, 7, 8]]


def body(**document: Any) -> bytes:
    return json.dumps(document).encode()


def refusal(content: bytes, signature: Signature, content_type: str | None = None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(content, content_type, signature)
    return caught.value


# -- understood ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        body(inputs=ROWS),
        body(inputs={"input": ROWS}),
        body(instances=ROWS),
        body(instances=[{"input": row} for row in ROWS]),
        body(dataframe_split={"columns": ["a", "b", "c", "d"], "data": ROWS}),
        body(dataframe_split={"columns": [0, 1, 2, 3], "index": [7, 8], "data": ROWS}),
        body(dataframe_split={"data": ROWS}),
        body(dataframe_records=[dict(zip("abcd", row, strict=True)) for row in ROWS]),
        body(inputs=ROWS, signature_name="serving_default", client_request_id="7"),
        body(inputs=ROWS, params=None),
        body(inputs=ROWS, params={}),
        b' {"inputs" : [[1, 2.5, 3, 4], [5, 6, 7, 8]]} ',
        b'{"note \\"\\u00e9\\"": "\\"", "inputs": [[1, 2.5, 3, 4], [5, 6, 7, 8]]}',
    ],
)
def test_parse_of_every_form_gives_the_same_array(content: bytes) -> None:
    invocation = parse(content, None, BARE)
    assert list(invocation.inputs) == ["input"]
    assert invocation.inputs["input"].dtype == FLOAT
    np.testing.assert_array_equal(invocation.inputs["input"], np.array(ROWS, FLOAT))
    assert invocation.params is None


@pytest.mark.parametrize(
    "content",
    [
        body(inputs={"pixels": ROWS, "weights": [[1, 2], [3, 4]]}),
        body(inputs={"weights": [[1.0, 2.0], [3.0, 4.0]], "pixels": ROWS}),
        body(instances=[{"pixels": ROWS[0], "weights": [1, 2]}, {"weights": [3, 4], "pixels": ROWS[1]}]),
    ],
)
def test_parse_of_several_inputs_gives_them_in_the_signatures_order(content: bytes) -> None:
    inputs = parse(content, None, TWO).inputs
    assert list(inputs) == ["pixels", "weights"]
    np.testing.assert_array_equal(inputs["pixels"], np.array(ROWS, FLOAT))
    np.testing.assert_array_equal(inputs["weights"], [[1, 2], [3, 4]])
    assert inputs["weights"].dtype == np.int64


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf8"; x=1',
        "application/json; format=pandas-split",
    ],
)
def test_parse_takes_json_under_every_name_it_has(content_type: str | None) -> None:
    assert parse(body(inputs=ROWS), content_type, BARE).inputs["input"].shape == (2, 4)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("int64", [2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ("int32", [1.0, 2], [1, 2]),
        ("uint8", [0, 255], [0, 255]),
        ("bool", [True, False], [True, False]),
        ("float64", [1, 2**60], [1.0, 2.0**60]),
        ("float16", [65504, 1e-9], [65504, 0]),
        ("str", ["a", "ä"], ["a", "ä"]),
    ],
)
def test_parse_gives_the_dtype_of_the_signature(dtype: str, value: list[Any], expected: list[Any]) -> None:
    array = parse(body(inputs=value), None, tensor(dtype, -1)).inputs["input"]
    assert array.tolist() == expected


def test_parse_takes_any_size_where_the_signature_says_so() -> None:
    assert parse(body(inputs=[[[1], [2]]]), None, tensor("float32", -1, -1, 1)).inputs["input"].shape == (
        1,
        2,
        1,
    )
    assert parse(body(inputs=3), None, tensor("float32")).inputs["input"].shape == ()


def test_parse_checks_params_and_fills_in_those_left_out() -> None:
    assert parse(body(inputs=ROWS, params={"beam": 4}), None, PARAMS).params == {"beam": 4}
    assert parse(body(inputs=ROWS), None, PARAMS).params == {"beam": 1}


@pytest.mark.parametrize(
    "content",
    [
        body(dataframe_split={"columns": ["age", "visits"], "data": [[31, 2], [None, 3]]}),
        body(dataframe_split={"columns": ["visits", "id", "age"], "data": [[2, "x", 31], [3, "y", None]]}),
        body(dataframe_records=[{"age": 31, "visits": 2}, {"visits": 3.0, "age": None}]),
        body(instances=[{"age": 31, "visits": 2}, {"visits": 3, "age": None}]),
        body(inputs={"age": [31, None], "visits": [2, 3]}),
    ],
)
def test_parse_of_columns_gives_a_table_of_the_declared_types(content: bytes) -> None:
    table = parse(content, None, COLUMNS).inputs
    assert [str(dtype) for dtype in table[["age", "visits"]].dtypes] == ["float64", "int32"]
    assert set(table.columns) == {"age", "visits"}
    assert table["visits"].tolist() == [2, 3]
    assert table["age"].isna().tolist() == [False, True]


def test_parse_of_columns_reads_text_dates_and_bytes() -> None:
    row = {
        "age": 1,
        "visits": 2,
        "city": "Ulm",
        "member": True,
        "since": "2024-05-06",
        "photo": "aGk=",
        "weight": 1,
    }
    table = parse(body(inputs=row), None, COLUMNS).inputs
    assert table["city"].tolist() == ["Ulm"]
    assert table["member"].tolist() == [True]
    assert table["since"].tolist() == [pd.Timestamp("2024-05-06")]
    assert table["photo"].tolist() == [b"hi"]
    assert str(table["weight"].dtype) == "float32"


def test_parse_of_columns_without_names_counts_them() -> None:
    assert parse(body(inputs=[[1, 2], [3, 4]]), None, NAMELESS).inputs.shape == (2, 2)
    assert "has 3 columns where this model takes 2" in refusal(body(inputs=[[1, 2, 3]]), NAMELESS).message


def test_parse_of_columns_of_lists_takes_numbers_and_names_what_is_none() -> None:
    table = parse(body(dataframe_records=[{"signal": [1, 2.5]}]), None, LISTS).inputs
    assert list(table["signal"][0]) == [1, 2.5]
    told = refusal(body(dataframe_records=[{"signal": "x"}]), LISTS).message
    assert told.endswith("column 'signal' holds 'x' in row 1, which is text, and this model takes a list.")


def test_parse_without_a_signature_gives_what_mlflow_reads() -> None:
    assert parse(body(inputs=ROWS), None, ANYTHING).inputs.shape == (2, 4)
    assert list(parse(body(inputs={"a": [1]}), None, ANYTHING).inputs) == ["a"]
    assert parse(body(dataframe_split={"data": ROWS}), None, ANYTHING).inputs.shape == (2, 4)


@pytest.mark.parametrize("content_type", ["text/csv", "TEXT/CSV; charset=utf-8"])
def test_parse_of_csv_gives_what_json_would(content_type: str) -> None:
    assert parse(b"a,b,c,d\n1,2.5,3,4\n5,6,7,8\n", content_type, BARE).inputs["input"].tolist() == ROWS
    text = b"age,visits,city,since,photo\n,2,00123,2024-05-06,aGk=\n1,3,Ulm,,aGk=\n"
    table = parse(text, content_type, COLUMNS).inputs
    assert table["age"].isna().tolist() == [True, False]
    assert (table["visits"].tolist(), table["city"].tolist()) == ([2, 3], ["00123", "Ulm"])
    assert (table["since"][0], table["photo"][0]) == (pd.Timestamp("2024-05-06"), b"hi")
    assert parse(b"x,y\n1,2\n", content_type, NAMELESS).inputs.shape == (1, 2)
    assert parse(b"x,y\n1,2\n", content_type, ANYTHING).inputs.to_dict("list") == {"x": [1], "y": [2]}


@pytest.mark.parametrize(
    ("content", "signature", "says"),
    [
        (b"", BARE, "is not CSV in UTF-8 with the names of the columns"),
        (b'a,b\n"1,2\n', BARE, "is not CSV in UTF-8"),
        (b"a\n\xff\n", COLUMNS, "is not CSV in UTF-8"),
        (b"a,b,c,d\n", BARE, "csv is empty"),
        (b"a,b\n1,2\n", BARE, "csv has 2 columns where this model takes 4"),
        (b"a,b,c,d\n1,2.5,true,4\n", BARE, "csv[0][2] is a boolean, and this input is float32"),
        (b"a,b,c,d\n1,2,three,4\n", BARE, "column 'c' does not hold numbers throughout"),
        (b"a,b,c,d\n1,2,,4\n", BARE, "column 'c' has a cell without a value"),
        (b"a,b,c,d\n1,2,3,4\n", TWO, "do not fit a table"),
        (b"age\n1\n", COLUMNS, "csv lacks column 'visits'"),
        (b"age,visits\n1,2.5\n", COLUMNS, "column 'visits' holds 2.5 in row 1, which is no whole number"),
        (
            b"age,visits,since\n1,2,soon\n",
            COLUMNS,
            "csv: column 'since' holds 'soon' in row 1, which is not a date in ISO 8601",
        ),
        (
            b"age,visits,photo\n1,2,aGk=\n1,2,\n",
            COLUMNS,
            "csv: column 'photo' holds null in row 2, and a binary cannot be missing",
        ),
    ],
)
def test_csv_that_does_not_fit_says_where(content: bytes, signature: Signature, says: str) -> None:
    error = refusal(content, signature, "text/csv")
    assert (error.status, says in error.message) == (400, True), error.message


# -- refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/vnd.apache.parquet", "application/json; charset=latin-1", "json", ";"],
)
def test_parse_of_another_content_type_is_415(content_type: str) -> None:
    error = refusal(body(inputs=ROWS), BARE, content_type)
    assert (error.status, error.error_code) == (415, "BAD_REQUEST")
    assert "JSON" in error.message or "UTF-8" in error.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON in UTF-8 (line 1, column 1). It is empty."),
        (b"  ", "It is empty."),
        (b'{"inputs": [[1,\n2}', "(line 2, column 2)"),
        (b'{"inputs": [NaN]}', "JSON has no NaN and no Infinity."),
        (b'{"inputs": [-Infinity]}', "JSON has no NaN and no Infinity."),
        (b'{"inputs": [1e999]}', "not valid JSON"),
        (b'{"inputs": "\xff"}', "not valid JSON in UTF-8"),
        (b"[" * 5000, "not valid JSON"),
        (b"[[1, 2]]", "must be a JSON object with one of 'inputs', 'instances'"),
        (b"null", "must be a JSON object"),
        (b"{}", "must have one of the keys 'inputs'"),
        (body(data=[1]), "must have one of the keys 'inputs'"),
        (body(input=ROWS), "Unknown key 'input': did you mean 'inputs'?"),
        (body(inputs=ROWS, parms={}), "Unknown key 'parms': did you mean 'params'?"),
        (body(inputs=ROWS, instances=ROWS), "Only one of 'inputs', 'instances' may be given."),
    ],
)
def test_parse_of_a_malformed_body_is_a_bad_request(content: bytes, says: str) -> None:
    error = refusal(content, BARE)
    assert (error.status, error.error_code) == (400, "BAD_REQUEST")
    assert says in error.message


@pytest.mark.parametrize(
    ("signature", "content", "says"),
    [
        # names
        (BARE, body(inputs={"x": ROWS}), "unknown input 'x'. It takes 'input'"),
        (NAMED, body(inputs={"pixel": ROWS}), "unknown input 'pixel'. Did you mean 'pixels'?"),
        (NAMED, body(inputs={}), "inputs lacks 'pixels'"),
        (TWO, body(inputs={"pixels": ROWS}), "inputs lacks 'weights'"),
        (TWO, body(inputs=ROWS), "several inputs: inputs must name 'pixels', 'weights'"),
        (TWO, body(instances=ROWS), "several inputs: instances must name"),
        (TWO, body(instances=[{"pixels": ROW, "weights": [1, 2]}, {"pixels": ROW}]), "instances[1] lacks"),
        (TWO, body(instances=[{"pixels": ROW, "weights": [1, 2]}, 3]), "instances[1] must be an object"),
        (NAMED, body(inputs={"p" * 500: ROWS}), f"'{'p' * 40}…'"),
        # forms
        (BARE, body(instances={"input": ROWS}), "instances must be a list of rows"),
        (BARE, body(instances=[]), "instances is empty"),
        (BARE, body(inputs=[]), "inputs is empty"),
        (BARE, body(dataframe_split=ROWS), "dataframe_split must be an object with a list 'data'"),
        (BARE, body(dataframe_split={"data": []}), "dataframe_split.data is empty"),
        (BARE, body(dataframe_split={"data": ROWS, "column": []}), "has no key 'column'"),
        (BARE, body(dataframe_split={"data": ROWS, "columns": 4}), "columns must be a list"),
        (
            BARE,
            body(dataframe_split={"data": ROWS, "columns": ["a"]}),
            "has 1 columns where this model takes 4",
        ),
        (BARE, body(dataframe_records=[1]), "dataframe_records must be a list of objects"),
        (
            BARE,
            body(dataframe_records=[{"a": 1}, {"b": 1}]),
            "dataframe_records[1] does not have the columns",
        ),
        (TWO, body(dataframe_split={"data": ROWS}), "send 'inputs' instead of 'dataframe_split'"),
        (tensor("float32", -1), body(dataframe_split={"data": ROWS}), "do not fit a table"),
        # shapes
        (BARE, body(inputs=ROW), "has shape [4], and this model takes [any, 4]. A single sample"),
        (BARE, body(inputs=[ROW[:3]]), "this model takes [any, 4]. The fixed sizes are those of the example"),
        (BARE, body(inputs=[ROWS]), "inputs has shape [1, 2, 4]"),
        (BARE, body(inputs=7), "inputs has shape []"),
        (BARE, body(inputs=[[]]), "inputs has shape [1, 0]"),
        (NAMED, body(inputs={"pixels": [ROW, ROW[:3]]}), "inputs.pixels"),
        (BARE, body(inputs=[ROW, ROW[:3]]), "not rectangular: [1] has 3 values where [0] has 4"),
        (BARE, body(inputs=[ROW, 3]), "not rectangular: [1] mixes lists and values"),
        (BARE, body(inputs=json.loads("[" * 200 + "1" + "]" * 200)), "nested too deep"),
        (TWO, body(inputs={"pixels": ROWS, "weights": [[1, 2]]}), "number of rows: pixels 2, weights 1"),
        # values
        (BARE, body(inputs=[[1, 2, 3, None]]), "inputs[0][3] is null"),
        (BARE, body(inputs=[[1, 2, 3, "4"]]), "inputs[0][3] is a string, and this input is float32"),
        (BARE, body(inputs=[["1", "2", "3", "4"]]), "inputs[0][0] is a string"),
        (BARE, body(inputs="1234"), "inputs is a string"),
        (BARE, body(dataframe_split={"data": [["1", 2, 3, 4]]}), "[0][0] is a string"),
        (BARE, body(dataframe_split={"columns": [0, 1, 2, 3], "data": [["1", "2", 3, 4]]}), "is a string"),
        (BARE, body(dataframe_records=[{"a": "1", "b": 2, "c": 3, "d": 4}]), "[0][0] is a string"),
        (BARE, body(inputs=[[1, 2, 3, {"a": 4}]]), "inputs[0][3] is an object"),
        (BARE, body(inputs=[[True, True, False, False]]), "[0][0] is a boolean, and this input is float32"),
        (BARE, body(inputs=[[1, 2.5, True, 4]]), "inputs[0][2] is a boolean, and this input is float32"),
        (tensor("int32", -1), body(inputs=[0, False]), "inputs[1] is a boolean, and this input is int32"),
        (tensor("bool", -1), body(inputs=[True, 1]), "this input is boolean: send true and false"),
        (BARE, body(inputs=[[1, 2, 3, 1e300]]), "beyond the range of float32"),
        (tensor("int32", -1), body(inputs=[1.5]), "holds a fraction, and this input is int32"),
        (tensor("int32", -1), body(inputs=[2**31]), "beyond the range of int32"),
        (tensor("int64", -1), body(inputs=[2.0**63]), "beyond the range of int64"),
        (tensor("int64", -1), body(inputs=[2**63]), "beyond the range of int64"),
        (tensor("uint8", -1), body(inputs=[-1]), "beyond the range of uint8"),
        (tensor("bool", -1), body(inputs=[1]), "this input is boolean: send true and false"),
        (tensor("str", -1), body(inputs=["a", 1]), "inputs[1] is not a string"),
        (tensor("str", -1, 2), body(inputs=[["a"], ["b", "c"]]), "not rectangular: [1] has 2"),
        (tensor("str", -1), body(inputs=[]), "inputs is empty"),
        (tensor("datetime64[ns]", -1), body(inputs=[1]), "datetime64[ns] cannot be sent as JSON"),
        # params
        (BARE, body(inputs=ROWS, params={"beam": 1}), "takes no params"),
        (BARE, body(inputs=ROWS, params=[1]), "params must be an object"),
        (PARAMS, body(inputs=ROWS, params={"beem": 1}), "no param 'beem'. Did you mean 'beam'?"),
        (
            PARAMS,
            body(inputs=ROWS, params={"beam": "wide"}),
            "The params do not fit those of this model: 'beam'",
        ),
        # columns
        (
            COLUMNS,
            body(dataframe_records=[{"agee": 1, "visits": 2}]),
            "lacks column 'age'. Did you mean it by 'agee'?",
        ),
        (COLUMNS, body(inputs={"age": [1]}), "inputs lacks column 'visits'. This model takes 'age' (double)"),
        (
            COLUMNS,
            body(inputs={"age": ["1"], "visits": [2]}),
            "column 'age' holds '1' in row 1, which is text, and this model takes double",
        ),
        (
            COLUMNS,
            body(inputs={"age": [True], "visits": [2]}),
            "column 'age' holds true in row 1, which is a boolean",
        ),
        (COLUMNS, body(inputs={"age": [1], "visits": [2.5]}), "column 'visits' holds 2.5 in row 1"),
        (COLUMNS, body(inputs={"age": [1, 2], "visits": [2, None]}), "column 'visits' holds null"),
        (
            COLUMNS,
            body(inputs={"age": [1], "visits": [2**31]}),
            "column 'visits' holds 2147483648 in row 1, which is beyond the range",
        ),
        (
            COLUMNS,
            body(inputs={"age": [1], "visits": [1], "member": ["false"]}),
            "column 'member' holds 'false' in row 1, which is text",
        ),
        (
            COLUMNS,
            body(inputs={"age": [1], "visits": [1], "city": [3]}),
            "column 'city' holds 3 in row 1, which is a number",
        ),
        (
            COLUMNS,
            body(inputs={"age": [1], "visits": [1], "weight": [1e300]}),
            "column 'weight' holds 1e+300 in row 1, which is beyond the range of float",
        ),
        (
            COLUMNS,
            body(inputs={"age": [1], "visits": [1], "since": ["noon"]}),
            "column 'since' holds 'noon' in row 1, which is not a date in ISO 8601",
        ),
        (COLUMNS, body(inputs={"age": [1, 2], "visits": [1]}), "does not have the form of a table"),
        (COLUMNS, body(dataframe_records=[]), "dataframe_records is empty"),
        (
            COLUMNS,
            body(dataframe_split={"data": [[1]], "columns": ["a", "b"]}),
            "data[0] has 1 values where 2",
        ),
        (COLUMNS, body(dataframe_split=3), "must be an object with a list 'data'"),
        (
            ANYTHING,
            body(dataframe_split={"rows": []}),
            "dataframe_split must be an object with a list 'data'",
        ),
    ],
)
def test_parse_of_data_that_do_not_fit_says_where(signature: Signature, content: bytes, says: str) -> None:
    error = refusal(content, signature)
    assert (error.status, error.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert says in error.message


def test_parse_of_one_long_string_among_many_numbers_takes_no_more_memory_than_the_body() -> None:
    # As an array of strings this would be 200,000 strings of 200,000 characters: 160 GB.
    error = refusal(body(inputs=[*range(200_000), "x" * 200_000]), tensor("float32", -1))
    assert error.message == "inputs[200000] is a string, and this input is float32."


SIGNATURES = [BARE, NAMED, TWO, tensor("int8", -1), tensor("bool", -1), tensor("str", -1), PARAMS]
SIGNATURES += [COLUMNS, LISTS, NAMELESS, ANYTHING]
SECRET = "s3cr3t-0f-th3-c4ll3r"
KEYS = st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "params", "other"])
NAMES = st.sampled_from(["input", "pixels", "weights", "data", "columns", "index", "age", "visits", "city"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(SECRET),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=3))
)
ROWS_LIKE = st.lists(st.lists(LEAVES, min_size=4, max_size=4), max_size=3)
BODIES = st.one_of(
    st.dictionaries(KEYS, st.one_of(VALUES, ROWS_LIKE), max_size=2).map(orjson.dumps),
    VALUES.map(orjson.dumps),
    st.binary(max_size=40),
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pandas guesses at the format of dates, and says so
@settings(max_examples=600, deadline=None)
@given(content=BODIES, signature=st.sampled_from(SIGNATURES))
def test_parse_of_any_body_fits_the_signature_or_is_a_refusal_without_the_callers_data(
    content: bytes, signature: Signature
) -> None:
    try:
        invocation = parse(content, None, signature)
    except RequestError as error:
        assert error.status == 400
        assert SECRET not in error.message
        assert orjson.loads(render_error(error)) == {
            "error_code": error.error_code,
            "message": error.message,
        }
        return
    for field in signature.inputs:
        array = invocation.inputs[field.name]
        assert array.dtype == (object if field.dtype.kind == "U" else field.dtype)
        assert len(array.shape) == len(field.shape)
        assert all(wanted in (-1, size) for wanted, size in zip(field.shape, array.shape, strict=True))


DTYPES = st.sampled_from(["float32", "float64", "float16", "int8", "int64", "uint64", "bool"])


@settings(max_examples=200, deadline=None)
@given(data=st.data(), dtype=DTYPES, shape=hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
def test_an_array_survives_the_way_through_a_request_and_an_answer(
    data: st.DataObject, dtype: str, shape: tuple[int, ...]
) -> None:
    kind = np.dtype(dtype)
    # Of the dtypes here, only those of floats heed the limits.
    elements = hnp.from_dtype(kind, allow_nan=False, allow_infinity=False)
    array = data.draw(hnp.arrays(kind, shape, elements=elements))
    signature = Signature(
        inputs=(Field("input", kind, (-1, *shape[1:])),),
        outputs=(Field("output", kind, (-1, *shape[1:])),),
        bare_input=True,
        bare_output=True,
    )

    asked = parse(body(inputs=array.tolist()), None, signature).inputs["input"]
    answered = orjson.loads(render({"output": asked}, signature))["predictions"]

    np.testing.assert_array_equal(asked, array)
    np.testing.assert_array_equal(np.array(answered, dtype=kind).reshape(shape), array)


# -- answered ------------------------------------------------------------------------------------------

BARE_OUTPUT = Signature(outputs=(Field("output", FLOAT, (-1, 2)),), bare_output=True)
NAMED_OUTPUT = Signature(outputs=(Field("output", FLOAT, (-1, 2)),))


@pytest.mark.parametrize(
    ("outputs", "signature", "expected"),
    [
        ({"output": np.ones((1, 2), FLOAT)}, BARE_OUTPUT, b"[[1.0,1.0]]"),
        ({"output": np.ones((1, 2), FLOAT)}, NAMED_OUTPUT, b'{"output":[[1.0,1.0]]}'),
        ({"output": np.ones((1, 2), FLOAT)}, Signature(), b"[[1.0,1.0]]"),
        ({"scores": np.ones(1, FLOAT)}, Signature(), b'{"scores":[1.0]}'),
        ({"a": np.array([1]), "b": np.array([True])}, Signature(), b'{"a":[1],"b":[true]}'),
        ({"output": np.array([np.nan, np.inf, -np.inf, 1], FLOAT)}, BARE_OUTPUT, b"[null,null,null,1.0]"),
        ({"output": np.array([0.5], np.float16)}, BARE_OUTPUT, b"[0.5]"),
        ({"output": np.array(2.5)}, BARE_OUTPUT, b"2.5"),
        ({"output": np.arange(6).reshape(2, 3).T}, BARE_OUTPUT, b"[[0,3],[1,4],[2,5]]"),
        ({"output": np.array([1], ">i4")}, BARE_OUTPUT, b"[1]"),
        ({"output": np.array(["a", None], object)}, BARE_OUTPUT, b'["a",null]'),
        ({"output": np.array(["ja"])}, BARE_OUTPUT, b'["ja"]'),
        ({"output": np.zeros((0, 2))}, BARE_OUTPUT, b"[]"),
        (pd.DataFrame({"p": [0.5, np.nan]}), Signature(), b'[{"p":0.5},{"p":null}]'),
        (pd.DataFrame({1: [pd.Timestamp("2024-05-06")]}), Signature(), b'[{"1":"2024-05-06T00:00:00"}]'),
        (pd.Series([1, 2]), Signature(), b"[1,2]"),
        ([{"text": "ja"}, np.int64(3), np.ones(1)], Signature(), b'[{"text":"ja"},3,[1.0]]'),
        ([pd.NaT, pd.NA, b"hi", float("nan")], Signature(), b'[null,null,"aGk=",null]'),
        ("ja", Signature(), b'"ja"'),
    ],
)
def test_render_writes_valid_json(outputs: Any, signature: Signature, expected: bytes) -> None:
    assert render(outputs, signature) == b'{"predictions":' + expected + b"}"


@pytest.mark.parametrize("outputs", [object(), {"output": np.array([1j])}, [2**70]])
def test_render_of_what_json_cannot_hold_is_an_error_that_names_the_type(outputs: Any) -> None:
    with pytest.raises(RequestError, match=f"a {type(outputs).__name__}, cannot be written") as caught:
        render(outputs, Signature())
    assert caught.value.status == 500


def test_request_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(RequestError("no", status=415, error_code="OTHER")))
    assert (error.status, error.error_code, error.message) == (415, "OTHER", "no")


def test_read_signature_knows_tensors_from_columns() -> None:
    declared = ModelSignature(
        inputs=Schema([TensorSpec(FLOAT, (-1, 4))]), outputs=Schema([TensorSpec(FLOAT, (-1, 2), "scores")])
    )
    signature = read_signature(declared)
    assert signature.inputs == (Field("input", FLOAT, (-1, 4)),) and signature.bare_input
    assert signature.outputs == (Field("scores", FLOAT, (-1, 2)),) and not signature.bare_output
    assert signature.columns is None
    assert COLUMNS.inputs == () and COLUMNS.columns is not None
