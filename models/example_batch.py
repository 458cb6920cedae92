"""The example a model is published with: its arrays by the names of forward's parameters, its free sizes.

Only a job's processes import this: it loads torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from journeyman.errors import PublishError

Example = Any
"""A tensor or array; a tuple or list of them; or a dict from forward's parameter names to them."""
LONE_INPUT = "input"
"""The name under which a lone input without a name is served."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`arrays`: `[rows, *shape]` by name in the order of forward's parameters; a lone one may have no name.

    `free`: the dimensions of each beside 0, the batch, that a request may have of any size.
    """

    arrays: Mapping[str | None, np.ndarray]
    free: Mapping[str | None, tuple[int, ...]] = field(default_factory=dict)
    resized: bool = False

    @property
    def values(self) -> tuple[np.ndarray, ...]:
        return tuple(self.arrays.values())

    @property
    def row_count(self) -> int:
        return len(self.values[0])

    @property
    def free_sizes(self) -> tuple[int, ...]:
        """The sizes of the free dimensions beside the batch."""
        return tuple(self.arrays[name].shape[each] for name, free in self.free.items() for each in free)

    def rows(self, count: int) -> Batch:
        """`count` of its rows, beginning again where there are fewer."""
        arrays = {name: _repeated(array, 0, count) for name, array in self.arrays.items()}
        return replace(self, arrays=arrays)

    def sized(self, size: Callable[[int], int]) -> Batch:
        """Each free dimension beside the batch of `size(its own)`; equal sizes stay equal."""
        arrays = dict(self.arrays)
        for name, free in self.free.items():
            for dimension in free:
                arrays[name] = _repeated(arrays[name], dimension, size(arrays[name].shape[dimension]))
        return replace(self, arrays=arrays, resized=True)

    def __str__(self) -> str:
        """As people are told of it: how many rows, or the shapes where they are not the example's."""
        if not self.resized:
            return f"batch size {self.row_count}"
        return f"shape {', '.join(str(list(array.shape)) for array in self.values)}"


def read_example(
    example: Example, module: nn.Module, dynamic: Mapping[str, Collection[int]] | None = None
) -> Batch:
    """The example as `module` takes it. `dynamic`: dimensions of any size by the names of the inputs.

    Raises PublishError where it does not fit forward, or names dimensions that are not there.
    """
    if isinstance(example, Mapping):
        named: dict[str | None, Any] = dict(example)
        order = _positional_names(module, len(named))
        if set(named) != set(order):
            raise PublishError(
                f"the example names {_listed(named)}, and forward's first parameters are {_listed(order)}",
                "Name forward's own leading parameters; for others, wrap the model in a module whose "
                "forward takes exactly the inputs to serve.",
            )
        named = {name: named[name] for name in order}
    elif isinstance(example, (tuple, list)):
        items = list(example)
        names: Sequence[str | None] = _positional_names(module, len(items)) if len(items) > 1 else [None]
        named = dict(zip(names, items, strict=False))
    else:
        named = {None: example}
    if not named:
        raise PublishError("the example is empty", "Pass one batch that the model takes.")
    arrays = {name: _array(name, value) for name, value in named.items()}
    if len({array.shape[0] for array in arrays.values()}) > 1:
        raise PublishError(
            f"the example's inputs differ in dimension 0, the batch: {_described(arrays)}",
            "Give every input the same number of rows; repeat an input that all rows share.",
        )
    return Batch(arrays, _free(dynamic or {}, arrays, module))


def _free(
    dynamic: Mapping[str, Collection[int]], arrays: Mapping[str | None, np.ndarray], module: nn.Module
) -> dict[str | None, tuple[int, ...]]:
    known: dict[str, str | None] = {name: name for name in arrays if name is not None}
    if not known:
        # A lone input goes by the name it is served under, and by that of forward's parameter.
        known = dict.fromkeys([*_all_positional_names(module)[:1], LONE_INPUT])
    free = {}
    for name, dimensions in dynamic.items():
        if name not in known:
            raise PublishError(
                f"dynamic names '{name}', and the model's inputs are {_listed(known)}",
                "Name the inputs of the example, as in dynamic={'tokens': [0, 1]}.",
            )
        array = arrays[known[name]]
        if isinstance(dimensions, (str, int)) or not all(
            type(each) is int and -array.ndim <= each < array.ndim for each in dimensions
        ):
            raise PublishError(
                f"dynamic['{name}'] is {dimensions!r}, and that input has dimensions 0 to {array.ndim - 1}",
                "List the dimensions that may have any size; 0 is the batch, which always may.",
            )
        beside = sorted({each % array.ndim for each in dimensions} - {0})
        if any(array.shape[each] == 0 for each in beside):
            raise PublishError(
                f"{called(known[name])} has shape {list(array.shape)}: there is nothing in it",
                "Pass an example with at least one value in each dimension.",
            )
        if beside:
            free[known[name]] = tuple(beside)
    return free


def _array(name: str | None, value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:
            raise PublishError(
                f"{called(name)} is bfloat16, which neither NumPy nor a signature can hold",
                "Take float32 and cast inside forward, or publish a copy of the model after .float().",
            )
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        held = f"holds {value.dtype}" if isinstance(value, np.ndarray) else f"is a {type(value).__name__}"
        raise PublishError(
            f"{called(name)} {held}",
            "An example is made of torch tensors or NumPy arrays of numbers or booleans.",
        )
    if value.ndim == 0 or value.shape[0] == 0:
        raise PublishError(
            f"{called(name)} has shape {list(value.shape)}: there is no batch in it",
            "Dimension 0 is the batch: pass at least one row, `sample[None]` for a single one.",
        )
    # Not torch.from_numpy's concern alone: it refuses negative strides and warns of read-only arrays.
    return np.array(value, order="C")


def _repeated(array: np.ndarray, dimension: int, size: int) -> np.ndarray:
    """`array` with `size` entries along `dimension`, beginning again where there are fewer."""
    repeated: np.ndarray = array.take(np.arange(size) % array.shape[dimension], axis=dimension)
    return repeated


def _positional_names(module: nn.Module, count: int) -> list[str]:
    """The first `count` names of forward's positional parameters."""
    names = _all_positional_names(module)
    if len(names) < count:
        raise PublishError(
            f"the example has {count} inputs, and forward takes {_listed(names)}",
            "Pass a tuple in the order of forward's parameters, or a dict by their names; forward must name "
            "each input, as `*args` cannot be exported.",
        )
    return names[:count]


def _all_positional_names(module: nn.Module) -> list[str]:
    parameters = inspect.signature(module.forward).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def called(name: str | None) -> str:
    """An input of the example, as people are told of it."""
    return "the example" if name is None else f"the example's input '{name}'"


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


def typed(value: Any) -> str:
    """The dtype and shape of an array or tensor, such as float32[2, 4]."""
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _described(arrays: Mapping[str | None, np.ndarray]) -> str:
    return ", ".join(typed(a) if name is None else f"{name} {typed(a)}" for name, a in arrays.items())
