"""The engines that compute what a version answers: which of them apply to it, and how each is loaded.

Every engine gives the outputs under the names that the version's signature declares. Threads may share what
is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import torch
from mlflow.models import Model

from journeyman.serve.devices import move
from journeyman.serve.machine_code import machine_code
from journeyman.serve.protocols.invocation import Inputs
from journeyman.serve.signature import OUTPUT, Signature, read_signature
from journeyman.serve.verdict import Engine
from journeyman.tracking.onnx_form import ONNX
from journeyman.tracking.packages import EXPORTED, named_outputs

Outputs = Any
"""Arrays by output name; for a pyfunc that answers with something else (a DataFrame, a list), that."""
Run = Callable[[Inputs, dict[str, Any] | None], Outputs]

_ONNX_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{f"tensor({name})": name for name in ("int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}


@dataclass(frozen=True, slots=True)
class Version:
    """The files of a version, looked at but not loaded."""

    folder: Path
    metadata: Model
    signature: Signature
    engines: tuple[Engine, ...]
    """Those that apply, the safest first. AOTINDUCTOR applies where the version is compiled on this node."""

    @property
    def safest(self) -> Engine:
        return self.engines[0]


def look_at(folder: Path) -> Version:
    """Raises MlflowException where the files are no MLflow model."""
    metadata = Model.load(str(folder))
    signature = read_signature(metadata.signature)
    if (folder / EXPORTED).is_file() and mlflow.pytorch.FLAVOR_NAME in metadata.flavors:
        # A program takes the tensors it was exported with, and nothing beside them.
        signature = replace(signature, params=None)
        engines = [Engine.TORCH_EXPORT]
        if (folder / ONNX).is_file():
            engines.append(Engine.ONNXRUNTIME)
        engines.append(Engine.AOTINDUCTOR)
        return Version(folder, metadata, signature, tuple(engines))
    graph = _logged_as_onnx(folder, metadata)
    if graph is not None and _takes(graph, signature):
        return Version(folder, metadata, replace(signature, params=None), (Engine.ONNXRUNTIME,))
    engines = [Engine.PYFUNC]
    if mlflow.pytorch.FLAVOR_NAME in metadata.flavors and len(signature.inputs) == 1 and not signature.params:
        engines.append(Engine.EAGER)
    return Version(folder, metadata, signature, tuple(engines))


def load_engine(engine: Engine, version: Version) -> Run:
    """Raises whatever a loader raises: those of all flavors run here. CompilationError: no machine code."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if engine in (Engine.TORCH_EXPORT, Engine.EAGER):
        return _of_tensors(_module(version, device), version.signature, device)
    if engine == Engine.AOTINDUCTOR:
        # Imported by this name, in 1.7 s, where it is asked for: few versions come here.
        code = torch._inductor.aoti_load_package(str(machine_code(version.folder)))
        return _of_tensors(code, version.signature, device)
    if engine == Engine.ONNXRUNTIME:
        return _onnxruntime(version)
    return _pyfunc(version)


def _module(version: Version, device: torch.device) -> torch.nn.Module:
    program = mlflow.pytorch.load_model(str(version.folder))
    if device.type != "cpu":
        move(program, device)
    return program


def _of_tensors(compute: Callable[..., Any], signature: Signature, device: torch.device) -> Run:
    names = [field.name for field in signature.inputs]

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        with torch.inference_mode():
            result = compute(*(torch.from_numpy(inputs[name]).to(device) for name in names))
        outputs = {name: _numpy(tensor) for name, tensor in named_outputs(result).items()}
        return _as_declared(outputs, signature)

    return run


def _onnxruntime(version: Version) -> Run:
    graph = version.folder / ONNX
    session = _session(graph if graph.is_file() else _logged_as_onnx(version.folder, version.metadata))
    asked = [output.name for output in session.get_outputs()]
    names = list(_as_declared(dict.fromkeys(asked, np.empty(0)), version.signature))
    taken = {field.name for field in version.signature.inputs}
    [lone, *others] = [wanted.name for wanted in session.get_inputs()]
    renamed = not others and lone not in taken

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        if renamed:
            [array] = inputs.values()
            inputs = {lone: array}
        return dict(zip(names, session.run(asked, inputs), strict=True))

    return run


def _pyfunc(version: Version) -> Run:
    model = mlflow.pyfunc.load_model(str(version.folder))
    signature = version.signature

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        if signature.bare_input:
            inputs = inputs[signature.inputs[0].name]
        with torch.inference_mode():
            result = model.predict(inputs, params=params)
        if isinstance(result, np.ndarray):
            result = {OUTPUT: result}
        if isinstance(result, dict) and all(isinstance(value, np.ndarray) for value in result.values()):
            return _as_declared(result, signature)
        return result

    return run


def _session(graph: Path | None) -> onnxruntime.InferenceSession:
    assert graph is not None, "asked of versions that have one"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from the replicas beside.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
    return onnxruntime.InferenceSession(str(graph), options, providers=wanted)


def _logged_as_onnx(folder: Path, metadata: Model) -> Path | None:
    flavor = metadata.flavors.get("onnx")
    return folder / str(flavor["data"]) if flavor and flavor.get("data") else None


def _takes(graph: Path, signature: Signature) -> bool:
    """Whether the graph takes the very tensors that the signature declares; MLflow casts some others."""
    declared = {field.name: str(field.dtype) for field in signature.inputs}
    wanted = {i.name: _ONNX_DTYPES.get(i.type, i.type) for i in _session(graph).get_inputs()}
    if signature.bare_input and len(wanted) == 1:
        return list(wanted.values()) == list(declared.values())
    return bool(wanted) and declared == wanted


def _as_declared(outputs: dict[str, np.ndarray], signature: Signature) -> dict[str, np.ndarray]:
    """The outputs under the names that the signature declares; by their order where it names others."""
    declared = [field.name for field in signature.outputs]
    if len(declared) != len(outputs) or outputs.keys() == set(declared):
        return outputs
    return dict(zip(declared, outputs.values(), strict=True))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    # NumPy has no bfloat16.
    found: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()
    return found
