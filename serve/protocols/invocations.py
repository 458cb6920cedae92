"""MLflow's scoring protocol: the body of a POST to /invocations read, and its answer written.

Pure. `{"inputs": …}`, `{"instances": […]}`, `{"dataframe_split": {…}}`, `{"dataframe_records": […]}` or CSV
come in, `{"predictions": …}` goes out. What does not fit the model's signature is a RequestError that says
where.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
from mlflow.types import DataType
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json, parse_tf_serving_input

from journeyman.compat.mlflow_models import enforce_schema
from journeyman.models.arrays import Inputs, Invocation
from journeyman.models.signature import OUTPUT, Signature
from journeyman.serve.protocols.answers import json_of
from journeyman.serve.protocols.csv_text import read_csv
from journeyman.serve.protocols.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RequestError,
    listed,
    quoted,
    refuse,
)
from journeyman.serve.protocols.invocation import check_names, check_params
from journeyman.serve.protocols.tables import refuse_doubled, table_of, typed
from journeyman.serve.protocols.tensors import array_of, check_batch

_FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
_PARAMS = "params"
_JSON = "application/json"
_CSV = "text/csv"


# -- reading -------------------------------------------------------------------------------------------


def parse(body: bytes, content_type: str | None, signature: Signature) -> Invocation:
    """The invocation in `body`. Raises RequestError: 415 for another type, 400 for what does not fit."""
    if _media_type(content_type) == _CSV:
        return _csv(body, signature)
    document = _document(body)
    form = _form(document)
    params = check_params(document.get(_PARAMS), signature.params)
    data = document[form]
    if not signature.inputs:
        return Invocation(_columns(form, data, signature), params)
    named, keys = _named(form, data, signature)
    # np.asarray turns numbers beside one long string into that many long strings: 1 MB becomes 100 GB.
    # Without more quotes than the keys need, and without true and false, there are numbers alone, and nothing
    # to look through.
    words = body.count(b'"') > 2 * (keys + len(document)) or _holds_booleans(body)
    several = len(signature.inputs) > 1
    by_name = several or data is named
    inputs = {
        field.name: array_of(field, named[field.name], f"{form}.{field.name}" if by_name else form, words)
        for field in signature.inputs
    }
    if several:
        check_batch(inputs, signature)
    return Invocation(inputs, params)


def _holds_booleans(body: bytes) -> bool:
    """Whether it may. One letter is found faster than a word, and numbers have none of these two."""
    return (b"r" in body and b"true" in body) or (b"l" in body and b"false" in body)


def _media_type(content_type: str | None) -> str:
    if not content_type or content_type == _JSON:
        return _JSON
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type not in (_JSON, _CSV):
        raise RequestError(f"The body must be JSON: send Content-Type: {_JSON}, or {_CSV}.", status=415)
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise RequestError("The body must be in UTF-8, which is the only charset here.", status=415)
    return media_type


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = ""
        if not body.strip():
            hint = " It is empty."
        elif b"NaN" in body or b"Infinity" in body:
            hint = " JSON has no NaN and no Infinity."
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"The body is not valid JSON in UTF-8 ({where}).{hint}") from None
    if type(document) is not dict:
        raise RequestError(f"The body must be a JSON object with one of {listed(_FORMS)}.")
    return document


def _form(document: Mapping[str, Any]) -> str:
    if len(document) == 1:
        [form] = document
        if form in _FORMS:
            return form
    forms = [form for form in _FORMS if form in document]
    if len(forms) > 1:
        raise RequestError(f"Only one of {listed(forms)} may be given.")
    known = (*_FORMS, _PARAMS)
    for key in document:
        # Other servers' keys (`signature_name`, `client_request_id`) are passed over, as MLflow does; what
        # looks like a slip of the pen is not.
        if key not in known and (near := difflib.get_close_matches(key, known, n=1, cutoff=0.8)):
            raise RequestError(f"Unknown key {quoted(key)}: did you mean '{near[0]}'?")
    if not forms:
        raise RequestError(f"The body must have one of the keys {listed(_FORMS)}.")
    return forms[0]


def _named(form: str, data: Any, signature: Signature) -> tuple[Mapping[str, Any], int]:
    """The data by input name, and how many keys they hold in the JSON text."""
    names = [field.name for field in signature.inputs]
    if form == "inputs":
        if type(data) is dict:
            check_names(data, names, form)
            return data, len(data)
        return {_only(names, form): data}, 0
    if form == "dataframe_split":
        columns, rows = _split(data)
        # The names of columns are strings in the text as keys are.
        keys = len(data) + sum(type(column) is str for column in columns)
        return _named_rows(form, columns, rows, signature), keys
    if type(data) is not list:
        refuse(f"{form} must be a list of rows.")
    if not data:
        refuse(f"{form} is empty: there is nothing to predict.")
    if form == "dataframe_records":
        columns, rows = _records(data)
        return _named_rows(form, columns, rows, signature), len(rows) * len(columns)
    if type(data[0]) is not dict:
        return {_only(names, form): data}, 0
    for index, row in enumerate(data):
        if type(row) is not dict:
            refuse(f"{form}[{index}] must be an object like the rows before it.")
        check_names(row, names, f"{form}[{index}]")
    return {name: [row[name] for row in data] for name in names}, len(data) * len(names)


def _named_rows(
    form: str, columns: Collection[str], rows: list[Any], signature: Signature
) -> Mapping[str, Any]:
    """A table as the rows of the one matrix that a model takes."""
    field = signature.inputs[0]
    if len(signature.inputs) > 1 or len(field.shape) != 2:
        refuse(f"This model takes tensors, which do not fit a table: send 'inputs' instead of '{form}'.")
    if field.shape[1] not in (-1, len(columns)) and columns:
        refuse(f"{form} has {len(columns)} columns where this model takes {field.shape[1]}.")
    return {field.name: rows}


def _split(data: Any) -> tuple[list[Any], list[Any]]:
    if type(data) is not dict or type(data.get("data")) is not list:
        refuse("dataframe_split must be an object with a list 'data' and, optionally, 'columns' and 'index'.")
    for key in data:
        if key not in ("data", "columns", "index"):
            refuse(f"dataframe_split has no key {quoted(key)}: it takes 'columns', 'data' and 'index'.")
    columns, rows = data.get("columns"), data["data"]
    if columns is not None and type(columns) is not list:
        refuse("dataframe_split.columns must be a list of names.")
    if not rows:
        refuse("dataframe_split.data is empty: there is nothing to predict.")
    return columns or [], rows


def _records(data: list[Any]) -> tuple[list[str], list[Any]]:
    if type(data[0]) is not dict:
        refuse("dataframe_records must be a list of objects.")
    columns = list(data[0])
    for index, row in enumerate(data):
        if type(row) is not dict or row.keys() != data[0].keys():
            refuse(f"dataframe_records[{index}] does not have the columns of the first row.")
    return columns, [[row[column] for column in columns] for row in data]


def _only(names: list[str], where: str) -> str:
    if len(names) > 1:
        refuse(f"This model takes several inputs: {where} must name {listed(names)}.")
    return names[0]


def _columns(form: str, data: Any, signature: Signature) -> Inputs:
    """The data for a model of columns, or for one that declares nothing, which takes what MLflow reads."""
    schema = signature.columns
    orient = form.removeprefix("dataframe_")
    if orient == "split":
        refuse_doubled(_split(data)[0], form)
    try:
        plain = schema is not None and all(isinstance(kind, DataType) for kind in schema.input_types())
        rows = orient != form or (type(data) is list and all(type(row) is dict for row in data))
        if schema is not None and (plain or rows):
            return table_of(_frame(orient, data), schema, form, signature.nulls)
        # Models without a signature, and what may be one row of lists or several rows: MLflow's own reading.
        if orient != form:
            read = dataframe_from_parsed_json(data, orient, schema)
        else:
            read = parse_tf_serving_input({form: data}, schema)
        return read if schema is None else enforce_schema(read, schema)
    except RequestError:
        raise
    except Exception:  # noqa: BLE001
        # pandas and MLflow raise what they please on data of no sensible form, and repeat it in the message.
        takes = f" This model takes {typed(schema)}." if schema is not None else ""
        raise RequestError(
            f"{form} does not have the form of a table.{takes}", error_code=INVALID_PARAMETER_VALUE
        ) from None


def _frame(orient: str, data: Any) -> pd.DataFrame:
    """The table as it was sent: what pandas infers would round whole numbers beside a fraction."""
    if orient == "split":
        columns, rows = _split(data)
        _check_rows(columns, rows)
        return pd.DataFrame(rows, columns=columns or None, index=data.get("index"), dtype=object)
    if type(data) is dict and not any(type(column) is list for column in data.values()):
        return pd.DataFrame([data], dtype=object)
    return pd.DataFrame(data, dtype=object)


def _check_rows(columns: list[Any], rows: list[Any]) -> None:
    """pandas fills up a row that is short."""
    cells = len(columns) if columns else len(rows[0]) if type(rows[0]) is list else 1
    for index, row in enumerate(rows):
        if type(row) is list and len(row) != cells:
            refuse(f"dataframe_split.data[{index}] has {len(row)} values where {cells} are expected.")


# -- csv -----------------------------------------------------------------------------------------------


def _csv(body: bytes, signature: Signature) -> Invocation:
    """A table in CSV, its first line the names of its columns."""
    schema = signature.columns
    table = read_csv(body, schema)
    params = check_params(None, signature.params)
    if signature.inputs:
        return Invocation(_matrix(table, signature), params)
    return Invocation(table if schema is None else table_of(table, schema, "csv", signature.nulls), params)


def _matrix(table: pd.DataFrame, signature: Signature) -> Inputs:
    """A table of numbers as the one matrix that a model takes."""
    if not len(table):
        refuse("csv is empty: there is nothing to predict.")
    for name, column in table.items():
        if column.dtype.kind not in "biuf":
            refuse(f"csv: column {quoted(str(name))} does not hold numbers throughout.")
        if column.isna().any():
            refuse(f"csv: column {quoted(str(name))} has a cell without a value.")
    rows = table.to_numpy().tolist()
    named = _named_rows("csv", list(table.columns), rows, signature)
    field = signature.inputs[0]
    return {field.name: array_of(field, named[field.name], "csv", words=True)}


# -- writing -------------------------------------------------------------------------------------------


def render(outputs: Any, signature: Signature) -> bytes:
    """The answer: `{"predictions": …}`, with a lone output bare unless it has a name of its own.

    Always valid JSON: NaN and infinities are null. Raises RequestError (500) for an answer that JSON cannot
    hold.
    """
    if type(outputs) is dict and all(isinstance(output, np.ndarray) for output in outputs.values()):
        predictions: Any = {name: _serializable(output) for name, output in outputs.items()}
        if len(predictions) == 1 and (signature.bare_output or not signature.outputs):
            predictions = predictions.get(OUTPUT, predictions)
    elif isinstance(outputs, pd.DataFrame):
        predictions = outputs.to_dict(orient="records")
    elif isinstance(outputs, pd.Series):
        predictions = outputs.tolist()
    else:
        predictions = outputs
    try:
        return json_of({"predictions": predictions})
    except TypeError:
        raise RequestError(
            f"The model's answer, a {type(outputs).__name__}, cannot be written as JSON.",
            status=500,
            error_code=INTERNAL_ERROR,
        ) from None


def render_error(error: RequestError) -> bytes:
    """The body of a refusal, as MLflow's own server writes it."""
    return orjson.dumps({"error_code": error.error_code, "message": error.message})


def _serializable(array: np.ndarray) -> Any:
    """`array` as orjson takes it: contiguous numbers as they are, anything else as lists."""
    if array.ndim and array.dtype.kind in "biuf" and array.dtype.isnative:
        return np.ascontiguousarray(array)
    return array.tolist()
