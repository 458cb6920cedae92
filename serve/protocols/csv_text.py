"""CSV in the body of a request: its first line the names of the columns, each further line a row. Pure.

Text stays what it is: `NA` is Namibia in a column of text. Only an empty cell is missing there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from mlflow.types import DataType, Schema

from journeyman.serve.protocols.errors import refuse
from journeyman.serve.protocols.tables import refuse_doubled, separator_hint

_MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "Null", "null", "None")
"""What R, pandas, spreadsheets and databases write where a number is missing."""
_TEXT = (DataType.string, DataType.binary, DataType.datetime)
_WHOLE = (DataType.integer, DataType.long)
_WHOLE_NUMBER = re.compile("[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)", re.IGNORECASE)


def read_csv(body: bytes, schema: Schema | None) -> pd.DataFrame:
    """The table in `body`: text for what the schema says is text, numbers and booleans where all cells are.

    Raises RequestError.
    """
    try:
        names = _names(body)
        kinds = _kinds(names, schema)
        # Whole numbers too: beside one `3.0` pandas makes floats of all, which hold 53 bits of a number.
        as_text = {name: str for name in names if kinds.get(name) in (*_TEXT, *_WHOLE)}
        # Without a schema a word for a missing number may be a text.
        numbers = [name for name in kinds if name not in as_text]
        table = pd.read_csv(
            io.BytesIO(body),
            names=names,
            header=0,
            dtype=as_text,
            keep_default_na=False,
            na_values={name: _MISSING if name in numbers else ("",) for name in names},
            low_memory=False,  # else a long column is inferred piece by piece
        )
    except (ValueError, OverflowError, csv.Error):
        # pandas' own messages repeat what it read.
        refuse("The body is not CSV in UTF-8 with the names of the columns in its first line.")
    if not isinstance(table.index, pd.RangeIndex):
        refuse(
            f"csv: a row has more cells than the {len(names)} names in the first line.{separator_hint(names)}"
        )
    for name in names:
        if kinds.get(name) not in _TEXT and not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = _cells(table[name], declared=name in kinds)
    return table


def _names(body: bytes) -> list[str]:
    """The cells of the first line that is not blank; raises ValueError without one."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline=""))
    cells = next((cells for cells in lines if cells), None)
    if cells is None:
        raise ValueError
    names = [cell or f"Unnamed: {index}" for index, cell in enumerate(cells)]
    refuse_doubled(names, "csv")
    return names


def _kinds(names: list[str], schema: Schema | None) -> Mapping[str, DataType]:
    """What the model declares, by the names in the text."""
    if schema is None:
        return {}
    if schema.has_input_names():
        return {spec.name: spec.type for spec in schema.inputs}
    return {name: spec.type for name, spec in zip(names, schema.inputs, strict=False)}


def _cells(values: pd.Series[Any], declared: bool) -> pd.Series[Any]:
    """A column of which pandas made text, each cell alone. What is no number stays text, to be told as it is.

    A column that nobody declared is one of numbers only if all its cells are.
    """
    cells = [_number(text) if isinstance(text, str) else text for text in values]
    if not declared and any(isinstance(cell, str) for cell in cells):
        return values
    return pd.Series(cells, index=values.index, dtype=object if declared else None)


def _number(text: str) -> int | float | str | None:
    stripped = text.strip()
    if stripped in _MISSING:
        return None
    if _WHOLE_NUMBER.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if _NUMBER.fullmatch(stripped) else text
