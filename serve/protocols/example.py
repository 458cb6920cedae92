"""A version's own example as a request: answered before anybody else's is, from body to body."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import orjson

from journeyman.errors import described
from journeyman.models.arrays import Outputs
from journeyman.models.model import ModelError, ServedModel
from journeyman.models.signature import OUTPUT
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.invocations import parse, render


def warm(model: ServedModel) -> None:
    """Answer the version's own example, from request body to response body.

    Raises ModelError where that fails or an output is NaN. An infinity passes: masks are made of them.
    """
    if model.example is None:
        return
    try:
        invocation = parse(orjson.dumps(model.example), None, model.signature)
        outputs = model.predict(invocation.inputs, invocation.params)
        render(outputs, model.signature)
    except RequestError as error:
        raise ModelError(
            f"the version refuses its own input example: {error.message}",
            "Log the model again with an input example that fits its signature.",
        ) from error
    except Exception as error:
        # The model's own code runs here: anything can come out of it.
        raise ModelError(
            f"the version fails on its own input example: {described(error)}",
            "Try it where it was trained: mlflow.pyfunc.load_model(…).predict(…).",
        ) from error
    for name in _nan_outputs(outputs):
        raise ModelError(
            f"output '{name}' of the version holds NaN on its own input example",
            "Train it again, or keep serving the version before it.",
        )


def _nan_outputs(outputs: Outputs) -> list[str]:
    if not isinstance(outputs, Mapping):
        outputs = {OUTPUT: outputs}
    return [
        str(name)
        for name, output in outputs.items()
        if isinstance(output, np.ndarray) and output.dtype.kind == "f" and np.isnan(output).any()
    ]
