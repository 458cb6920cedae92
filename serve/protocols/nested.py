"""Columns of lists and objects: each value in them as in a column of its own, or refused by its place.

Pure. MLflow takes no whole number where a list of doubles is declared, and JavaScript writes 1.0 as 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType
from mlflow.types.schema import Array, Map, Object

from journeyman.serve.protocols.columns import Where, column_of, shown, type_of
from journeyman.serve.protocols.errors import listed, nearest, quoted, refuse

_MAY_BE_MISSING = (DataType.float, DataType.double)


def nested_column(values: pd.Series[Any], kind: Any, column: str, required: bool) -> pd.Series[Any]:
    """`values` in the type `kind`, with the index they have. Raises RequestError."""
    found = [
        None if each is None and not required else _converted(each, kind, _Place(column, row))
        # pandas fills up rows that lack what others have; JSON holds no NaN.
        for row, each in enumerate(None if _is_filled(value) else value for value in values)
    ]
    return pd.Series(found, index=values.index, dtype=object)


def _is_filled(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a column a value stands."""

    column: str
    row: int
    path: str = ""

    def __str__(self) -> str:
        return f"row {self.row + 1}" + (f" at {self.path}" if self.path else "")

    def below(self, step: str) -> _Place:
        return _Place(self.column, self.row, f"{self.path}{step}".removeprefix("."))


def _converted(value: Any, kind: Any, place: _Place) -> Any:
    if isinstance(kind, DataType):
        return _alike([value], kind, Where(place.column, lambda _: str(place)))[0]
    if isinstance(kind, Array):
        if type(value) is not list:
            _refuse(value, place, "a list")
        if isinstance(kind.dtype, DataType):
            where = Where(place.column, lambda index: str(place.below(f"[{index}]")))
            return _alike(value, kind.dtype, where)
        return [_converted(each, kind.dtype, place.below(f"[{index}]")) for index, each in enumerate(value)]
    if isinstance(kind, Object):
        return _object(value, kind, place)
    if isinstance(kind, Map):
        if type(value) is not dict:
            _refuse(value, place, "an object")
        return {key: _converted(each, kind.value_type, place.below(f".{key}")) for key, each in value.items()}
    return value


def _object(value: Any, kind: Object, place: _Place) -> dict[str, Any]:
    if type(value) is not dict:
        _refuse(value, place, "an object")
    known = {each.name: each for each in kind.properties}
    for name in value:
        if name not in known:
            refuse(
                f"{place.column} holds an object in {place} with {quoted(name)}, which this model does not "
                f"take.{nearest(name, known)} It takes {listed(known)}."
            )
    if lacking := [name for name, each in known.items() if each.required and name not in value]:
        refuse(f"{place.column} holds an object in {place} that lacks {listed(lacking)}.")
    return {
        name: None
        if each is None and not known[name].required
        else _converted(each, known[name].dtype, place.below(f".{name}"))
        for name, each in value.items()
    }


def _alike(values: list[Any], kind: DataType, where: Where) -> list[Any]:
    found: list[Any] = column_of(
        pd.Series(values, dtype=object), kind, where, nulls=kind in _MAY_BE_MISSING
    ).tolist()
    return found


def _refuse(value: Any, place: _Place, takes: str) -> None:
    if value is None:
        refuse(f"{place.column} holds null in {place}, and {takes} cannot be missing.")
    refuse(
        f"{place.column} holds {shown(value)} in {place}, which is {type_of(value)}, "
        f"and this model takes {takes}."
    )
