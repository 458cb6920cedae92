"""Model packages: a trained module exported into an MLflow model folder and verified against itself.

A package is an MLflow model folder whose graph is PyTorch's `pt2`: it holds no pickle and no Python, so that
whoever serves it runs none. What is verified is what is uploaded: the model is exported once, read back from
the folder, compared with the module it came from, and that folder becomes the model of the run.

Only a job's processes import this: it loads torch and mlflow.
"""

from __future__ import annotations

import copy
import itertools
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.pytorch import save_model as save_mlflow_model
from mlflow.types import Schema, TensorSpec
from packaging.version import Version
from torch import nn

from journeyman.compat.mlflow_models import save_example
from journeyman.compat.mlflow_pytorch import prove_pickle_free
from journeyman.errors import PublishError, described
from journeyman.models.example_batch import LONE_INPUT, Batch, Example, called, read_example, typed
from journeyman.models.lookups import lookups
from journeyman.models.signature import SIZE_LIMITS, VALUE_RANGES
from journeyman.models.weights import unwrap

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
_OTHER_SIZES: tuple[Callable[[int], int], ...] = (
    lambda size: size + 3,
    lambda size: 2 * size,
    lambda size: max(1, size - 1),
    lambda _: 1,
)
"""Sizes of the free dimensions beside the batch that are tried, from the example's own."""
# How far an exported program may be from its module: (relative, absolute).
_TOLERANCES = {
    torch.float64: (1e-6, 1e-9),
    torch.float32: (1e-3, 1e-5),
    torch.float16: (2e-2, 2e-3),
    torch.bfloat16: (5e-2, 1e-2),
}

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


# -- the package ---------------------------------------------------------------------------------------


def save_package(
    model: Any, example: Example, path: Path, dynamic: Mapping[str, Collection[int]] | None = None
) -> Package:
    """Export `model` into the new folder `path`, and prove that what lies there answers as the model does.

    `example` is one batch that the model takes, dimension 0 being the batch; two of its rows become the
    package's input example. `dynamic` names other dimensions that may have any size, by input. The model
    itself is left as it was: its mode, its device, its gradients.

    Raises PublishError for whatever keeps the model from being exported or from answering alike at batch
    sizes 1, 2 and 5, and at other sizes of the free dimensions.
    """
    if path.exists():
        raise PublishError(f"{path} exists already", "Give the package a folder of its own.")
    module = _copy_on_cpu(unwrap(model))
    example_batch = read_example(example, module, dynamic)
    outputs = _plain_run(module, example_batch)
    batches = _verified_batches(module, example_batch)
    expected = [_outputs_at(module, example_batch, batch) for batch in batches]
    signature = ModelSignature(
        inputs=_input_schema(example_batch), outputs=_output_schema(outputs, batches, expected)
    )
    # torch.export takes a size of 1 for a constant, and equal sizes for one.
    exported = next((batch for batch in batches[1:] if min(batch.free_sizes, default=2) > 1), batches[1])
    metadata = Model()
    _export(module, metadata, signature, exported.rows(_EXAMPLE_ROWS).values, path)
    answers = [Answer(batch.values, each) for batch, each in zip(batches, expected, strict=True)]
    program = _verify(path, batches, expected)
    names = [name or LONE_INPUT for name in example_batch.arrays]
    found = lookups(program, names)
    if found.ranges or found.sizes:
        sizes = {
            name: {str(at): list(ends) for at, ends in each.items()} for name, each in found.sizes.items()
        }
        metadata.metadata = {
            VALUE_RANGES: {name: list(ends) for name, ends in found.ranges.items()},
            **({SIZE_LIMITS: sizes} if sizes else {}),
        }
        metadata.save(str(path / MLMODEL_FILE_NAME))
    return Package(path, metadata, signature, tuple(answers))


def load_exported(path: Path) -> torch.export.ExportedProgram:
    """The exported program at `path`, after proof that reading it unpickles nothing.

    Raises MlflowException where the archive holds a pickle.
    """
    prove_pickle_free(path)
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


def _input_schema(batch: Batch) -> Schema:
    specs = []
    for name, array in batch.arrays.items():
        free = (0, *batch.free.get(name, ()))
        shape = [-1 if dimension in free else size for dimension, size in enumerate(array.shape)]
        specs.append(TensorSpec(array.dtype, shape, name))
    return Schema(specs)


def _plain_run(module: nn.Module, batch: Batch) -> Any:
    """What the module gives for its example, once it is known to run, to repeat itself and to hold no NaN."""
    try:
        result = _run(module, batch.values)
        again = _run(module, batch.values)
    except PublishError:
        raise
    except Exception as error:
        # forward is a person's code: anything can come out of it.
        raise PublishError(
            f"the model does not run on its example ({_described_all(batch.values)}) on the CPU: "
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
    return result


def _verified_batches(module: nn.Module, example: Batch) -> list[Batch]:
    """What is asked of the module and of its export: numbers of rows, then other sizes of what is free."""
    batches = [example.rows(size) for size in _VERIFIED_BATCH_SIZES]
    if not example.free:
        return batches
    refusal: Exception | None = None
    resized = []
    for size in _OTHER_SIZES:
        batch = example.sized(size).rows(_EXAMPLE_ROWS)
        if batch.free_sizes == example.free_sizes:
            continue
        try:
            _run(module, batch.values)
            resized.append(batch)
        except Exception as error:  # noqa: BLE001
            # forward is a person's code. A model may well have a longest text, or a smallest image.
            refusal = refusal or error
    if not resized:
        assert refusal is not None, "another size was tried"
        raise PublishError(
            f"the model runs on its example ({_described_all(example.values)}), and at no other size of the "
            f"dimensions that `dynamic` says are free: {described(refusal)}",
            "Keep those sizes out of forward's numbers and of its layers, or leave them out of `dynamic`.",
        ) from refusal
    return batches + resized


def _output_schema(result: Any, batches: Sequence[Batch], answers: Sequence[Outputs]) -> Schema:
    """The outputs' specs; a size that changes with the batch, or with what is free, is -1."""
    one, small, large = answers[: len(_VERIFIED_BATCH_SIZES)]
    specs = []
    for name, tensor in large.items():
        if one[name].ndim != tensor.ndim:
            raise PublishError(
                f"output '{name}' loses a dimension for a single row: {typed(one[name])} for 1 row, "
                f"{typed(tensor)} for {_VERIFIED_BATCH_SIZES[-1]}",
                "Give squeeze its dimension, as in squeeze(-1), so that it leaves the batch alone.",
            )
        fewer = small[name].shape
        free = {dimension for dimension, size in enumerate(tensor.shape) if size != fewer[dimension]}
        for batch, answer in zip(batches, answers, strict=True):
            if answer[name].ndim != tensor.ndim:
                raise PublishError(
                    f"output '{name}' is {typed(answer[name])} at {batch}, and {typed(tensor)} elsewhere",
                    "forward changes how many dimensions it returns: give squeeze its dimension.",
                )
            if batch.resized:
                pairs = enumerate(zip(answer[name].shape, fewer, strict=True))
                free |= {dimension for dimension, (size, other) in pairs if size != other}
        shape = [-1 if dimension in free else size for dimension, size in enumerate(tensor.shape)]
        specs.append(
            TensorSpec(_numpy_dtype(tensor.dtype), shape, None if isinstance(result, torch.Tensor) else name)
        )
    return Schema(specs)


def _outputs_at(module: Callable[..., Any], example: Batch, batch: Batch) -> Outputs:
    try:
        return named_outputs(_run(module, batch.values))
    except Exception as error:
        # forward is a person's code: anything can come out of it.
        raise PublishError(
            f"the model runs on its example ({_described_all(example.values)}), and not on {batch.row_count} "
            f"of its rows ({_described_all(batch.values)}): {described(error)}",
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
        save_example(metadata, dict(zip(signature.inputs.input_names(), arrays, strict=True)), path)
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


def _verify(path: Path, batches: Sequence[Batch], answers: Sequence[Outputs]) -> torch.export.ExportedProgram:
    """The program in the package, once it is known to answer as the module did. Raises PublishError."""
    try:
        program = load_exported(path / EXPORTED)
    except Exception as error:
        # Reading the archive runs deserializers of many parts of torch.
        raise PublishError(
            f"the exported model cannot be read back: {described(error)}",
            "Keep objects of other classes than tensors and numbers out of forward and of the buffers.",
        ) from error
    _check_free(program, batches[0])
    exported = program.module()
    for batch, expected in zip(batches, answers, strict=True):
        try:
            actual = named_outputs(_run(exported, batch.values))
        except Exception as error:
            # A guard of the export, an assertion, or an operator: they share no base.
            raise PublishError(
                f"the exported model does not run at {batch}: {described(error)}",
                "Something in forward holds only for some sizes; use -1 in view and reshape, and give "
                "squeeze its dimension.",
            ) from error
        for name, tensor in expected.items():
            _check_alike(name, batch, tensor, actual[name])
    return program


def _check_free(program: torch.export.ExportedProgram, batch: Batch) -> None:
    shapes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"}
    for name, placeholder in zip(batch.arrays, program.graph_signature.user_inputs, strict=True):
        for dimension in (0, *batch.free.get(name, ())):
            size = shapes[placeholder][dimension]
            if isinstance(size, int):
                which = "dimension 0, the batch," if dimension == 0 else f"dimension {dimension}"
                raise PublishError(
                    f"{which} of {called(name)} became fixed at {size} in the export",
                    "forward turns that size into a plain number: use -1 in view and reshape, expand instead "
                    f"of repeating by x.shape[{dimension}], and no int(x.shape[{dimension}]).",
                )


def _check_alike(name: str, batch: Batch, expected: torch.Tensor, actual: torch.Tensor) -> None:
    where = f"output '{name}' at {batch}"
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        raise PublishError(
            f"{where} is {typed(actual)} from the exported model and {typed(expected)} from the module",
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


def _numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    # Served as the nearest dtype that JSON's reader can name.
    served = torch.float32 if dtype == torch.bfloat16 else dtype
    found: np.dtype[Any] = torch.empty(0, dtype=served).numpy().dtype
    return found


def _described_all(arrays: Sequence[np.ndarray]) -> str:
    return ", ".join(typed(array) for array in arrays)
