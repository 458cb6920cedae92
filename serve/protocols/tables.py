"""Tables of a request: what a model of columns takes, without changing what was sent, or refused. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

import pandas as pd
from mlflow.types import ColSpec, DataType, Schema

from journeyman.compat.mlflow_models import enforce_schema
from journeyman.serve.protocols.columns import Where, column_of
from journeyman.serve.protocols.errors import quoted, refuse
from journeyman.serve.protocols.nested import nested_column


def table_of(table: pd.DataFrame, schema: Schema, where: str, nulls: bool = True) -> pd.DataFrame:
    """The columns that the model takes, in the types it declares. Raises RequestError.

    `nulls`: whether a number, a text or a date may be missing.
    """
    if not len(table):
        refuse(f"{where} is empty: there is nothing to predict.")
    names = _present(table, schema, where)
    # What the model does not know is left out, as MLflow does: rows often carry more than one model needs.
    columns = {
        name: _column(table[name], spec, f"{where}: column {quoted(str(name))}", nulls)
        for name, spec in zip(names, _specs(schema, names), strict=True)
    }
    try:
        return enforce_schema(pd.DataFrame(columns), schema)
    except Exception:  # noqa: BLE001
        # pandas and MLflow raise what they please on values of no sensible form, and repeat them.
        refuse(f"{where} holds values that are not of the columns' types. This model takes {typed(schema)}.")


def _column(values: pd.Series[Any], spec: ColSpec, where: str, nulls: bool) -> pd.Series[Any]:
    if isinstance(spec.type, DataType):
        return column_of(values, spec.type, Where(where), nulls)
    return nested_column(values, spec.type, where, spec.required)


def _present(table: pd.DataFrame, schema: Schema, where: str) -> list[Any]:
    """The table's columns that the model takes."""
    refuse_doubled(table.columns, where)
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
            hint = separator_hint(given) or hint
            refuse(f"{where} lacks column '{name}'.{hint} This model takes {typed(schema)}.")
    return [name for name in schema.input_names() if name in given]


def separator_hint(names: list[Any]) -> str:
    """A sentence to append where the one name of a table holds what others separate columns with."""
    found = {";", "\t", "|"} & set(str(names[0])) if len(names) == 1 else set()
    return f" Columns are separated by commas, not by {min(found)!r}." if found else ""


def refuse_doubled(names: Collection[Any], where: str) -> None:
    """A name that is there twice: which of the two is meant cannot be told."""
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            refuse(f"{where}: column {quoted(name)} is there twice.")
        seen.add(name)


def _specs(schema: Schema, names: list[Any]) -> list[ColSpec]:
    if not schema.has_input_names():
        return list(schema.inputs)
    declared = schema.input_dict()
    return [declared[name] for name in names]


def typed(schema: Schema) -> str:
    """The columns and their types, such as 'age' (long)."""
    if not schema.has_input_names():
        return f"{len(schema.inputs)} columns without names"
    return ", ".join(
        f"'{spec.name}' ({spec.type.name if isinstance(spec.type, DataType) else spec.type})"
        for spec in schema.inputs
    )
