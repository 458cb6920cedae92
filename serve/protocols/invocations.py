"""MLflow's scoring protocol in JSON: the body of a POST to /invocations read, and its answer written.

Pure. `{"inputs": …}`, `{"instances": […]}`, `{"dataframe_split": {…}}` or `{"dataframe_records": […]}` come
in, `{"predictions": …}` goes out. What does not fit the model's signature is a RequestError that says where.
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import orjson
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models.utils import _enforce_params_schema, _enforce_schema
from mlflow.types import DataType, ParamSchema, Schema
from mlflow.utils.proto_json_utils import (
    cast_df_types_according_to_schema,
    dataframe_from_parsed_json,
    parse_tf_serving_input,
)

from journeyman.serve.protocols.errors import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, RequestError
from journeyman.serve.signature import OUTPUT, Field, Signature

_FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
_PARAMS = "params"
_NAME_CHARACTERS = 40

Inputs = Any
"""Arrays by input name for a model of tensors; a DataFrame for one of columns; else as MLflow reads it."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request, checked: what goes into the model's `predict`."""

    inputs: Inputs
    params: dict[str, Any] | None = None


# -- reading -------------------------------------------------------------------------------------------


def parse(body: bytes, content_type: str | None, signature: Signature) -> Invocation:
    """The invocation in `body`. Raises RequestError: 415 for what is not JSON, 400 for what does not fit."""
    _check_content_type(content_type)
    document = _document(body)
    form = _form(document)
    params = _params(document.get(_PARAMS), signature.params)
    data = document[form]
    if not signature.inputs:
        return Invocation(_columns(form, data, signature.columns), params)
    named, keys = _named(form, data, signature)
    # np.asarray turns numbers beside one long string into that many long strings: 1 MB becomes 100 GB.
    # Without more quotes than the keys need, there is no string, and nothing to look through.
    text = body.count(b'"') > 2 * (keys + len(document))
    several = len(signature.inputs) > 1
    by_name = several or data is named
    inputs = {
        field.name: _array(field, named[field.name], f"{form}.{field.name}" if by_name else form, text)
        for field in signature.inputs
    }
    if several:
        _check_batch(inputs, signature)
    return Invocation(inputs, params)


def _check_content_type(content_type: str | None) -> None:
    if not content_type or content_type == "application/json":
        return
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json":
        raise RequestError("The body must be JSON: send Content-Type: application/json.", status=415)
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise RequestError("The body must be JSON in UTF-8, which has no other charset.", status=415)


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
        raise RequestError(f"The body must be a JSON object with one of {_listed(_FORMS)}.")
    return document


def _form(document: Mapping[str, Any]) -> str:
    forms = [form for form in _FORMS if form in document]
    if len(forms) > 1:
        raise RequestError(f"Only one of {_listed(forms)} may be given.")
    known = (*_FORMS, _PARAMS)
    for key in document:
        # Other servers' keys (`signature_name`, `client_request_id`) are passed over, as MLflow does; what
        # looks like a slip of the pen is not.
        if key not in known and (near := difflib.get_close_matches(key, known, n=1, cutoff=0.8)):
            raise RequestError(f"Unknown key {_quoted(key)}: did you mean '{near[0]}'?")
    if not forms:
        raise RequestError(f"The body must have one of the keys {_listed(_FORMS)}.")
    return forms[0]


def _params(params: Any, schema: ParamSchema | None) -> dict[str, Any] | None:
    if params is None and schema is None:
        return None
    if params is not None and type(params) is not dict:
        _refuse("params must be an object of names and values.")
    if schema is None:
        if params:
            _refuse("This model takes no params.")
        return None
    known = [spec.name for spec in schema.params]
    for name in params or {}:
        if name not in known:
            _refuse(
                f"This model has no param {_quoted(name)}.{_nearest(name, known)} It takes {_listed(known)}."
            )
    try:
        checked: dict[str, Any] = _enforce_params_schema(params, schema)
    except MlflowException:
        # MLflow's message repeats the values.
        types = ", ".join(f"'{spec.name}' ({spec.dtype})" for spec in schema.params)
        _refuse(f"The params do not fit those of this model: {types}.")
    return checked


