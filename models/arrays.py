"""What goes into a model and what comes out of it, as arrays: whole invocations, and their rows. Pure.

A tensor is `[rows, *shape]`: C-contiguous, of the dtype and shape that the signature declares for its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Inputs = Any
"""Arrays by input name for a model of tensors; a DataFrame for one of columns; else as MLflow reads it."""
Outputs = Any
"""Arrays by output name; for a pyfunc that answers with something else (a DataFrame, a list), that."""
Run = Callable[[Inputs, dict[str, Any] | None], Outputs]
"""What computes the outputs of checked inputs and params. Threads may share it."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What goes into the model."""

    inputs: Inputs
    params: dict[str, Any] | None = None


def rows_of(inputs: Inputs) -> int | None:
    """How many there are; None where the inputs are no rows."""
    if isinstance(inputs, pd.DataFrame):
        return len(inputs)
    if type(inputs) is not dict or not inputs:
        return None
    arrays = inputs.values()
    if not all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
        return None
    counts = {len(array) for array in arrays}
    return counts.pop() if len(counts) == 1 else None


def take_rows(inputs: Inputs, rows: np.ndarray) -> Inputs:
    if isinstance(inputs, pd.DataFrame):
        return inputs.iloc[rows].reset_index(drop=True)
    return {name: array[rows] for name, array in inputs.items()}


def kind_of(inputs: Inputs) -> Any:
    """Equal for inputs whose rows can be joined; None for those that cannot be."""
    if rows_of(inputs) is None or isinstance(inputs, pd.DataFrame):
        return None
    return tuple((name, array.dtype, array.shape[1:]) for name, array in inputs.items())


def join(several: Sequence[Inputs]) -> Inputs:
    """The rows of inputs of one kind, one after the other."""
    return {name: np.concatenate([each[name] for each in several]) for name in several[0]}


def split(outputs: Any, counts: Sequence[int]) -> list[Any] | None:
    """The outputs of joined rows, by those who sent them; None where they are not as many as the rows."""
    rows = sum(counts)
    if type(outputs) is not dict or any(array.shape[:1] != (rows,) for array in outputs.values()):
        return None
    ends = np.cumsum(counts)
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for count, end in zip(counts, ends, strict=True)
    ]
