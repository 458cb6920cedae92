"""MLflow's pyfunc as an engine: whatever MLflow loads and no other engine computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch

from journeyman.models.arrays import Inputs, Outputs, Run
from journeyman.models.signature import OUTPUT, Signature, as_declared


def load(folder: Path, signature: Signature) -> Run:
    """The version in `folder`, which may answer with something else than arrays."""
    model = mlflow.pyfunc.load_model(str(folder))

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
