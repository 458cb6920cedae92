"""A scikit-learn estimator that is stored by skops, read with the types that skops trusts by itself.

MLflow's own loader trusts the types that the version lists, and reads it as pickle where a second MLmodel
beside the file says so: it asks for the permission to unpickle.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import skops.io
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel

_METHODS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
"""Those that MLflow calls where a version names one."""


class _Estimator:
    """What MLflow's checks of inputs and of outputs are put around."""

    def __init__(self, method: Callable[[Any], Any]) -> None:
        self._method = method

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return self._method(data)


def load(folder: Path, metadata: Model) -> PyFuncModel:
    """Raises MlflowException where the metadata name no file or method, and what skops raises."""
    told = metadata.flavors["python_function"]
    file, method = (folder / str(told.get("model_path", ""))).resolve(), told.get("predict_fn", "predict")
    if not file.is_relative_to(folder.resolve()):
        raise MlflowException(f"its metadata name a file outside of it, {told['model_path']!r}")
    if method not in _METHODS:
        raise MlflowException(f"its metadata name {method!r}, which is no method of an estimator")
    estimator = skops.io.load(file, trusted=None)
    return PyFuncModel(model_meta=metadata, model_impl=_Estimator(getattr(estimator, method)))
