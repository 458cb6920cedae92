"""Tensors of a request: values as JSON has them become arrays that a model takes, or are refused. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from journeyman.models.signature import Field, Signature
from journeyman.serve.protocols.errors import refuse


def array_of(
    field: Field, value: Any, where: str, words: bool, sent: tuple[int, ...] | None = None
) -> np.ndarray:
    """`value` as the array that `field` asks for. Raises RequestError.

    `words`: there may be strings or booleans in it. `sent`: the shape it is said to have, where it may also
    be flat.
    """
    wanted = field.dtype.kind
    if wanted in "OUST":
        return _strings(field, value, where, sent)
    if words:
        _refuse_words(field, value, where)
    try:
        array = np.asarray(value)
    except ValueError:
        refuse(f"{where} is not rectangular: {_raggedness(value)}.")
    kind = array.dtype.kind
    if kind not in "biuf":
        _refuse_leaf(value, where)
    array = _as_sent(array, sent, where)
    if array.size == 0:
        check_not_empty(array, field, where)
    elif kind == "b" and wanted != "b":
        refuse(f"{where} holds booleans, and this input is {field.dtype}.")
    elif kind != "b" and wanted == "b":
        refuse(f"{where} holds numbers, and this input is boolean: send true and false.")
    check_shape(array, field, where)
    if kind == "f" and wanted in "iu":
        # NumPy reads integers beside a float, and those beyond int64, as floats: not all of their digits.
        numbers = np.asarray(value, dtype=object).ravel().tolist()
        if not np.isfinite(array).all():
            refuse(f"{where} holds a number that is not finite, and this input is {field.dtype}.")
        if any(number != int(number) for number in numbers):
            refuse(f"{where} holds a fraction, and this input is {field.dtype}.")
        array = np.array([int(number) for number in numbers], dtype=object).reshape(array.shape)
    return check_values(_cast(array, field, where), field, where)


def check_values(array: np.ndarray, field: Field, where: str) -> np.ndarray:
    """`array`, where the model has a row of its tables for each value. Raises RequestError."""
    if field.ends is None or not array.size:
        return array
    least, most = field.ends
    for found in (int(array.min()), int(array.max())):
        if not least <= found <= most:
            refuse(f"{where} holds {found}, and this input takes {least} to {most}.")
    return array


def _refuse_words(field: Field, value: Any, where: str) -> None:
    """NumPy would make numbers beside a string strings, and booleans beside a number numbers."""
    if (position := find(value, lambda leaf: type(leaf) is str)) is not None:
        refuse(f"{where}{position} is a string, and this input is {field.dtype}.")
    if field.dtype.kind == "b":
        return
    if (position := find(value, lambda leaf: type(leaf) is bool)) is not None:
        refuse(f"{where}{position} is a boolean, and this input is {field.dtype}.")


def _cast(array: np.ndarray, field: Field, where: str) -> np.ndarray:
    wanted = field.dtype.kind
    if wanted == "f":
        with np.errstate(over="ignore"):
            cast = array.astype(field.dtype)
        # Counted: `all` makes a detour through Python, which on a row is most of its cost.
        if np.count_nonzero(np.isfinite(cast)) < cast.size:
            refuse(f"{where} holds a number beyond the range of {field.dtype}.")
        return cast
    if wanted in "iu":
        limits = np.iinfo(field.dtype)
        if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
            refuse(f"{where} holds a number beyond the range of {field.dtype}.")
    elif wanted != "b":
        refuse(f"{where}: an input of {field.dtype} cannot be sent as JSON.")
    return array.astype(field.dtype)


def _as_sent(array: np.ndarray, sent: tuple[int, ...] | None, where: str) -> np.ndarray:
    if sent is None or array.shape == sent:
        return array
    if array.size != math.prod(sent):
        refuse(f"{where} holds {array.size} values, and its shape {_shape(sent)} has {math.prod(sent)}.")
    if array.ndim != 1:
        refuse(f"{where} is neither flat nor of the shape {_shape(sent)} that it is said to have.")
    return array.reshape(sent)


def _strings(field: Field, value: Any, where: str, sent: tuple[int, ...] | None) -> np.ndarray:
    if (position := find(value, lambda leaf: type(leaf) is not str)) is not None:
        refuse(f"{where}{position} is not a string, and this input takes strings.")
    array = np.asarray(value, dtype=object)
    if any(type(leaf) is not str for leaf in array.flat):
        refuse(f"{where} is not rectangular: {_raggedness(value)}.")
    array = _as_sent(array, sent, where)
    if array.size == 0:
        check_not_empty(array, field, where)
    check_shape(array, field, where)
    return array


def check_not_empty(array: np.ndarray, field: Field, where: str) -> None:
    if field.shape and field.shape[0] == -1 and array.shape[:1] == (0,):
        refuse(f"{where} is empty: there is nothing to predict.")


def check_shape(array: np.ndarray, field: Field, where: str) -> None:
    shape = field.shape
    if len(array.shape) == len(shape):
        for wanted, size in zip(shape, array.shape, strict=True):
            if wanted not in (-1, size):
                break
        else:
            if all(_is_within(array.shape[at], limits) for at, limits in field.limits.items()):
                return
    hint = ""
    if len(array.shape) == len(shape) - 1 and shape[0] == -1:
        hint = " A single sample is a batch of one: put it into a list."
    elif len(array.shape) == len(shape) and any(
        wanted not in (-1, size) for wanted, size in zip(shape[1:], array.shape[1:], strict=True)
    ):
        hint = " The fixed sizes are those of the example that the model was published with."
    refuse(
        f"{where} has shape {_shape(array.shape)}, and this model takes {_shape(shape, field.limits)}.{hint}"
    )


def check_batch(inputs: Mapping[str, np.ndarray], signature: Signature) -> None:
    sizes = {f.name: inputs[f.name].shape[0] for f in signature.inputs if f.shape[:1] == (-1,)}
    if len(set(sizes.values())) > 1:
        refuse(
            f"The inputs differ in their number of rows: {', '.join(f'{n} {s}' for n, s in sizes.items())}."
        )


def _refuse_leaf(value: Any, where: str) -> NoReturn:
    """For data that are not numbers throughout, although they hold no string."""
    if (position := find(value, lambda leaf: leaf is None)) is not None:
        refuse(f"{where}{position} is null, and tensors have no missing values.")
    if (position := find(value, lambda leaf: type(leaf) is dict)) is not None:
        refuse(f"{where}{position} is an object where a number or a list of numbers belongs.")
    refuse(f"{where} holds a number beyond the range of a tensor.")


def find(value: Any, wrong: Callable[[Any], bool]) -> str | None:
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


def _is_within(size: int, limits: tuple[int, int | None]) -> bool:
    least, most = limits
    return size >= least and (most is None or size <= most)


_Limits = Mapping[int, tuple[int, int | None]]


def _shape(shape: tuple[int, ...], limits: _Limits = MappingProxyType({})) -> str:
    """A shape as people write it; -1 is any size, or one within its limits."""
    told = (_any(*limits.get(at, (0, None))) if size == -1 else str(size) for at, size in enumerate(shape))
    return f"[{', '.join(told)}]"


def _any(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more" if least else "any"
    return f"{least} to {most}" if least else f"up to {most}"
