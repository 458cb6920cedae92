"""Which values and sizes of its inputs an exported program takes: those that its tables have a row for.

What lies outside is an exception in PyTorch, another row in ONNX, where -1 is the last, and the end of the
process in compiled code, which checks it in threads that cannot raise. So it is found here once, from the
graph, kept with the version and asked of every request, whichever engine computes it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import fx

_ANY = (-(2**63), 2**63 - 1)
_LEAST_SAID = 2
_aten = torch.ops.aten

_SAME_VALUES = {
    *(
        _aten.to,
        _aten._to_copy,
        _aten.clone,
        _aten.alias,
        _aten.detach,
        _aten.contiguous,
        _aten.lift_fresh_copy,
    ),
    *(_aten.view, _aten._unsafe_view, _aten.reshape, _aten.flatten, _aten.unflatten, _aten.expand),
    *(_aten.unsqueeze, _aten.squeeze, _aten.transpose, _aten.permute, _aten.t, _aten.repeat, _aten.flip),
    *(_aten.slice, _aten.select, _aten.narrow, _aten.unbind, _aten.split, _aten.chunk, _aten.movedim),
    *(_aten.type_as, _aten._assert_tensor_metadata, _aten.numpy_T, _aten.roll),
}
_PLACES = {
    *(_aten.argmax, _aten.argmin, _aten.argsort, _aten.nonzero, _aten.sym_size, _aten.sym_numel),
    *(_aten.sort, _aten.topk, _aten.max, _aten.min),
}
"""What they give are positions, which are there, or values that nothing is looked up by."""
_TRUTHS = {
    *(_aten.eq, _aten.ne, _aten.lt, _aten.le, _aten.gt, _aten.ge, _aten.logical_not, _aten.isnan),
    *(_aten.logical_and, _aten.logical_or, _aten.isinf, _aten.isin),
}
_LOOKUPS = {
    *(_aten.embedding, _aten.embedding_bag, _aten._embedding_bag, _aten.one_hot, _aten.index),
    *(_aten.index_select, _aten.gather, _aten.take, _aten.scatter, _aten.scatter_add, _aten.scatter_reduce),
    *(_aten.index_put, _aten.index_add, _aten.index_copy, _aten.index_fill, _aten._index_put_impl),
}


Sizes = tuple[int, int | None]
"""From the one to the other; None for any larger one."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """`ranges`: the least and the largest value by input, for those that a table is looked up by.

    `sizes`: the least and the largest size by input and dimension, where there are any: tables of positions,
    windows, and whatever else the export found to hold for some sizes alone.
    `unknown`: what is looked up by values that nothing bounds, in words; empty where there is none.
    """

    ranges: Mapping[str, tuple[int, int]]
    unknown: str = ""
    sizes: Mapping[str, Mapping[int, Sizes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Values:
    """Of a node: from `least` to `most`; where they are those of an input, plus `shift`, its name.

    Of positions, plus `shift`, `counted` is how many there are: a size that is told by the request.
    """

    least: float = -math.inf
    most: float = math.inf
    source: str = ""
    shift: int = 0
    counted: str = ""

    def within(self, least: int, most: int) -> bool:
        return self.least >= least and self.most <= most


def lookups(program: torch.export.ExportedProgram, names: Sequence[str]) -> Lookups:
    """Those of a program whose inputs have these names."""
    placeholders = dict(zip(program.graph_signature.user_inputs, names, strict=True))
    values: dict[fx.Node, _Values] = {}
    ranges: dict[str, tuple[int, int]] = {}
    sizes: dict[str, dict[int, Sizes]] = {}
    free: dict[str, list[tuple[str, int]]] = {}
    unknown = ""
    for node in program.graph_module.graph.nodes:
        if node.op == "placeholder" and node.name in placeholders:
            values[node] = _of_input(node, placeholders[node.name])
            for dimension, size in enumerate(_shape(node) or ()):
                free.setdefault(str(size), []).append((placeholders[node.name], dimension))
        if node.op != "call_function":
            continue
        for index, rows, negative in _asked(node, program.graph_module):
            given = values.get(index)
            if given is None or _dtype(index) == torch.bool:
                continue
            if given.counted:
                if str(rows) == given.counted and given.shift == 0:
                    continue
                told = free.get(given.counted, ()) if type(rows) is int and given.shift >= 0 else ()
                if not told or any(dimension == 0 for _, dimension in told):
                    # Requests that are computed together have more rows than each of them.
                    unknown = unknown or f"{_name(node)} by positions that no size of an input bounds"
                for name, dimension in told:
                    _narrow(sizes.setdefault(name, {}), dimension, 0, rows - given.shift)
                continue
            least, most = _ends(rows, negative)
            if least is None or most is None or not (given.source or given.within(least, most)):
                unknown = unknown or f"{_name(node)} by values that the model computes"
            elif given.source:
                low, high = ranges.get(given.source, _ANY)
                low = max(low, least - given.shift) if given.least < least else low
                high = min(high, most - given.shift) if given.most > most else high
                ranges[given.source] = (low, high)
        if (found := _values(node, values)) is not None:
            values[node] = found
    for symbol, bounds in program.range_constraints.items():
        least, most = (int(each) if each.is_Integer else None for each in (bounds.lower, bounds.upper))
        # It says 2 of every size, and programs answer for 1 as well.
        least = least if least is not None and least > _LEAST_SAID else 0
        for name, dimension in free.get(str(symbol), ()):
            if dimension and (least or most is not None):
                _narrow(sizes.setdefault(name, {}), dimension, least, most)
    return Lookups({name: found for name, found in ranges.items() if found != _ANY}, unknown, sizes)


def _narrow(sizes: dict[int, Sizes], dimension: int, least: int, most: int | None) -> None:
    low, high = sizes.get(dimension, (0, None))
    ends = [each for each in (high, most) if each is not None]
    sizes[dimension] = (max(low, least), min(ends, default=None))


def _of_input(node: fx.Node, name: str) -> _Values:
    dtype = _dtype(node)
    if dtype is None or dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
        return _Values()
    limits = torch.iinfo(dtype)
    return _Values(limits.min, limits.max, name)


def _values(node: fx.Node, values: Mapping[fx.Node, _Values]) -> _Values | None:
    """Those of a node; None where they are the model's own."""
    given = [values[each] for each in node.all_input_nodes if each in values]
    packet = _packet(node)
    if packet is _aten.arange:
        return _positions(node)
    if packet in (_aten.cumsum, _aten.linspace) and not given and _is_free(node):
        return _Values()
    if not given or packet in _PLACES:
        return None
    first = values.get(node.args[0]) if node.args and isinstance(node.args[0], fx.Node) else None
    if packet in _TRUTHS:
        return _Values(0, 1)
    if first is None:
        return _Values()
    if packet in _SAME_VALUES or node.target is operator.getitem:
        return first
    numbers = [each for each in node.args[1:] if not isinstance(each, fx.Node)]
    if packet in (_aten.clamp, _aten.clip, _aten.clamp_min, _aten.clamp_max):
        return _clamped(node, packet, first)
    if packet is _aten.remainder and numbers and type(numbers[0]) is int and numbers[0] > 0:
        return _Values(0, numbers[0] - 1)
    if packet in (_aten.add, _aten.sub) and numbers and type(numbers[0]) is int and not node.kwargs:
        by = numbers[0] if packet is _aten.add else -numbers[0]
        return replace(first, least=first.least + by, most=first.most + by, shift=first.shift + by)
    return _Values()


