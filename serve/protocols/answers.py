"""What a model answered, as JSON: whatever Python, NumPy and pandas hold, as plain values. Pure."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson
import pandas as pd


def json_of(value: Any) -> bytes:
    """Always valid JSON: NaN and infinities are null. Raises TypeError for what JSON cannot hold."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


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
    if isinstance(value, (set, frozenset, range)):
        return list(value)
    if hasattr(value, "model_dump"):  # pydantic's models, which MLflow takes as the types of answers
        return value.model_dump()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError
