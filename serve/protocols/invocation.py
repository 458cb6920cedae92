"""One request, whatever protocol it came by: what goes into the model's `predict`, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.types import ParamSchema

from journeyman.compat.mlflow_models import enforce_params
from journeyman.serve.protocols.errors import listed, nearest, quoted, refuse

_OF_OTHER_SERVERS = frozenset(
    ("content_type", "headers", "priority", "timeout", "binary_data_output")
    + ("sequence_id", "sequence_start", "sequence_end", "correlation_id", "classification")
)
"""Parameters that the protocol's extensions name, or that clients of MLServer and Triton always send."""
_OF_TRITON = "triton_"


def check_params(params: Any, schema: ParamSchema | None) -> dict[str, Any] | None:
    """The params of a request, with the model's own where it sends none. Raises RequestError."""
    if params is None and schema is None:
        return None
    if params is not None and type(params) is not dict:
        refuse("params must be an object of names and values.")
    if schema is None:
        if params:
            refuse("This model takes no params.")
        return None
    known = [spec.name for spec in schema.params]
    for name in params or {}:
        if name not in known:
            refuse(f"This model has no param {quoted(name)}.{nearest(name, known)} It takes {listed(known)}.")
    try:
        checked = enforce_params(params, schema)
    except MlflowException:
        # MLflow's message repeats the values.
        types = ", ".join(f"'{spec.name}' ({spec.dtype})" for spec in schema.params)
        refuse(f"The params do not fit those of this model: {types}.")
    return checked


def params_among(parameters: Mapping[str, Any], schema: ParamSchema | None) -> dict[str, Any] | None:
    """The model's params among the parameters of an Open Inference request. Raises RequestError.

    Those that clients of other servers add by themselves are passed over, all of them where the model has
    none: whoever misspells a param of this model is told.
    """
    if schema is None:
        return None
    known = {spec.name for spec in schema.params}
    meant = {
        name: value
        for name, value in parameters.items()
        if name in known or not (name in _OF_OTHER_SERVERS or name.startswith(_OF_TRITON))
    }
    return check_params(meant, schema)


def check_names(given: Mapping[str, Any], names: list[str], where: str) -> None:
    """Raises RequestError unless these are the model's inputs."""
    if given.keys() == set(names):
        return
    for name in given:
        if name not in names:
            refuse(
                f"{where} has an unknown input {quoted(name)}.{nearest(name, names)} "
                f"It takes {listed(names)}."
            )
    refuse(f"{where} lacks {listed([name for name in names if name not in given])}.")
