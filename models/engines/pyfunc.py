"""MLflow's pyfunc as an engine: whatever MLflow loads and no other engine computes."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import torch

from journeyman.models.arrays import Inputs, Outputs, Run
from journeyman.models.files import Version
from journeyman.models.own_code import is_estimator
from journeyman.models.signature import OUTPUT, as_declared


def load(version: Version) -> Run:
    """The version, which may answer with something else than arrays."""
    signature = version.signature
    model = _model(version)

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        if signature.bare_input:
            inputs = inputs[signature.inputs[0].name]
        with torch.inference_mode():
            result = model.predict(inputs, params=params)
        if isinstance(result, np.ndarray):
            result = {OUTPUT: result}
        if isinstance(result, dict) and all(isinstance(value, np.ndarray) for value in result.values()):
            return as_declared(result, signature)
        return result

    return run


def _model(version: Version) -> mlflow.pyfunc.PyFuncModel:
    if not is_estimator(version.metadata.flavors):
        return mlflow.pyfunc.load_model(str(version.folder))
    # scikit-learn with it, in 2 s, for the versions that are made of it.
    from journeyman.models.engines import estimator

    return estimator.load(version.folder, version.metadata)
