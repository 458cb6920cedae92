"""Tensors of the Open Inference Protocol, whichever way they travel: read, checked, described and written.

Pure. Bytes are little-endian and row after row; each element of BYTES follows its length in four bytes.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType, Schema

from journeyman.models.arrays import Inputs
from journeyman.models.signature import OUTPUT, Field, Signature
from journeyman.serve.protocols.answers import json_of
from journeyman.serve.protocols.errors import INTERNAL_ERROR, RequestError, quoted, refuse
from journeyman.serve.protocols.invocation import check_names
from journeyman.serve.protocols.tables import table_of
from journeyman.serve.protocols.tensors import (
    array_of,
    check_batch,
    check_not_empty,
    check_shape,
    check_values,
)

_BYTES = "BYTES"
DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("bool"),
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    _BYTES: np.dtype("O"),
}
_DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
DATATYPES = tuple(DTYPES)
_MOST_ITEM_BYTES = max(dtype.itemsize for dtype in DTYPES.values())
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
MOST_DIMENSIONS = 64
"""NumPy's own limit."""

_MOST_BYTES = 2**63 - 1
"""That an array may have, as NumPy counts them, sizes of 0 aside."""

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input as it was sent; either `data` or `content` is there."""

    where: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None
    content: memoryview
    encoded: bool = False
    """Whether its texts are said to be in base64, as MLServer's codec for bytes sends them."""