def _positions(node: fx.Node) -> _Values | None:
    """None where the program itself says how many there are: it was verified with them."""
    if not _is_free(node):
        return None
    start = node.args[0] if len(node.args) > 1 else 0
    step = node.args[2] if len(node.args) > 2 else 1
    if (start, step) != (0, 1):
        return _Values()
    [size] = _shape(node) or (None,)
    return _Values(0, counted=str(size))


def _is_free(node: fx.Node) -> bool:
    """Whether its size is not the program's own."""
    shape = _shape(node)
    return shape is None or any(type(size) is not int for size in shape)


def _clamped(node: fx.Node, packet: Any, first: _Values) -> _Values:
    least = node.kwargs.get("min", node.args[1] if len(node.args) > 1 else None)
    most = node.kwargs.get("max", node.args[2] if len(node.args) > 2 else None)
    if packet is _aten.clamp_max:
        least, most = None, node.kwargs.get("max", node.args[1] if len(node.args) > 1 else None)
    if any(isinstance(each, fx.Node) for each in (least, most)):
        return _Values()
    return replace(
        first,
        least=first.least if least is None else max(first.least, float(least)),
        most=first.most if most is None else min(first.most, float(most)),
    )


def _asked(node: fx.Node, module: fx.GraphModule) -> Iterator[tuple[fx.Node, Any, bool]]:
    """The nodes that something is looked up by, in how many rows, and whether it may count from their end.

    The number is a symbol where a request tells it, and None where it is not known.
    """
    packet = _packet(node)
    if packet is None:
        if _holds_lookups(node, module):
            yield from ((each, None, False) for each in node.all_input_nodes)
        return
    if packet not in _LOOKUPS:
        if packet is _aten.select and len(node.args) > 2 and isinstance(node.args[2], fx.Node):
            yield node.args[2], None, False
        return
    table = node.args[0]
    if packet is _aten.one_hot:
        classes = node.args[1] if len(node.args) > 1 else -1
        if type(classes) is int and classes > 0:
            yield table, classes, False
        return
    if packet is _aten.embedding or packet in (_aten.embedding_bag, _aten._embedding_bag):
        yield node.args[1], _size(table, 0), False
        return
    if packet in (_aten.index, _aten.index_put, _aten._index_put_impl):
        for dimension, index in enumerate(node.args[1]):
            if isinstance(index, fx.Node):
                yield index, _size(table, dimension), True
        return
    if packet is _aten.take:
        yield node.args[1], _numel(table), True
        return
    dimension, index = node.args[1], node.args[2]
    if isinstance(index, fx.Node):
        yield index, _size(table, dimension) if type(dimension) is int else None, False


