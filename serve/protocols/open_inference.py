"""The Open Inference Protocol, version 2, over REST: its paths, its metadata, and requests for inference.

Pure. https://github.com/kserve/open-inference-protocol, with Triton's extension `binary_tensor_data`: tensors
follow the JSON object of a body as bytes, little-endian and row after row, and a header tells where JSON
ends.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from mlflow.types import DataType, Schema

from journeyman.serve.protocols.errors import (
    INTERNAL_ERROR,
    RequestError,
    listed,
    nearest,
    quoted,
    refuse,
)
from journeyman.serve.protocols.invocation import Inputs, Invocation, check_names, check_params
from journeyman.serve.protocols.tables import table_of
from journeyman.serve.protocols.tensors import array_of, check_batch, check_not_empty, check_shape
from journeyman.serve.signature import OUTPUT, Field, Signature

JSON_SIZE_HEADER = "inference-header-content-length"
"""How many bytes of a body are JSON, where tensors follow it."""
EXTENSIONS = ("binary_tensor_data",)

_BYTES = "BYTES"
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("bool"),
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    _BYTES: np.dtype("O"),
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}
DATATYPES = tuple(_DTYPES)
_COLUMNS = {
    DataType.boolean: "BOOL",
    DataType.integer: "INT32",
    DataType.long: "INT64",
    DataType.float: "FP32",
    DataType.double: "FP64",
    DataType.string: _BYTES,
    DataType.binary: _BYTES,
    DataType.datetime: _BYTES,
}
_BINARY_SIZE = "binary_data_size"
_BINARY = "binary_data"
_BINARY_OUTPUT = "binary_data_output"
_LENGTH = struct.Struct("<I")
_SIZE = re.compile("[0-9]{1,12}")
_MOST_DIMENSIONS = 64
"""NumPy's own limit."""

_PATH = re.compile(r"/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>ready|infer))?")
_OF_THE_SERVER = ("", "/health/live", "/health/ready")


@dataclass(frozen=True, slots=True)
class Route:
    """What a path below `/v2` asks for: the server, where `model` is None, else a model of it."""

    model: str | None
    version: str | None
    verb: str
    """infer, ready, live, or empty for metadata."""