@dataclass(frozen=True, slots=True)
class Described:
    """One input or output of a model, as its metadata tell it."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def inputs_of(signature: Signature) -> list[Described]:
    """As far as the model declares them."""
    if signature.columns is not None:
        return [
            Described(_column_name(spec.name, index), _datatype_of_column(spec.type), (-1,))
            for index, spec in enumerate(signature.columns.inputs)
        ]
    return [Described(f.name, datatype_of(f.dtype), f.shape) for f in signature.inputs]


def outputs_of(signature: Signature) -> list[Described]:
    """As far as the model declares them."""
    return [Described(f.name, datatype_of(f.dtype), f.shape) for f in signature.outputs]


def _column_name(name: str | None, index: int) -> str:
    return name or f"column_{index}"


def _datatype_of_column(kind: Any) -> str:
    # MLflow's lists and objects have no hash.
    return _COLUMNS[kind] if isinstance(kind, DataType) else _BYTES


def datatype_of(dtype: np.dtype[Any]) -> str:
    """What the protocol calls it."""
    return _DATATYPES.get(dtype, _BYTES)


def read_inputs(tensors: Mapping[str, Tensor], signature: Signature) -> Inputs:
    """What goes into the model. Raises RequestError where the tensors do not fit it."""
    if signature.inputs:
        check_names(tensors, [field.name for field in signature.inputs], "inputs")
        arrays = {field.name: _array(tensors[field.name], field) for field in signature.inputs}
        if len(arrays) > 1:
            check_batch(arrays, signature)
        return arrays
    if signature.columns is not None:
        return _table(tensors, signature.columns, signature.nulls)
    arrays = {
        name: _array(tensor, Field(name, DTYPES[tensor.datatype], tensor.shape))
        for name, tensor in tensors.items()
    }
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def sizes_of(sent: Any, where: str) -> tuple[int, ...]:
    """The shape of a tensor. Raises RequestError where it is none, or none that an array can have."""
    sizes = sent if type(sent) is list else [None]
    if len(sizes) > MOST_DIMENSIONS or not all(type(size) is int and size >= 0 for size in sizes):
        refuse(f"{where} must have a shape, a list of sizes, {MOST_DIMENSIONS} at most.")
    if math.prod(size or 1 for size in sizes) * _MOST_ITEM_BYTES > _MOST_BYTES:
        refuse(f"{where} has a shape of more values than a tensor can have.")
    return tuple(sizes)


def _table(tensors: Mapping[str, Tensor], schema: Schema, nulls: bool) -> Inputs:
    """Tensors of one column each."""
    kinds = {_column_name(spec.name, index): spec.type for index, spec in enumerate(schema.inputs)}
    columns: dict[str, list[Any]] = {}
    for name, tensor in tensors.items():
        if tensor.shape[1:] not in ((), (1,)) or not tensor.shape:
            refuse(f"{tensor.where} must have the shape [rows] or [rows, 1]: it is a column.")
        dtype = np.dtype("S") if kinds.get(name) is DataType.binary else DTYPES[tensor.datatype]
        columns[name] = _array(tensor, Field(name, dtype, tensor.shape)).ravel().tolist()
    if len({len(column) for column in columns.values()}) > 1:
        sizes = ", ".join(f"{quoted(name)} {len(column)}" for name, column in columns.items())
        refuse(f"The inputs differ in their number of rows: {sizes}.")
    table = pd.DataFrame(columns)
    if not schema.has_input_names():
        check_names(columns, list(kinds), "inputs")
        table = table[list(kinds)]
    return table_of(table, schema, "inputs", nulls)


def _array(tensor: Tensor, field: Field) -> np.ndarray:
    wanted = datatype_of(field.dtype)
    if tensor.datatype != wanted:
        refuse(f"{tensor.where} is {tensor.datatype}, and this input is {wanted}.")
    if (data := tensor.data) is not None:
        if tensor.encoded and field.dtype.kind == "O":
            # What a column of bytes is read as is sent so in any case.
            data = _decoded(data, tensor.where)
        # Mostly flat values of the kind that is asked for: nobody need look through them again.
        plain = {bool} if field.dtype.kind == "b" else {int, float}
        words = not set(map(type, data)) <= plain
        return array_of(field, data, f"{tensor.where}.data", words, tensor.shape)
    count = math.prod(tensor.shape)
    if tensor.datatype == _BYTES:
        array = _strings(tensor, count, raw=field.dtype.kind == "S")
    else:
        dtype = DTYPES[tensor.datatype].newbyteorder("<")
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
    return check_values(array, field, tensor.where)


def _decoded(data: list[Any], where: str) -> list[Any]:
    try:
        return [
            base64.b64decode(element, validate=True).decode() if isinstance(element, str) else element
            for element in data
        ]
    except ValueError:
        refuse(f"{where} holds what is no text in base64, as its content_type says.")


def _strings(tensor: Tensor, count: int, raw: bool) -> np.ndarray:
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


def named_arrays(outputs: Any) -> dict[str, np.ndarray]:
    """What a model answered, as tensors by name; of a table the columns.

    Raises RequestError, 500, for an answer that is no tensor.
    """
    if isinstance(outputs, pd.DataFrame):
        named = {str(name): _tensor(column.to_numpy()) for name, column in outputs.items()}
    elif isinstance(outputs, Mapping):
        named = {str(name): _tensor(output) for name, output in outputs.items()}
    else:
        named = {OUTPUT: _tensor(outputs)}
    return named


def _tensor(value: Any) -> np.ndarray:
    """A tensor of numbers, or one of text; what is neither, such as an object, is the text of its JSON."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of several lengths
        array = _elements(value)
    if array.dtype.kind == "M":
        return np.where(np.isnat(array), "null", array.astype(str)).astype(object)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "US" and not isinstance(value, np.ndarray):
        # Of numbers beside text NumPy has made text of its own.
        array = np.asarray(value, dtype=object)
    try:
        texts = [e if isinstance(e, (str, bytes)) else json_of(e).decode() for e in array.ravel().tolist()]
    except TypeError:
        raise RequestError(
            f"The model's answer, a {type(value).__name__}, is not a tensor.",
            status=500,
            error_code=INTERNAL_ERROR,
        ) from None
    return _elements(texts).reshape(array.shape)


def _elements(value: Any) -> np.ndarray:
    """One element for each of a list, whatever it is."""
    return np.fromiter(value, dtype=object, count=len(value))


def texts_of(array: np.ndarray) -> tuple[list[str], bool]:
    """The elements as JSON carries them, and whether that is in base64: where one of them is no text."""
    elements = array.ravel().tolist()
    try:
        return [each if isinstance(each, str) else each.decode() for each in elements], False
    except UnicodeDecodeError:
        encoded = (each.encode() if isinstance(each, str) else each for each in elements)
        return [base64.b64encode(each).decode() for each in encoded], True


def bytes_of(array: np.ndarray) -> bytes:
    if array.dtype.kind in "biuf":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    encoded = [e.encode() if isinstance(e, str) else e for e in array.ravel().tolist()]
    return b"".join(part for element in encoded for part in (_LENGTH.pack(len(element)), element))
