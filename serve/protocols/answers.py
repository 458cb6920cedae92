"""What a model answered, as JSON: whatever Python, NumPy and pandas hold, as plain values. Pure."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import orjson
import pandas as pd


def json_of(value: Any) -> bytes:
    """Always valid JSON: NaN and infinities are null. Raises TypeError for what JSON cannot hold."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        # NumPy's numbers as names, as of what was counted, and names of several parts.
        return orjson.dumps(_with_names(value, 0), default=_plain, option=_OPTIONS)


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_MOST_LEVELS = 200
"""What nests deeper, or holds itself, no JSON is made of."""


def _with_names(value: Any, level: int) -> Any:
    """The value with names that JSON takes."""
    if level > _MOST_LEVELS:
        raise TypeError
    if isinstance(value, Mapping):
        return {_name(key): _with_names(each, level + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_names(each, level + 1) for each in value]
    return value


def _name(key: Any) -> Any:
    if isinstance(key, np.generic):
        key = key.item()
    return str(key) if isinstance(key, (tuple, bytes)) else key


def _plain(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return value.to_dict() if isinstance(value, pd.Series) else value.to_dict(orient="records")
    if isinstance(value, (set, frozenset, range, tuple, deque)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, timedelta):
        return pd.Timedelta(value).isoformat()
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers, tensors, what pandas keeps columns in
        return value.tolist()
    if hasattr(value, "model_dump"):  # pydantic's models, which MLflow takes as the types of answers
        return value.model_dump()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError
