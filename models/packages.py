"""Model packages: a trained module exported into an MLflow model folder and verified against itself.

A package is an MLflow model folder whose graph is PyTorch's `pt2`: it holds no pickle and no Python, so that
whoever serves it runs none. What is verified is what is uploaded: the model is exported once, read back from
the folder, compared with the module it came from, and that folder becomes the model of the run.

Only a job's processes import this: it loads torch and mlflow.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.utils import _save_example
from mlflow.pytorch import _validate_pt2_archive_is_pickle_free
from mlflow.pytorch import save_model as save_mlflow_model
from mlflow.types import Schema, TensorSpec
from packaging.version import Version
from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.tensor import DTensor

from journeyman.errors import PublishError, described

with warnings.catch_warnings():
    # mlflow.pyfunc is imported by whatever first needs it, and warns of type hints of its own.
    warnings.simplefilter("ignore", UserWarning)
    import mlflow.pyfunc  # noqa: F401

OUTPUT = "output"
"""The name of a lone output tensor that its model gives no name."""
EXPORTED = Path("data") / "model.pt2"
"""Where MLflow keeps an exported program inside a model folder."""
_GRAPH = "/models/model.json"
"""Where torch keeps the graph inside a program."""

_VERIFIED_BATCH_SIZES = (1, 2, 5)
_EXAMPLE_ROWS = 2
# How far an exported program may be from its module: (relative, absolute).
_TOLERANCES = {
    torch.float64: (1e-6, 1e-9),
    torch.float32: (1e-3, 1e-5),
    torch.float16: (2e-2, 2e-3),
    torch.bfloat16: (5e-2, 1e-2),
}

Example = Any
"""A tensor or array; a tuple or list of them; or a dict from forward's parameter names to them."""
Outputs = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the module itself, outside any export, gives for a batch."""

    inputs: tuple[np.ndarray, ...]
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Package:
    """A verified MLflow model folder that nothing has been uploaded of yet."""

    path: Path
    metadata: Model
    signature: ModelSignature
    answers: tuple[Answer, ...]


def graph_bytes(program: Path) -> int:
    """Size of the graph in an exported program: Python reads it, whatever the size of the weights."""
    with zipfile.ZipFile(program) as archive:
        return sum(member.file_size for member in archive.infolist() if member.filename.endswith(_GRAPH))


# -- the weights ---------------------------------------------------------------------------------------


def unwrap(model: Any) -> nn.Module:
    """The module inside DDP, DataParallel and `torch.compile`, however they are nested.

    Raises PublishError where it is no module, or one whose parameters are spread over ranks.
    """
    while isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel, OptimizedModule)):
        model = model._orig_mod if isinstance(model, OptimizedModule) else model.module
    if not isinstance(model, nn.Module):
        raise PublishError(
            f"a model to publish is a torch.nn.Module, and this is a {type(model).__name__}",
            "Pass the module itself, not its state dict, its trainer or its outputs.",
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise PublishError(
            "a TorchScript module cannot be exported",
            "Pass the nn.Module it was scripted or traced from.",
        )
    sharded = isinstance(model, FullyShardedDataParallel) or any(
        isinstance(parameter, DTensor) for parameter in model.parameters()
    )
    if sharded:
        raise PublishError(
            "the model's parameters are sharded over the ranks",
            "Gather the full state dict on every rank (torch.distributed.checkpoint.state_dict), load it "
            "into an unsharded module on rank 0 and publish that.",
        )
    return model


def save_weights(model: Any, path: Path) -> None:
    """The model's state dict at `path`, on the CPU and under the names of the unwrapped module.

    Safe to read with `torch.load(path, weights_only=True)`. Whole or not there: a process killed while it
    writes leaves nothing under that name.
    """
    state = unwrap(model).state_dict()
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            state[name] = value.detach().cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Given a path, torch opens it in C++, which does not tell why it could not be written.
        with partial.open("wb") as file:
            torch.save(state, file)
        os.replace(partial, path)
    except BaseException:
        # Half a file on a full disk is in the way of whatever is to be saved next.
        partial.unlink(missing_ok=True)
        raise


# -- the package ---------------------------------------------------------------------------------------


def save_package(model: Any, example: Example, path: Path) -> Package:
    """Export `model` into the new folder `path`, and prove that what lies there answers as the model does.

    `example` is one batch that the model takes, dimension 0 being the batch; two of its rows become the
    package's input example. The model itself is left as it was: its mode, its device, its gradients.

    Raises PublishError for whatever keeps the model from being exported or from answering alike at batch
    sizes 1, 2 and 5.
    """
    if path.exists():
        raise PublishError(f"{path} exists already", "Give the package a folder of its own.")
    module = _copy_on_cpu(unwrap(model))
    inputs = _inputs(example, module)
    arrays = tuple(inputs.values())
    signature = ModelSignature(inputs=_input_schema(inputs), outputs=_output_schema(module, arrays))

    metadata = Model()
    _export(module, metadata, signature, _rows(arrays, _EXAMPLE_ROWS), path)
    return Package(path, metadata, signature, _verify(module, path, inputs))


def load_exported(path: Path) -> torch.export.ExportedProgram:
    """The exported program at `path`, after proof that reading it unpickles nothing.

    Raises MlflowException where the archive holds a pickle.
    """
    _validate_pt2_archive_is_pickle_free(str(path))
    return torch.export.load(path)


def named_outputs(result: Any) -> Outputs:
    """What a forward pass gave, as tensors by name: a lone tensor is `output`, a tuple's are `output_0`, ….

    Absent (None) outputs are left out. Raises PublishError for anything that is not tensors, one level deep.
    """
    if isinstance(result, torch.Tensor):
        return {OUTPUT: result}
    if isinstance(result, Mapping):
        named = {str(name): value for name, value in result.items()}
    elif hasattr(result, "_asdict"):
        named = result._asdict()
    elif isinstance(result, (tuple, list)):
        named = {f"{OUTPUT}_{index}": value for index, value in enumerate(result)}
    else:
        named = {OUTPUT: result}
    found = {name: value for name, value in named.items() if value is not None}
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise PublishError(
                f"the model's output '{name}' is a {type(value).__name__}, not a tensor",
                "Publish a module whose forward returns a tensor, a flat tuple of tensors or a dict of them.",
            )
    return found


def _copy_on_cpu(module: nn.Module) -> nn.Module:
    try:
        # Handing deepcopy the tensors it would have copied keeps a second model off the accelerator, whose
        # memory the training may fill.
        memo: dict[int, Any] = {}
        for tensor in itertools.chain(module.parameters(), module.buffers()):
            copied = tensor.detach().to("cpu", copy=True)
            if isinstance(tensor, nn.Parameter):
                copied = nn.Parameter(copied, requires_grad=tensor.requires_grad)
            memo[id(tensor)] = copied
        duplicate = copy.deepcopy(module, memo).eval()
    except Exception as error:
        # deepcopy runs the code of whatever a person keeps on a module: locks, loaders, clients.
        raise PublishError(
            f"{type(module).__name__} cannot be copied: {described(error)}",
            "Keep on the module only what forward needs; detach tensors that are kept from a step.",
        ) from error
    # The graph then returns a tensor or a plain dict, which any process can read back: a class of the
    # person's own, a namedtuple or a ModelOutput would need their code where it is served.
    duplicate.register_forward_hook(_plain_outputs)
    return duplicate


def _plain_outputs(_module: nn.Module, _arguments: Any, result: Any) -> torch.Tensor | Outputs:
    return result if isinstance(result, torch.Tensor) else named_outputs(result)


def _inputs(example: Example, module: nn.Module) -> dict[str | None, np.ndarray]:
    """The example's arrays by name in the order of forward's parameters; a lone array has no name."""
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
    sizes = {array.shape[0] for array in arrays.values()}
    if len(sizes) > 1:
        raise PublishError(
            f"the example's inputs differ in dimension 0, the batch: {_described(arrays)}",
            "Give every input the same number of rows; repeat an input that all rows share.",
        )
    return arrays


def _array(name: str | None, value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:
            raise PublishError(
                f"{_called(name)} is bfloat16, which neither NumPy nor a signature can hold",
                "Take float32 and cast inside forward, or publish a copy of the model after .float().",
            )
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        held = f"holds {value.dtype}" if isinstance(value, np.ndarray) else f"is a {type(value).__name__}"
        raise PublishError(
            f"{_called(name)} {held}",
            "An example is made of torch tensors or NumPy arrays of numbers or booleans.",
        )
    if value.ndim == 0 or value.shape[0] == 0:
        raise PublishError(
            f"{_called(name)} has shape {list(value.shape)}: there is no batch in it",
            "Dimension 0 is the batch: pass at least one row, `sample[None]` for a single one.",
        )
    # Not torch.from_numpy's concern alone: it refuses negative strides and warns of read-only arrays.
    return np.array(value, order="C")


def _positional_names(module: nn.Module, count: int) -> list[str]:
    """The first `count` names of forward's positional parameters."""
    parameters = inspect.signature(module.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(names) < count:
        raise PublishError(
            f"the example has {count} inputs, and forward takes {_listed(names)}",
            "Pass a tuple in the order of forward's parameters, or a dict by their names; forward must name "
            "each input, as `*args` cannot be exported.",
        )
    return names[:count]


def _input_schema(inputs: Mapping[str | None, np.ndarray]) -> Schema:
    return Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]), name) for name, array in inputs.items()])


