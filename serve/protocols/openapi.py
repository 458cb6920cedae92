"""A service in OpenAPI 3.0, with its model's own schema and example, and the page that shows it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from mlflow.types import DataType, ParamSchema, Schema
from swagger_ui_bundle import swagger_ui_path

from journeyman.models.signature import Field, Signature
from journeyman.serve.protocols.inference_tensors import DATATYPES, datatype_of
from journeyman.serve.protocols.invocations import parse

_JSON = "application/json"
_SCORING = "MLflow's scoring protocol"
_OPEN_INFERENCE = "Open Inference Protocol"
_TYPES = {
    DataType.boolean: {"type": "boolean"},
    DataType.integer: {"type": "integer", "format": "int32"},
    DataType.long: {"type": "integer", "format": "int64"},
    DataType.float: {"type": "number", "format": "float"},
    DataType.double: {"type": "number", "format": "double"},
    DataType.string: {"type": "string"},
    DataType.binary: {"type": "string", "format": "byte"},
    DataType.datetime: {"type": "string", "format": "date-time"},
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="page"></div>
<script>{program}</script>
<script>SwaggerUIBundle({{
  spec: {spec}, dom_id: "#page", validatorUrl: null,
  docExpansion: "full", defaultModelsExpandDepth: -1, tryItOutEnabled: true
}})</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The service that is described."""

    service: str
    model: str
    version: str
    signature: Signature
    example: Mapping[str, Any] | None
    """A request body that the model answers."""


def openapi(described: Described) -> dict[str, Any]:
    """The document at `/<service>/openapi.json`."""
    model = f"model {described.model}, version {described.version}"
    return {
        "openapi": "3.0.3",
        "info": {
            "title": described.service,
            "version": described.version,
            "description": f"Answers with {model}.",
        },
        "servers": [{"url": f"/{described.service}"}],
        "paths": {
            "/invocations": {"post": _invocations(described)},
            "/": {"get": _told("What answers here, what it takes and gives", _SCORING)},
            f"/v2/models/{described.service}/infer": {"post": _infer(described)},
            f"/v2/models/{described.service}": {"get": _told("What it takes and gives", _OPEN_INFERENCE)},
        },
        "components": {
            "schemas": {
                "Refusal": _object({"error_code": {"type": "string"}, "message": {"type": "string"}}),
                "OpenInferenceRefusal": _object({"error": {"type": "string"}}),
            }
        },
    }


def page(document: Mapping[str, Any]) -> str:
    """The description as a page for people: one file that loads nothing from anywhere."""
    # Within a script, a tag in a string would end the script, or begin another.
    spec = orjson.dumps(document).decode().replace("<", "\\u003c")
    return _PAGE.format(
        title=document["info"]["title"],
        style=(swagger_ui_path / "swagger-ui.css").read_text(),
        program=(swagger_ui_path / "swagger-ui-bundle.js").read_text(),
        spec=spec,
    )


def _invocations(described: Described) -> dict[str, Any]:
    signature = described.signature
    request: dict[str, Any] = {"schema": _scoring_request(signature)}
    if described.example is not None:
        request["example"] = described.example
    return {
        "summary": "Predict",
        "tags": [_SCORING],
        "requestBody": {
            "required": True,
            "content": {_JSON: request, "text/csv": {"schema": {"type": "string"}}},
        },
        "responses": {
            "200": _response("The predictions", _object({"predictions": _predictions(signature.outputs)})),
            **_refusals("Refusal"),
        },
    }


def _infer(described: Described) -> dict[str, Any]:
    signature = described.signature
    taken = sorted({datatype_of(field.dtype) for field in signature.inputs})
    tensor = _object(
        {
            "name": {"type": "string", **_named(signature.inputs)},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string", "enum": taken or list(DATATYPES)},
            "data": {"type": "array", "items": {}},
        }
    )
    body = _object({"inputs": {"type": "array", "items": tensor, "minItems": 1}})
    body["properties"]["id"] = {"type": "string", "nullable": True}
    request: dict[str, Any] = {"schema": body}
    if described.example is not None and signature.inputs:
        request["example"] = {"inputs": _tensors(described.example, signature)}
    answer = _object(
        {"model_name": {"type": "string"}, "outputs": {"type": "array", "items": {"type": "object"}}}
    )
    return {
        "summary": "Predict",
        "tags": [_OPEN_INFERENCE],
        "requestBody": {"required": True, "content": {_JSON: request}},
        "responses": {"200": _response("The outputs", answer), **_refusals("OpenInferenceRefusal")},
    }