def read_path(path: str) -> Route:
    """`path` without the `/v2` it begins with. Raises RequestError, 404."""
    if path in _OF_THE_SERVER:
        return Route(None, None, path.rpartition("/")[2])
    found = _PATH.fullmatch(path)
    if found is None:
        raise RequestError(
            "There is nothing here: POST to /v2/models/<name>/infer.",
            status=404,
            error_code="ENDPOINT_NOT_FOUND",
        )
    return Route(found["model"], found["version"], found["verb"] or "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output as it is to be sent."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request for inference, checked."""

    invocation: Invocation
    id: str | None
    outputs: tuple[Wanted, ...] | None
    """None: all of them."""
    binary: bool
    """Whether outputs that are not named are sent as bytes."""


# -- metadata ------------------------------------------------------------------------------------------


def server_metadata(version: str) -> bytes:
    """The answer to GET v2."""
    return orjson.dumps({"name": "journeyman", "version": version, "extensions": EXTENSIONS})


def readiness(route: Route) -> bytes:
    """The answer where a server or a model is asked whether it is there; one that answers is."""
    return orjson.dumps({"name": route.model, "ready": True} if route.model else {"live": True})


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> bytes:
    """The answer to GET v2/models/<name>: what it takes and gives, as far as the model declares it."""
    return orjson.dumps(
        {
            "name": name,
            "versions": [version],
            "platform": platform,
            "inputs": _columns(signature.columns) if signature.columns else _tensors(signature.inputs),
            "outputs": _tensors(signature.outputs),
        }
    )


def _tensors(fields: Sequence[Field]) -> list[dict[str, Any]]:
    return [{"name": f.name, "datatype": datatype_of(f.dtype), "shape": f.shape} for f in fields]


def _columns(schema: Schema) -> list[dict[str, Any]]:
    return [
        {"name": _column_name(spec.name, index), "datatype": _COLUMNS.get(spec.type, _BYTES), "shape": [-1]}
        for index, spec in enumerate(schema.inputs)
    ]


def _column_name(name: str | None, index: int) -> str:
    return name or f"column_{index}"


def datatype_of(dtype: np.dtype[Any]) -> str:
    """What the protocol calls it."""
    return _DATATYPES.get(dtype, _BYTES)


# -- reading -------------------------------------------------------------------------------------------


def parse_infer(body: bytes, json_size: str | None, signature: Signature) -> InferRequest:
    """The request in `body`, whose first `json_size` bytes are JSON, all of it without.

    Raises RequestError where it is none, or does not fit the model.
    """
    document, tail = _document(body, json_size)
    parameters = _object(document, "parameters", "")
    known = {key: value for key, value in parameters.items() if key != _BINARY_OUTPUT}
    # Parameters that a model without params knows nothing of are for other servers.
    params = check_params(known, signature.params) if signature.params is not None else None
    request_id = document.get("id")
    if request_id is not None and type(request_id) is not str:
        refuse("id must be a string.")
    binary = parameters.get(_BINARY_OUTPUT) is True
    return InferRequest(
        Invocation(_inputs(_tensors_of(document, tail), signature), params),
        request_id,
        _outputs(document.get("outputs"), binary, signature),
        binary,
    )


def _document(body: bytes, json_size: str | None) -> tuple[dict[str, Any], memoryview]:
    size = len(body)
    if json_size is not None:
        if _SIZE.fullmatch(json_size) is None or int(json_size) > len(body):
            raise RequestError(
                f"The header {JSON_SIZE_HEADER} must be how many of the body's {len(body)} bytes are JSON."
            )
        size = int(json_size)
    whole = memoryview(body)
    try:
        document = orjson.loads(whole[:size])
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"The request is not valid JSON in UTF-8 (line {error.lineno}, column {error.colno})."
        ) from None
    if type(document) is not dict:
        raise RequestError("The request must be a JSON object with a list 'inputs'.")
    return document, whole[size:]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One input as it was sent; either `data` or `content` is there."""

    where: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None
    content: memoryview


def _tensors_of(document: Mapping[str, Any], tail: memoryview) -> dict[str, _Tensor]:
    given = document.get("inputs")
    if type(given) is not list or not given:
        refuse("inputs must be a list of tensors, of one at least.")
    tensors: dict[str, _Tensor] = {}
    offset = 0
    for index, each in enumerate(given):
        where = f"inputs[{index}]"
        if type(each) is not dict:
            refuse(f"{where} must be an object with 'name', 'shape', 'datatype' and 'data'.")
        name, datatype, shape = each.get("name"), each.get("datatype"), each.get("shape")
        if type(name) is not str or name in tensors:
            refuse(f"{where} must have a name of its own.")
        if type(datatype) is not str or datatype not in _DTYPES:
            refuse(f"{where} must have a datatype, one of {listed(_DTYPES)}.")
        if (
            type(shape) is not list
            or len(shape) > _MOST_DIMENSIONS
            or not all(type(size) is int and size >= 0 for size in shape)
        ):
            refuse(f"{where} must have a shape, a list of sizes, {_MOST_DIMENSIONS} at most.")
        size = _object(each, "parameters", where).get(_BINARY_SIZE)
        data = each.get("data")
        if (data is None) == (size is None):
            refuse(f"{where} must have either 'data' or the parameter '{_BINARY_SIZE}'.")
        if size is None:
            size = 0
            if type(data) is not list:
                refuse(f"{where}.data must be a list.")
        elif type(size) is not int or not 0 <= size <= len(tail) - offset:
            refuse(f"{where}: '{_BINARY_SIZE}' does not fit the {len(tail)} bytes that follow the JSON.")
        tensors[name] = _Tensor(where, datatype, tuple(shape), data, tail[offset : offset + size])
        offset += size
    if offset != len(tail):
        refuse(f"{len(tail)} bytes follow the JSON, and the inputs name {offset} of them.")
    return tensors


def _inputs(tensors: Mapping[str, _Tensor], signature: Signature) -> Inputs:
    if signature.inputs:
        check_names(tensors, [field.name for field in signature.inputs], "inputs")
        arrays = {field.name: _array(tensors[field.name], field) for field in signature.inputs}
        if len(arrays) > 1:
            check_batch(arrays, signature)
        return arrays
    if signature.columns is not None:
        return _table(tensors, signature.columns)
    arrays = {
        name: _array(tensor, Field(name, _DTYPES[tensor.datatype], tensor.shape))
        for name, tensor in tensors.items()
    }
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def _table(tensors: Mapping[str, _Tensor], schema: Schema) -> Inputs:
    """Tensors of one column each."""
    kinds = {_column_name(spec.name, index): spec.type for index, spec in enumerate(schema.inputs)}
    columns: dict[str, list[Any]] = {}
    for name, tensor in tensors.items():
        if tensor.shape[1:] not in ((), (1,)) or not tensor.shape:
            refuse(f"{tensor.where} must have the shape [rows] or [rows, 1]: it is a column.")
        dtype = np.dtype("S") if kinds.get(name) is DataType.binary else _DTYPES[tensor.datatype]
        columns[name] = _array(tensor, Field(name, dtype, tensor.shape)).ravel().tolist()
    if len({len(column) for column in columns.values()}) > 1:
        sizes = ", ".join(f"{quoted(name)} {len(column)}" for name, column in columns.items())
        refuse(f"The inputs differ in their number of rows: {sizes}.")
    table = pd.DataFrame(columns)
    if not schema.has_input_names():
        check_names(columns, list(kinds), "inputs")
        table = table[list(kinds)]
    return table_of(table, schema, "inputs")


def _array(tensor: _Tensor, field: Field) -> np.ndarray:
    wanted = datatype_of(field.dtype)
    if tensor.datatype != wanted:
        refuse(f"{tensor.where} is {tensor.datatype}, and this input is {wanted}.")
    if tensor.data is not None:
        # Flat numbers, which they mostly are, hold no string: nobody need look through them again.
        numbers = set(map(type, tensor.data)) <= {int, float, bool}
        return array_of(field, tensor.data, f"{tensor.where}.data", not numbers, tensor.shape)
    count = math.prod(tensor.shape)
    if tensor.datatype == _BYTES:
        array = _strings(tensor, count, raw=field.dtype.kind == "S")
    else:
        dtype = _DTYPES[tensor.datatype].newbyteorder("<")
        if len(tensor.content) != count * dtype.itemsize:
            refuse(
                f"{tensor.where} comes with {len(tensor.content)} bytes, "
                f"and its shape and datatype make {count * dtype.itemsize}."
            )
        # A copy: the body cannot be written to, begins anywhere in memory, and models may work in place.
        array = np.frombuffer(tensor.content, dtype).astype(field.dtype).reshape(tensor.shape)
    if array.size == 0:
        check_not_empty(array, field, tensor.where)
    check_shape(array, field, tensor.where)
    return array


def _strings(tensor: _Tensor, count: int, raw: bool) -> np.ndarray:
    """Each element is its length, in four bytes, and its text; `raw` bytes are put in base64, as in JSON."""
    content, offset = tensor.content, 0
    found: list[str] = []
    while offset < len(content):
        if offset + _LENGTH.size > len(content):
            refuse(f"{tensor.where}: the last of its strings is cut off.")
        (size,) = _LENGTH.unpack_from(content, offset)
        offset += _LENGTH.size
        if offset + size > len(content):
            refuse(f"{tensor.where}: the last of its strings is cut off.")
        try:
            element = content[offset : offset + size]
            found.append(base64.b64encode(element).decode() if raw else str(element, "utf-8"))
        except UnicodeDecodeError:
            refuse(f"{tensor.where}: element {len(found)} is not text in UTF-8.")
        offset += size
    if len(found) != count:
        refuse(f"{tensor.where} holds {len(found)} strings, and its shape {count}.")
    return np.array(found, dtype=object).reshape(tensor.shape)


def _outputs(given: Any, binary: bool, signature: Signature) -> tuple[Wanted, ...] | None:
    if given is None:
        return None
    if type(given) is not list:
        refuse("outputs must be a list of objects with a 'name'.")
    known = [field.name for field in signature.outputs]
    wanted = []
    for index, each in enumerate(given):
        where = f"outputs[{index}]"
        if type(each) is not dict or type(name := each.get("name")) is not str:
            refuse(f"{where} must be an object with a 'name'.")
        if known and name not in known:
            refuse(f"This model has no output {quoted(name)}.{nearest(name, known)} It has {listed(known)}.")
        asked = _object(each, "parameters", where).get(_BINARY, binary)
        wanted.append(Wanted(name, asked is True))
    return tuple(wanted) or None


def _object(holder: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = holder.get(key)
    if found is None:
        return {}
    if type(found) is not dict:
        refuse(f"{where}.{key} must be an object." if where else f"{key} must be an object.")
    return found


# -- writing -------------------------------------------------------------------------------------------


def render_infer(
    outputs: Any, request: InferRequest, name: str, version: str
) -> tuple[list[bytes], int | None]:
    """The parts of the answer's body, and how many bytes of it are JSON where tensors follow.

    Raises RequestError: 400 for an output that is not there, 500 for one that is no tensor.
    """
    arrays = _named(outputs)
    wanted = request.outputs or [Wanted(output, request.binary) for output in arrays]
    described, tail = [], []
    for each in wanted:
        if each.name not in arrays:
            refuse(f"This model has no output {quoted(each.name)}. It has {listed(arrays)}.")
        array = arrays[each.name]
        output: dict[str, Any] = {
            "name": each.name,
            "datatype": datatype_of(array.dtype),
            "shape": array.shape,
        }
        if each.binary:
            content = _bytes(array)
            output["parameters"] = {_BINARY_SIZE: len(content)}
            tail.append(content)
        elif array.dtype.kind in "biuf":
            # orjson knows no half precision, which single precision holds exactly.
            plain = array.astype(np.float32) if array.dtype == np.float16 else array
            output["data"] = np.ascontiguousarray(plain).ravel()
        else:
            output["data"] = [_text(element) for element in array.ravel().tolist()]
        described.append(output)
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": described}
    if request.id is not None:
        answer["id"] = request.id
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return [head, *tail], len(head) if tail else None


def render_error(error: RequestError) -> bytes:
    """The body of a refusal in this protocol."""
    return orjson.dumps({"error": error.message})


def _named(outputs: Any) -> dict[str, np.ndarray]:
    """What a model answered, as tensors by name; of a table the columns."""
    if isinstance(outputs, pd.DataFrame):
        named = {str(name): _tensor(column.to_numpy()) for name, column in outputs.items()}
    elif isinstance(outputs, Mapping):
        named = {str(name): _tensor(output) for name, output in outputs.items()}
    else:
        named = {OUTPUT: _tensor(outputs)}
    return named


def _tensor(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind == "M":
        array = array.astype(str)
    if array.dtype.kind in "USO" and not all(isinstance(e, (str, bytes)) for e in array.ravel().tolist()):
        raise RequestError(
            f"The model's answer, a {type(value).__name__}, is not a tensor.",
            status=500,
            error_code=INTERNAL_ERROR,
        )
    return array


def _text(element: str | bytes) -> str:
    return element if isinstance(element, str) else element.decode("utf-8", "replace")


def _bytes(array: np.ndarray) -> bytes:
    if array.dtype.kind in "biuf":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    encoded = [e.encode() if isinstance(e, str) else e for e in array.ravel().tolist()]
    return b"".join(part for element in encoded for part in (_LENGTH.pack(len(element)), element))
