"""Tables of a request: what a model of columns takes, without changing what was sent, or refused. Pure."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models.utils import _enforce_schema
from mlflow.types import DataType, Schema
from mlflow.utils.proto_json_utils import cast_df_types_according_to_schema

from journeyman.serve.protocols.errors import quoted, refuse


def table_of(table: pd.DataFrame, schema: Schema, where: str) -> pd.DataFrame:
    """The columns that the model takes, in the types it declares. Raises RequestError."""
    if not len(table):
        refuse(f"{where} is empty: there is nothing to predict.")
    names = _present(table, schema, where)
    # What the model does not know is left out, as MLflow does: rows often carry more than one model needs.
    table = table[names]
    for name, kind in zip(names, _types(schema, names), strict=True):
        _check_column(table[name], kind, f"{where}: column {quoted(str(name))}")
    try:
        with np.errstate(over="ignore"):
            checked = _enforce_schema(cast_df_types_according_to_schema(table.copy(), schema), schema)
    except Exception:  # noqa: BLE001
        # pandas and MLflow raise what they please on values of no sensible form, and repeat them.
        refuse(f"{where} holds values that are not of the columns' types. This model takes {typed(schema)}.")
    for name in checked.columns:
        if checked[name].dtype.kind == "f" and np.isinf(checked[name]).any():
            refuse(f"{where}: column {quoted(str(name))} holds a number beyond the range of its type.")
    return checked


def _present(table: pd.DataFrame, schema: Schema, where: str) -> list[Any]:
    """The table's columns that the model takes."""
    if not schema.has_input_names():
        if len(table.columns) != len(schema.inputs):
            refuse(f"{where} has {len(table.columns)} columns where this model takes {len(schema.inputs)}.")
        return list(table.columns)
    given = list(table.columns)
    for name in schema.required_input_names():
        if name not in given:
            unknown = [str(column) for column in given if column not in schema.input_names()]
            near = difflib.get_close_matches(name, unknown, n=1)
            hint = f" Did you mean it by {quoted(near[0])}?" if near else ""
            refuse(f"{where} lacks column '{name}'.{hint} This model takes {typed(schema)}.")
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
        refuse(f"{where} holds {inferred} values, and this model takes {kind.name}.")
    if kind in (DataType.boolean, DataType.integer, DataType.long) and values.isna().any():
        refuse(f"{where} holds null, and a {kind.name} cannot be missing.")
    if kind in (DataType.integer, DataType.long):
        if any(value != int(value) for value in values):
            refuse(f"{where} holds a fraction, and this model takes {kind.name}.")
        limits = np.iinfo(kind.to_numpy())
        if not all(limits.min <= value <= limits.max for value in values):
            refuse(f"{where} holds a number beyond the range of {kind.name}.")


def typed(schema: Schema) -> str:
    """The columns and their types, such as 'age' (long)."""
    if not schema.has_input_names():
        return f"{len(schema.inputs)} columns without names"
    return ", ".join(
        f"'{spec.name}' ({spec.type.name if isinstance(spec.type, DataType) else spec.type})"
        for spec in schema.inputs
    )