def _output_schema(module: nn.Module, arrays: tuple[np.ndarray, ...]) -> Schema:
    """The outputs' specs, once the module by itself is known to run, to repeat itself and to hold no NaN."""
    try:
        result = _run(module, arrays)
        again = _run(module, arrays)
    except PublishError:
        raise
    except Exception as error:
        # forward is a person's code: anything can come out of it.
        raise PublishError(
            f"the model does not run on its example ({_described_all(arrays)}) on the CPU: "
            f"{described(error)}",
            "Pass an example of the shape and dtype that training feeds the model, and register tensors "
            "that forward needs as buffers, so that they follow the model to another device.",
        ) from error
    first, second = named_outputs(result), named_outputs(again)
    if not first:
        raise PublishError("the model returns nothing", "Return the tensors to serve from forward.")
    for name, tensor in first.items():
        if tensor.is_complex() or tensor.is_quantized or tensor.layout is not torch.strided:
            raise PublishError(
                f"output '{name}' is {tensor.dtype}, {tensor.layout}, which JSON cannot hold",
                "Return dense tensors of numbers or booleans; torch.view_as_real splits complex ones.",
            )
        if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            raise PublishError(
                f"output '{name}' holds NaN on the example",
                "Look at the loss curve: the training diverged, or the example is not real data.",
            )
        if difference(tensor, second[name]) is not None:
            raise PublishError(
                f"output '{name}' changes from call to call on the same input, in eval mode",
                "Make forward deterministic when `self.training` is false: no random numbers, no state kept.",
            )
    one, small, large = (_outputs_at(module, arrays, size) for size in _VERIFIED_BATCH_SIZES)
    specs = []
    for name, tensor in large.items():
        if one[name].ndim != tensor.ndim:
            raise PublishError(
                f"output '{name}' loses a dimension for a single row: {_typed(one[name])} for 1 row, "
                f"{_typed(tensor)} for {_VERIFIED_BATCH_SIZES[-1]}",
                "Give squeeze its dimension, as in squeeze(-1), so that it leaves the batch alone.",
            )
        other = small[name].shape
        shape = [-1 if size != other[dimension] else size for dimension, size in enumerate(tensor.shape)]
        specs.append(
            TensorSpec(_numpy_dtype(tensor.dtype), shape, None if isinstance(result, torch.Tensor) else name)
        )
    return Schema(specs)


