"""Private names of MLflow's models: its checks of inputs by schema, and the file of an input example.

Tested with MLflow 3.17. MLflow reaches them only through a model that it has loaded itself. Where they are
gone, processes that serve say so as they start: requests would be checked by other rules than MLflow's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import Model
from mlflow.models.utils import _enforce_params_schema, _enforce_schema, _save_example
from mlflow.types import ParamSchema, Schema


def enforce_schema(values: Any, schema: Schema) -> Any:
    """A table, or arrays by name, in the types of the schema. Raises what pandas and MLflow raise."""
    return _enforce_schema(values, schema)


def enforce_params(params: dict[str, Any] | None, schema: ParamSchema) -> dict[str, Any]:
    """Params in the types that the schema declares, with its defaults. Raises MlflowException."""
    checked: dict[str, Any] = _enforce_params_schema(params, schema)
    return checked


def save_example(model: Model, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the example of a model folder, and name it in `model`, whose MLmodel file is not written."""
    _save_example(model, dict(arrays), str(folder))