def _named(form: str, data: Any, signature: Signature) -> tuple[Mapping[str, Any], int]:
    """The data by input name, and how many keys they hold in the JSON text."""
    names = [field.name for field in signature.inputs]
    if form == "inputs":
        if type(data) is dict:
            _check_names(data, names, form)
            return data, len(data)
        return {_only(names, form): data}, 0
    if form == "dataframe_split":
        columns, rows = _split(data)
        # The names of columns are strings in the text as keys are.
        keys = len(data) + sum(type(column) is str for column in columns)
        return _named_rows(form, columns, rows, signature), keys
    if type(data) is not list:
        _refuse(f"{form} must be a list of rows.")
    if not data:
        _refuse(f"{form} is empty: there is nothing to predict.")
    if form == "dataframe_records":
        columns, rows = _records(data)
        return _named_rows(form, columns, rows, signature), len(rows) * len(columns)
    if type(data[0]) is not dict:
        return {_only(names, form): data}, 0
    for index, row in enumerate(data):
        if type(row) is not dict:
            _refuse(f"{form}[{index}] must be an object like the rows before it.")
        _check_names(row, names, f"{form}[{index}]")
    return {name: [row[name] for row in data] for name in names}, len(data) * len(names)


def _named_rows(
    form: str, columns: Collection[str], rows: list[Any], signature: Signature
) -> Mapping[str, Any]:
    """A table as the rows of the one matrix that a model takes."""
    field = signature.inputs[0]
    if len(signature.inputs) > 1 or len(field.shape) != 2:
        _refuse(f"This model takes tensors, which do not fit a table: send 'inputs' instead of '{form}'.")
    if field.shape[1] not in (-1, len(columns)) and columns:
        _refuse(f"{form} has {len(columns)} columns where this model takes {field.shape[1]}.")
    return {field.name: rows}


def _split(data: Any) -> tuple[list[Any], list[Any]]:
    if type(data) is not dict or type(data.get("data")) is not list:
        _refuse(
            "dataframe_split must be an object with a list 'data' and, optionally, 'columns' and 'index'."
        )
    for key in data:
        if key not in ("data", "columns", "index"):
            _refuse(f"dataframe_split has no key {_quoted(key)}: it takes 'columns', 'data' and 'index'.")
    columns = data.get("columns")
    if columns is not None and type(columns) is not list:
        _refuse("dataframe_split.columns must be a list of names.")
    if not data["data"]:
        _refuse("dataframe_split.data is empty: there is nothing to predict.")
    return columns or [], data["data"]


def _records(data: list[Any]) -> tuple[list[str], list[Any]]:
    if type(data[0]) is not dict:
        _refuse("dataframe_records must be a list of objects.")
    columns = list(data[0])
    for index, row in enumerate(data):
        if type(row) is not dict or row.keys() != data[0].keys():
            _refuse(f"dataframe_records[{index}] does not have the columns of the first row.")
    return columns, [[row[column] for column in columns] for row in data]


def _only(names: list[str], where: str) -> str:
    if len(names) > 1:
        _refuse(f"This model takes several inputs: {where} must name {_listed(names)}.")
    return names[0]


def _check_names(given: Mapping[str, Any], names: list[str], where: str) -> None:
    if given.keys() == set(names):
        return
    for name in given:
        if name not in names:
            _refuse(
                f"{where} has an unknown input {_quoted(name)}.{_nearest(name, names)} "
                f"It takes {_listed(names)}."
            )
    _refuse(f"{where} lacks {_listed([name for name in names if name not in given])}.")


# -- tensors -------------------------------------------------------------------------------------------


def _array(field: Field, value: Any, where: str, text: bool) -> np.ndarray:
    """`value` as the array that `field` asks for. `text`: there may be strings in it."""
    wanted = field.dtype.kind
    if wanted in "OUST":
        return _strings(field, value, where)
    if text and (position := _find(value, lambda leaf: type(leaf) is str)) is not None:
        _refuse(f"{where}{position} is a string, and this input is {field.dtype}.")
    try:
        array = np.asarray(value)
    except ValueError:
        _refuse(f"{where} is not rectangular: {_raggedness(value)}.")
    kind = array.dtype.kind
    if kind not in "biuf":
        _refuse_leaf(value, where)
    if array.size == 0:
        _check_not_empty(array, field, where)
    elif kind == "b" and wanted != "b":
        _refuse(f"{where} holds booleans, and this input is {field.dtype}.")
    elif kind != "b" and wanted == "b":
        _refuse(f"{where} holds numbers, and this input is boolean: send true and false.")
    _check_shape(array, field, where)
    if kind == "f" and wanted in "iu":
        # NumPy reads integers beside a float, and those beyond int64, as floats: not all of their digits.
        array = np.asarray(value, dtype=object)
        if any(number != int(number) for number in array.flat):
            _refuse(f"{where} holds a fraction, and this input is {field.dtype}.")
        array = np.array([int(number) for number in array.flat], dtype=object).reshape(array.shape)
    return _cast(array, field, where)