def _outputs_at(module: Callable[..., Any], arrays: tuple[np.ndarray, ...], size: int) -> Outputs:
    batch = _rows(arrays, size)
    try:
        return named_outputs(_run(module, batch))
    except Exception as error:
        # forward is a person's code: anything can come out of it.
        raise PublishError(
            f"the model runs on its example ({_described_all(arrays)}), and not on {size} of its rows "
            f"({_described_all(batch)}): {described(error)}",
            "Dimension 0 of every input is the batch, and any number of rows must do: pass `sample[None]` "
            "for a single sample, and keep the batch size out of forward's numbers.",
        ) from error


def _export(
    module: nn.Module, metadata: Model, signature: ModelSignature, arrays: tuple[np.ndarray, ...], path: Path
) -> None:
    named = signature.inputs.has_input_names()
    try:
        with torch.no_grad():
            save_mlflow_model(
                module,
                path,
                mlflow_model=metadata,
                signature=signature,
                input_example=arrays if named else arrays[0],
                # Named, MLflow would find them by loading the model again in a process of its own.
                pip_requirements=[f"torch=={Version(torch.__version__).public}", "numpy"],
                serialization_format="pt2",
            )
    except MlflowException as error:
        raise PublishError(f"MLflow does not save the model: {described(error)}") from error
    except Exception as error:
        # torch.export has no common base for what it raises.
        raise PublishError(f"torch.export refuses the model: {described(error)}", _remedy(error)) from error
    if named:
        # MLflow keeps no example for tensors passed by position; by name it does.
        _save_example(metadata, dict(zip(signature.inputs.input_names(), arrays, strict=True)), str(path))
        metadata.save(str(path / MLMODEL_FILE_NAME))


