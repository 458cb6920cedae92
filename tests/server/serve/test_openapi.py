"""The description of a service in OpenAPI, and its page."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import orjson
import pytest
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Object, Property

from journeyman.models.signature import Field, Signature
from journeyman.serve.protocols import invocations, open_inference
from journeyman.serve.protocols.openapi import Described, openapi, page

FLOAT = np.dtype("float32")
TENSORS = Signature(
    inputs=(Field("pixels", FLOAT, (-1, 2)),),
    outputs=(Field("scores", FLOAT, (-1, 3)),),
    params=ParamSchema([ParamSpec("beam", DataType.long, 1)]),
)
COLUMNS = Signature(
    columns=Schema([ColSpec(DataType.long, "age"), ColSpec(DataType.string, "city", required=False)])
)
EXAMPLE = {"inputs": [[0.5, 1.0]]}


def described(signature: Signature, example: dict[str, Any] | None = None) -> dict[str, Any]:
    document = openapi(
        Described(service="digits", model="numbers", version="3", signature=signature, example=example)
    )
    found: dict[str, Any] = json.loads(orjson.dumps(document))
    return found


def request_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return found


def test_description_has_the_models_own_schema() -> None:
    document = described(TENSORS, EXAMPLE)
    assert document["servers"] == [{"url": "/digits"}]
    assert document["info"]["description"] == "Answers with model numbers, version 3."
    properties = request_of(document, "/invocations")["schema"]["properties"]
    lone, by_name = properties["inputs"]["oneOf"]
    row = {"type": "array", "minItems": 2, "maxItems": 2, "items": lone["items"]["items"]}
    assert lone == {"type": "array", "minItems": 1, "items": row}
    largest = lone["items"]["items"]["maximum"]
    assert largest == pytest.approx(3.4028e38, rel=1e-4)
    with np.errstate(over="ignore"):
        assert np.isfinite(np.float32(largest))
        assert np.isinf(np.float32(math.nextafter(largest, math.inf)))
    assert by_name["properties"] == {"pixels": lone}
    assert properties["params"]["properties"] == {"beam": {"type": "integer", "format": "int64"}}
    answer = document["paths"]["/invocations"]["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"]["properties"]["predictions"] == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "number", "nullable": True}},
    }


def test_columns_are_rows_of_an_object() -> None:
    records = request_of(described(COLUMNS), "/invocations")["schema"]["properties"]["dataframe_records"]
    assert records["items"] == {
        "type": "object",
        "properties": {"age": {"type": "integer", "format": "int64"}, "city": {"type": "string"}},
        "required": ["age"],
    }
    assert "example" not in request_of(described(COLUMNS), "/invocations")


def test_columns_of_lists_and_objects_are_anything() -> None:
    entry = Object([Property("a", DataType.long)])
    columns = Schema(
        [ColSpec(Array(DataType.double), "signal"), ColSpec(entry, "o"), ColSpec(DataType.long, "n")]
    )
    row = described(Signature(columns=columns))
    assert '"signal": {}' in json.dumps(row) and '"o": {}' in json.dumps(row)


def test_examples_are_requests_that_are_understood() -> None:
    document = described(TENSORS, EXAMPLE)
    scoring = request_of(document, "/invocations")["example"]
    assert invocations.parse(orjson.dumps(scoring), None, TENSORS).inputs["pixels"].tolist() == [[0.5, 1.0]]
    infer = request_of(document, "/v2/models/digits/infer")["example"]
    asked = open_inference.parse_infer(orjson.dumps(infer), None, TENSORS)
    assert asked.invocation.inputs["pixels"].tolist() == [[0.5, 1.0]]


def test_page_is_one_file_and_no_example_ends_its_script() -> None:
    example = {"inputs": ["</script><!--<script>alert(1)</script>"]}
    document = described(Signature(), example)
    text = page(document)
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:)", text) == []
    spec = text.partition("SwaggerUIBundle({\n  spec: ")[2].partition(', dom_id: "#page"')[0]
    assert "<" not in spec and json.loads(spec) == document
