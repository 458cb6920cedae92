"""What a model takes and gives, in the form that requests are checked against.

MLflow's own signature is read once, when a version is loaded: a request looks up nothing in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ParamSchema, Schema

INPUT = "input"
"""The name of a lone input tensor that its signature gives no name."""
OUTPUT = "output"
"""The name of a lone output that its signature gives no name."""
VALUE_RANGES = "journeyman.value_ranges"
"""In the metadata of a version: the least and the largest value of inputs that a table is looked up by."""
SIZE_LIMITS = "journeyman.size_limits"
"""In the metadata of a version: the least and the largest sizes of inputs, where there are any."""


@dataclass(frozen=True, slots=True)
class Field:
    """One tensor. A size of -1 in `shape` is any size; dimension 0 is the batch where it is -1.

    `ends`: the least and the largest value that the model has a row of a table for; None: any of its dtype.
    `limits`: the least and the largest size by dimension, where the program says so; None: any larger one. A
    version with another vocabulary, or with other such limits, is of the same signature.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    ends: tuple[int, int] | None = field(default=None, compare=False)
    limits: Mapping[int, tuple[int, int | None]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """`inputs` are tensors, `columns` a table; a model has one of them, or neither where it declares nothing.

    `bare_input`, `bare_output`: the lone tensor has no name of its own, and travels without one.
    """

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    bare_input: bool = False
    bare_output: bool = False
    columns: Schema | None = None
    params: ParamSchema | None = None
    nulls: bool = True
    """Whether a column of numbers, text or dates may lack a value; not where it has Python's types."""


def as_declared(outputs: dict[str, np.ndarray], signature: Signature) -> dict[str, np.ndarray]:
    """The outputs under the names that the signature declares; by their order where it names others."""
    declared = [field.name for field in signature.outputs]
    if len(declared) != len(outputs) or outputs.keys() == set(declared):
        return outputs
    return dict(zip(declared, outputs.values(), strict=True))


def read_signature(declared: ModelSignature | None, from_type_hints: bool = False) -> Signature:
    """The signature of an MLflow model; one that declares none takes anything.

    `from_type_hints`: it was read from the types of `predict`, against which MLflow checks each value.
    """
    if declared is None:
        return Signature()
    inputs, outputs = _fields(declared.inputs, INPUT), _fields(declared.outputs, OUTPUT)
    return Signature(
        inputs=inputs,
        outputs=outputs,
        bare_input=bool(inputs) and not declared.inputs.has_input_names(),
        bare_output=bool(outputs) and not declared.outputs.has_input_names(),
        columns=None if inputs else declared.inputs,
        params=declared.params,
        nulls=not from_type_hints,
    )


def with_ranges(signature: Signature, metadata: Any) -> Signature:
    """With the ranges and the largest sizes in the metadata of a version, as far as they can be read.

    Anybody may write them.
    """
    if not isinstance(metadata, dict):
        return signature
    inputs = list(signature.inputs)
    if isinstance(told := metadata.get(VALUE_RANGES), dict):
        inputs = [replace(each, ends=_ends(told.get(each.name), each.dtype)) for each in inputs]
    if isinstance(told := metadata.get(SIZE_LIMITS), dict):
        inputs = [replace(each, limits=_limits(told.get(each.name), each)) for each in inputs]
    return replace(signature, inputs=tuple(inputs))


def _limits(told: Any, of: Field) -> dict[int, tuple[int, int | None]]:
    found: dict[int, tuple[int, int | None]] = {}
    for at, size in enumerate(of.shape):
        ends = told.get(str(at)) if isinstance(told, dict) and size == -1 else None
        if not isinstance(ends, list) or len(ends) != 2:
            continue
        least, most = ends
        if type(least) is int and (most is None or (type(most) is int and most >= least)):
            found[at] = (least, most)
    return found


def _ends(told: Any, dtype: np.dtype[Any]) -> tuple[int, int] | None:
    if dtype.kind not in "iu" or not isinstance(told, list) or len(told) != 2:
        return None
    least, most = told
    return (least, most) if type(least) is int and type(most) is int and least <= most else None


def _fields(schema: Schema | None, unnamed: str) -> tuple[Field, ...]:
    if schema is None or not schema.is_tensor_spec():
        return ()
    return tuple(
        Field(spec.name or unnamed, np.dtype(spec.type), tuple(int(size) for size in spec.shape))
        for spec in schema.inputs
    )