def _ends(rows: Any, negative: bool) -> tuple[int, int] | tuple[None, None]:
    """The least and the largest value that there is a row for."""
    return (-rows if negative else 0, rows - 1) if type(rows) is int else (None, None)


def _size(table: Any, dimension: int) -> Any:
    shape = _shape(table)
    return shape[dimension] if shape is not None and -len(shape) <= dimension < len(shape) else None


def _numel(table: Any) -> int | None:
    shape = _shape(table)
    known = shape is not None and all(type(size) is int for size in shape)
    return math.prod(shape) if known and shape is not None else None


def _shape(table: Any) -> Sequence[Any] | None:
    value = table.meta.get("val") if isinstance(table, fx.Node) else None
    return value.shape if isinstance(value, torch.Tensor) else None


def _dtype(node: fx.Node) -> torch.dtype | None:
    value = node.meta.get("val")
    return value.dtype if isinstance(value, torch.Tensor) else None


def _packet(node: fx.Node) -> Any:
    return getattr(node.target, "overloadpacket", None)


def _name(node: fx.Node) -> str:
    packet = _packet(node)
    return str(packet).rpartition(".")[2] if packet is not None else str(node.target)


def _holds_lookups(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether one of the graphs that a node branches or loops over does."""
    graphs = [getattr(module, str(each.target)) for each in node.all_input_nodes if each.op == "get_attr"]
    return any(
        _packet(inner) in _LOOKUPS or _holds_lookups(inner, graph)
        for graph in graphs
        if isinstance(graph, fx.GraphModule)
        for inner in graph.graph.nodes
        if inner.op == "call_function"
    )
