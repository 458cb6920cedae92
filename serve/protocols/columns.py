"""One column of a table: values as they were sent become the type that the model declares, or are refused.

Pure. MLflow's own cast takes text for numbers, drops fractions and time zones, and reads a number as
nanoseconds since 1970. Here a value keeps its meaning, or the refusal names column, row and value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType

from journeyman.serve.protocols.errors import quoted, refuse

_WHOLE = (DataType.integer, DataType.long)
_DATE = re.compile(
    r"(?P<day>[0-9]{4}-?[0-9]{2}-?[0-9]{2})"
    r"([Tt ](?P<time>[0-9:]+([.,][0-9]+)?)( ?(?P<zone>[Zz]|[+-][0-9]{2}(:?[0-9]{2})?)(\[[^]]+\])?)?)?"
)
"""ISO 8601 with what RFC 3339 and 9557 add: small letters, and the name of a place behind the zone."""
_DATE_FORM = "a date in ISO 8601 such as 2026-05-01T10:00:00Z"


@dataclass(frozen=True, slots=True)
class Where:
    """By what a value is named where it is refused."""

    column: str
    place: Callable[[int], str] = lambda index: f"row {index + 1}"
    """Of one of the values, by its index."""


def column_of(values: pd.Series[Any], kind: DataType, where: Where, nulls: bool = True) -> pd.Series[Any]:
    """`values` in the type `kind`, with the index they have. Raises RequestError.

    With `nulls` a number, a text and a date may be missing; a whole number, a boolean and bytes may never.
    """
    if not nulls:
        _refuse_missing(values, kind, where)
    if kind in (DataType.float, DataType.double):
        return _floats(values, kind, where)
    if kind in _WHOLE:
        return _whole_numbers(values, kind, where)
    if kind is DataType.boolean:
        _refuse_missing(values, kind, where)
        _refuse_others(values, (bool, np.bool_), kind, where)
        return values.astype(bool)
    _refuse_others(values, (str,), kind, where, _DATE_FORM if kind is DataType.datetime else "")
    if kind is DataType.datetime:
        return _dates(values, where)
    if kind is DataType.binary:
        _refuse_missing(values, kind, where)
        return _bytes(values, where)
    return values.astype("str")


def _floats(values: pd.Series[Any], kind: DataType, where: Where) -> pd.Series[Any]:
    _refuse_no_numbers(values, kind, where)
    try:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:  # an integer of more than 308 digits
        numbers = np.array([_float(value) for value in values])
    with np.errstate(over="ignore"):
        cast = numbers.astype(kind.to_numpy())
    beyond = ~np.isfinite(cast) & ~values.isna().to_numpy()
    if beyond.any():
        _refuse(values, int(beyond.argmax()), where, f"is beyond the range of {kind.name}")
    return pd.Series(cast, index=values.index)


def _float(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf


def _whole_numbers(values: pd.Series[Any], kind: DataType, where: Where) -> pd.Series[Any]:
    # Not through floats, which hold no more than 53 bits of a number.
    _refuse_missing(values, kind, where)
    _refuse_no_numbers(values, kind, where)
    limits = np.iinfo(kind.to_numpy())
    numbers = values.tolist()
    for row, number in enumerate(numbers):
        if type(number) is float and not number.is_integer():
            _refuse(values, row, where, f"is no whole number, and this model takes {kind.name}")
        if not limits.min <= number <= limits.max:
            _refuse(values, row, where, f"is beyond the range of {kind.name}")
    whole = np.array([int(number) for number in numbers], dtype=kind.to_numpy())
    return pd.Series(whole, index=values.index)


def _dates(values: pd.Series[Any], where: Where) -> pd.Series[Any]:
    """Moments without a zone, as MLflow's type has them: one with a zone is the same instant in UTC."""
    missing = values.isna().to_numpy()
    # pandas takes a year alone, which is a number more often than a date.
    texts = [None if absent else _plain(text) for text, absent in zip(values, missing, strict=True)]
    dates = pd.to_datetime(
        pd.Series(texts, index=values.index, dtype=object), format="ISO8601", utc=True, errors="coerce"
    )
    wrong = dates.isna().to_numpy() & ~missing
    if wrong.any():
        _refuse(values, int(wrong.argmax()), where, f"is not {_DATE_FORM}")
    naive = dates.dt.tz_localize(None)
    # Nanoseconds in 64 bits reach from 1677 to 2262.
    beyond = ((naive < pd.Timestamp.min) | (naive > pd.Timestamp.max)).to_numpy()
    if beyond.any():
        _refuse(values, int(beyond.argmax()), where, "is beyond the years 1678 to 2261 of a datetime")
    return naive.dt.as_unit("ns")


def _plain(text: str) -> str:
    """A date in the one form that pandas reads; empty for what is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ""
    time = f"T{found['time'].replace(',', '.')}" if found["time"] else ""
    return f"{found['day']}{time}{(found['zone'] or '').upper()}"


def _bytes(values: pd.Series[Any], where: Where) -> pd.Series[Any]:
    decoded: list[bytes] = []
    for row, text in enumerate(values):
        try:
            # Encoders of mail break lines.
            decoded.append(base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True))
        except (binascii.Error, ValueError):
            _refuse(values, row, where, "is not base64, in which JSON and CSV carry bytes")
    return pd.Series(decoded, index=values.index, dtype=object)


# -- refused -------------------------------------------------------------------------------------------


def _refuse_no_numbers(values: pd.Series[Any], kind: DataType, where: Where) -> None:
    if values.dtype.kind not in "iuf":
        _refuse_others(values, (int, float, np.integer, np.floating), kind, where)


def _refuse_others(
    values: pd.Series[Any], types: tuple[type, ...], kind: DataType, where: Where, takes: str = ""
) -> None:
    """Unless every value that is not missing is of one of `types`. A boolean is no number."""

    def other(value: Any) -> bool:
        if isinstance(value, (bool, np.bool_)):
            return bool not in types
        return not isinstance(value, types) and not _is_missing(value)

    row = _first(values, other)
    if row is not None:
        _refuse(
            values, row, where, f"is {type_of(values.iloc[row])}, and this model takes {takes or kind.name}"
        )


def _refuse_missing(values: pd.Series[Any], kind: DataType, where: Where) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        place = where.place(int(missing.argmax()))
        refuse(f"{where.column} holds null in {place}, and a {kind.name} cannot be missing.")


def _first(values: pd.Series[Any], wrong: Callable[[Any], bool]) -> int | None:
    return next((row for row, value in enumerate(values) if wrong(value)), None)


def _refuse(values: pd.Series[Any], row: int, where: Where, what: str) -> None:
    refuse(f"{where.column} holds {shown(values.iloc[row])} in {where.place(row)}, which {what}.")


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def shown(value: Any) -> str:
    """One value, short enough that it tells the caller which one it is and no more."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return quoted(str(value)).strip("'")


def type_of(value: Any) -> str:
    """In words, for a value of JSON."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "a boolean"
    if isinstance(value, (dict, list)):
        return "no single value"
    return "a number"