def _remedy(error: Exception) -> str:
    text = f"{type(error).__name__} {error}".lower()
    if "data-dependent" in text or "datadependent" in text:
        return (
            "forward branches on the values of a tensor: use torch.where for a choice between tensors, "
            "torch.cond for a choice between computations, and keep .item() out of shapes."
        )
    if ".numpy()" in text or "numpy" in text:
        return "forward leaves torch for NumPy: use torch's own operations, or do that part before or after."
    return (
        "forward must be tensor operations with Python control flow on shapes alone; "
        "https://docs.pytorch.org/docs/stable/export.html lists what torch.export follows."
    )


def _verify(module: nn.Module, path: Path, inputs: Mapping[str | None, np.ndarray]) -> tuple[Answer, ...]:
    try:
        program = load_exported(path / EXPORTED)
    except Exception as error:
        # Reading the archive runs deserializers of many parts of torch.
        raise PublishError(
            f"the exported model cannot be read back: {described(error)}",
            "Keep objects of other classes than tensors and numbers out of forward and of the buffers.",
        ) from error
    _check_batch_is_free(program, list(inputs))
    exported = program.module()
    arrays = tuple(inputs.values())
    answers = []
    for size in _VERIFIED_BATCH_SIZES:
        expected = _outputs_at(module, arrays, size)
        answers.append(Answer(_rows(arrays, size), expected))
        try:
            actual = named_outputs(_run(exported, _rows(arrays, size)))
        except Exception as error:
            # A guard of the export, an assertion, or an operator: they share no base.
            raise PublishError(
                f"the exported model does not run at batch size {size}: {described(error)}",
                "Something in forward holds only for some batch sizes; use -1 in view and reshape, and give "
                "squeeze its dimension.",
            ) from error
        for name, tensor in expected.items():
            _check_alike(name, size, tensor, actual[name])
    return tuple(answers)


def _check_batch_is_free(program: torch.export.ExportedProgram, names: Sequence[str | None]) -> None:
    shapes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"}
    for name, placeholder in zip(names, program.graph_signature.user_inputs, strict=True):
        size = shapes[placeholder][0]
        if isinstance(size, int):
            raise PublishError(
                f"dimension 0, the batch, of {_called(name)} became fixed at {size} in the export",
                "forward turns the batch size into a plain number: use -1 in view and reshape, expand "
                "instead of repeating by x.shape[0], and no int(x.shape[0]).",
            )


def _check_alike(name: str, size: int, expected: torch.Tensor, actual: torch.Tensor) -> None:
    where = f"output '{name}' at batch size {size}"
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        raise PublishError(
            f"{where} is {_typed(actual)} from the exported model and {_typed(expected)} from the module",
            "forward changes its shape with the batch size: give squeeze its dimension.",
        )
    apart = difference(expected, actual)
    if apart is not None:
        raise PublishError(
            f"{where} differs between the exported model and the module by up to {apart:.3g}",
            "forward reads something that the export cannot see: Python state, the batch size as a number, "
            "or a tensor that is no parameter, buffer or input.",
        )


def difference(expected: torch.Tensor, actual: torch.Tensor) -> float | None:
    """The largest absolute difference where two tensors differ by more than their dtype allows; else None."""
    if not expected.is_floating_point():
        if torch.equal(expected, actual):
            return None
        return float((expected.double() - actual.double()).abs().max())
    relative, absolute = _TOLERANCES.get(expected.dtype, (5e-2, 1e-2))
    left, right = expected.double(), actual.double()
    if torch.allclose(left, right, rtol=relative, atol=absolute, equal_nan=True):
        return None
    # Infinities of one sign are alike, and their difference is NaN.
    return float((left - right).nan_to_num(nan=0.0).abs().max())


def _run(module: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> Any:
    # Copied: forward may write into its inputs.
    with torch.no_grad():
        return module(*(torch.from_numpy(array.copy()) for array in arrays))


def _rows(arrays: tuple[np.ndarray, ...], size: int) -> tuple[np.ndarray, ...]:
    """`size` rows of each array, beginning again where there are fewer."""
    return tuple(array[np.arange(size) % array.shape[0]] for array in arrays)


def _numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    # Served as the nearest dtype that JSON's reader can name.
    served = torch.float32 if dtype == torch.bfloat16 else dtype
    found: np.dtype[Any] = torch.empty(0, dtype=served).numpy().dtype
    return found


def _called(name: str | None) -> str:
    return "the example" if name is None else f"the example's input '{name}'"


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


def _typed(value: Any) -> str:
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _described(arrays: Mapping[str | None, np.ndarray]) -> str:
    return ", ".join(_typed(a) if name is None else f"{name} {_typed(a)}" for name, a in arrays.items())


def _described_all(arrays: Sequence[np.ndarray]) -> str:
    return ", ".join(_typed(array) for array in arrays)