def _cast(array: np.ndarray, field: Field, where: str) -> np.ndarray:
    wanted = field.dtype.kind
    if wanted == "f":
        with np.errstate(over="ignore"):
            cast = array.astype(field.dtype)
        if not np.isfinite(cast).all():
            _refuse(f"{where} holds a number beyond the range of {field.dtype}.")
        return cast
    if wanted in "iu":
        limits = np.iinfo(field.dtype)
        if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
            _refuse(f"{where} holds a number beyond the range of {field.dtype}.")
    elif wanted != "b":
        _refuse(f"{where}: an input of {field.dtype} cannot be sent as JSON.")
    return array.astype(field.dtype)


def _strings(field: Field, value: Any, where: str) -> np.ndarray:
    if (position := _find(value, lambda leaf: type(leaf) is not str)) is not None:
        _refuse(f"{where}{position} is not a string, and this input takes strings.")
    array = np.asarray(value, dtype=object)
    if any(type(leaf) is not str for leaf in array.flat):
        _refuse(f"{where} is not rectangular: {_raggedness(value)}.")
    if array.size == 0:
        _check_not_empty(array, field, where)
    _check_shape(array, field, where)
    return array


def _check_not_empty(array: np.ndarray, field: Field, where: str) -> None:
    if field.shape and field.shape[0] == -1 and array.shape[:1] == (0,):
        _refuse(f"{where} is empty: there is nothing to predict.")


def _check_shape(array: np.ndarray, field: Field, where: str) -> None:
    shape = field.shape
    if len(array.shape) == len(shape) and all(
        wanted in (-1, size) for wanted, size in zip(shape, array.shape, strict=True)
    ):
        return
    hint = ""
    if len(array.shape) == len(shape) - 1 and shape[0] == -1:
        hint = " A single sample is a batch of one: put it into a list."
    _refuse(f"{where} has shape {_shape(array.shape)}, and this model takes {_shape(shape)}.{hint}")


def _check_batch(inputs: Mapping[str, np.ndarray], signature: Signature) -> None:
    sizes = {f.name: inputs[f.name].shape[0] for f in signature.inputs if f.shape[:1] == (-1,)}
    if len(set(sizes.values())) > 1:
        _refuse(
            f"The inputs differ in their number of rows: {', '.join(f'{n} {s}' for n, s in sizes.items())}."
        )


def _refuse_leaf(value: Any, where: str) -> NoReturn:
    """For data that are not numbers throughout, although they hold no string."""
    if (position := _find(value, lambda leaf: leaf is None)) is not None:
        _refuse(f"{where}{position} is null, and tensors have no missing values.")
    if (position := _find(value, lambda leaf: type(leaf) is dict)) is not None:
        _refuse(f"{where}{position} is an object where a number or a list of numbers belongs.")
    _refuse(f"{where} holds a number beyond the range of a tensor.")


def _find(value: Any, wrong: Callable[[Any], bool]) -> str | None:
    """The position of a leaf that is `wrong`, such as `[0][3]`."""
    # A stack, not recursion: JSON may nest deeper than Python calls.
    pending = [(value, "")]
    while pending:
        node, position = pending.pop()
        if type(node) is not list:
            if wrong(node):
                return position
            continue
        nested = []
        for index, item in enumerate(node):
            if type(item) is list:
                nested.append((item, f"{position}[{index}]"))
            elif wrong(item):
                return f"{position}[{index}]"
        pending += reversed(nested)
    return None


def _raggedness(value: Any) -> str:
    """Where the lists of one level first differ in length."""
    level = [("", value)]
    while level:
        path, first = level[0]
        for position, node in level:
            if (type(node) is list) != (type(first) is list):
                return f"{position or 'it'} mixes lists and values with {path or 'the rest'}"
            if type(first) is list and len(node) != len(first):
                return f"{position} has {len(node)} values where {path} has {len(first)}"
        if type(first) is not list:
            break
        level = [(f"{p}[{index}]", item) for p, node in level for index, item in enumerate(node)]
    return "its lists are nested too deep"


# -- columns -------------------------------------------------------------------------------------------


def _columns(form: str, data: Any, schema: Schema | None) -> Inputs:
    """The data for a model of columns, or for one that declares nothing, which takes what MLflow reads."""
    orient = form.removeprefix("dataframe_")
    try:
        if schema is not None and all(isinstance(kind, DataType) for kind in schema.input_types()):
            return _table(orient, data, schema, form)
        # Columns of lists and objects, and models without a signature: MLflow's own reading.
        if orient != form:
            read = dataframe_from_parsed_json(data, orient, schema)
        else:
            read = parse_tf_serving_input({form: data}, schema)
        return read if schema is None else _enforce_schema(read, schema)
    except RequestError:
        raise
    except Exception:  # noqa: BLE001
        # pandas and MLflow raise what they please on data of no sensible form, and repeat it in the message.
        takes = f" This model takes {_typed(schema)}." if schema is not None else ""
        raise RequestError(
            f"{form} does not have the form of a table.{takes}", error_code=INVALID_PARAMETER_VALUE
        ) from None