def _tensors(example: Mapping[str, Any], signature: Signature) -> list[dict[str, Any]]:
    arrays: Mapping[str, np.ndarray] = parse(orjson.dumps(example), None, signature).inputs
    return [
        {
            "name": name,
            "shape": list(array.shape),
            "datatype": datatype_of(array.dtype),
            "data": array.ravel().tolist(),
        }
        for name, array in arrays.items()
    ]


def _told(summary: str, tag: str) -> dict[str, Any]:
    responses = {"200": _response(summary, {"type": "object"})}
    return {"summary": summary, "tags": [tag], "responses": responses}


def _refusals(schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    words = {
        "400": "What was sent does not fit; the message says where",
        "413": "The body is too large",
        "415": "The body is of another type",
        "500": "The model failed",
    }
    return {status: _response(told, reference) for status, told in words.items()}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


# -- schemas -------------------------------------------------------------------------------------------


def _scoring_request(signature: Signature) -> dict[str, Any]:
    if signature.inputs:
        by_name = _object({field.name: _array(field) for field in signature.inputs})
        by_name["additionalProperties"] = False
        lone = [_array(signature.inputs[0])] if len(signature.inputs) == 1 else []
        schema = _object({"inputs": {"oneOf": [*lone, by_name]} if lone else by_name})
    elif signature.columns is not None:
        schema = _object(
            {"dataframe_records": {"type": "array", "minItems": 1, "items": _row(signature.columns)}}
        )
    else:
        schema = _object({"inputs": {}})
    if signature.params is not None:
        schema["properties"]["params"] = _params(signature.params)
    return schema


def _array(field: Field) -> dict[str, Any]:
    """Lists within lists, as deep as the tensor has dimensions."""
    schema = _element(field.dtype)
    if field.ends is not None:
        schema |= {"minimum": field.ends[0], "maximum": field.ends[1]}
    for dimension, size in reversed(list(enumerate(field.shape))):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
        elif dimension == 0:
            schema["minItems"] = 1
        least, most = field.limits.get(dimension, (0, None))
        if least:
            schema["minItems"] = least
        if most is not None:
            schema["maxItems"] = most
    return schema


def _element(dtype: np.dtype[Any]) -> dict[str, Any]:
    if dtype.kind == "b":
        return {"type": "boolean"}
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        if dtype.itemsize < 8:
            # What lies less than half a step above rounds down to it.
            step = largest - float(np.nextafter(np.finfo(dtype).max, dtype.type(0)))
            largest = math.nextafter(largest + step / 2, 0)
        return {"type": "number", "minimum": -largest, "maximum": largest}
    return {"type": "string"}


def _row(schema: Schema) -> dict[str, Any]:
    names = schema.input_names() if schema.has_input_names() else [str(i) for i in range(len(schema.inputs))]
    types = dict(zip(names, schema.inputs, strict=True))
    return {
        "type": "object",
        "properties": {name: _type_of(spec.type) for name, spec in types.items()},
        "required": [name for name, spec in types.items() if spec.required],
    }


def _type_of(kind: Any) -> dict[str, Any]:
    # MLflow's lists and objects have no hash.
    return dict(_TYPES[kind]) if isinstance(kind, DataType) and kind in _TYPES else {}


def _params(params: ParamSchema) -> dict[str, Any]:
    properties = {}
    for spec in params.params:
        kind = _type_of(spec.dtype)
        properties[spec.name] = kind if spec.shape is None else {"type": "array", "items": kind}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _predictions(outputs: Sequence[Field]) -> dict[str, Any]:
    """NaN and infinities are null, whatever the type."""
    if not outputs:
        return {}
    arrays = {field.name: _nullable(_array(field)) for field in outputs}
    return next(iter(arrays.values())) if len(arrays) == 1 else _object(arrays)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if schema["type"] == "array":
        return {"type": "array", "items": _nullable(schema["items"])}
    return {"type": schema["type"], "nullable": True}


def _named(fields: Sequence[Field]) -> dict[str, Any]:
    return {"enum": [field.name for field in fields]} if fields else {}