def _table(orient: str, data: Any, schema: Schema, form: str) -> pd.DataFrame:
    if orient == "split":
        columns, rows = _split(data)
        table = pd.DataFrame(rows, columns=columns or None, index=data.get("index"))
    elif type(data) is dict and not any(type(column) is list for column in data.values()):
        table = pd.DataFrame([data])
    else:
        table = pd.DataFrame(data)
    if not len(table):
        _refuse(f"{form} is empty: there is nothing to predict.")
    names = _present(table, schema, form)
    # What the model does not know is left out, as MLflow does: rows often carry more than one model needs.
    table = table[names]
    for name, kind in zip(names, _types(schema, names), strict=True):
        _check_column(table[name], kind, f"{form}: column {_quoted(str(name))}")
    with np.errstate(over="ignore"):
        checked = _enforce_schema(cast_df_types_according_to_schema(table.copy(), schema), schema)
    for name in checked.columns:
        if checked[name].dtype.kind == "f" and np.isinf(checked[name]).any():
            _refuse(f"{form}: column {_quoted(str(name))} holds a number beyond the range of its type.")
    return checked


def _present(table: pd.DataFrame, schema: Schema, form: str) -> list[Any]:
    """The table's columns that the model takes."""
    if not schema.has_input_names():
        if len(table.columns) != len(schema.inputs):
            _refuse(f"{form} has {len(table.columns)} columns where this model takes {len(schema.inputs)}.")
        return list(table.columns)
    given = list(table.columns)
    for name in schema.required_input_names():
        if name not in given:
            unknown = [str(column) for column in given if column not in schema.input_names()]
            near = difflib.get_close_matches(name, unknown, n=1)
            hint = f" Did you mean it by {_quoted(near[0])}?" if near else ""
            _refuse(f"{form} lacks column '{name}'.{hint} This model takes {_typed(schema)}.")
    return [name for name in schema.input_names() if name in given]


def _types(schema: Schema, names: list[Any]) -> list[DataType]:
    if not schema.has_input_names():
        return list(schema.input_types())
    declared = schema.input_dict()
    return [declared[name].type for name in names]


def _check_column(values: pd.Series[Any], kind: DataType, where: str) -> None:
    """Refuse what MLflow's cast would take and change: text for numbers, fractions for integers."""
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    numbers = ("integer", "floating", "mixed-integer-float")
    accepted = {
        DataType.boolean: ("boolean",),
        DataType.integer: numbers,
        DataType.long: numbers,
        DataType.float: (*numbers, "empty"),
        DataType.double: (*numbers, "empty"),
        DataType.string: ("string", "empty"),
        DataType.binary: ("string",),
        DataType.datetime: ("string", "integer", "empty"),
    }[kind]
    if inferred not in accepted:
        _refuse(f"{where} holds {inferred} values, and this model takes {kind.name}.")
    if kind in (DataType.boolean, DataType.integer, DataType.long) and values.isna().any():
        _refuse(f"{where} holds null, and a {kind.name} cannot be missing.")
    if kind in (DataType.integer, DataType.long):
        if any(value != int(value) for value in values):
            _refuse(f"{where} holds a fraction, and this model takes {kind.name}.")
        limits = np.iinfo(kind.to_numpy())
        if not all(limits.min <= value <= limits.max for value in values):
            _refuse(f"{where} holds a number beyond the range of {kind.name}.")


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
        return orjson.dumps(
            {"predictions": predictions},
            default=_plain,
            option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS,
        )
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


def _plain(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return value.to_dict() if isinstance(value, pd.Series) else value.to_dict(orient="records")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError


# -- words ---------------------------------------------------------------------------------------------


def _refuse(message: str) -> NoReturn:
    raise RequestError(message, error_code=INVALID_PARAMETER_VALUE)


def _quoted(name: str) -> str:
    """A name of the caller's, short enough that no data travels in it."""
    return f"'{name}'" if len(name) <= _NAME_CHARACTERS else f"'{name[:_NAME_CHARACTERS]}…'"


def _nearest(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _typed(schema: Schema) -> str:
    """The columns and their types, such as 'age' (long)."""
    if not schema.has_input_names():
        return f"{len(schema.inputs)} columns without names"
    return ", ".join(
        f"'{spec.name}' ({spec.type.name if isinstance(spec.type, DataType) else spec.type})"
        for spec in schema.inputs
    )


def _shape(shape: tuple[int, ...]) -> str:
    """A shape as people write it; -1 is any size."""
    return "[" + ", ".join("any" if size == -1 else str(size) for size in shape) + "]"
