"""ONNX Runtime as an engine: the ONNX form of a program, or a version that was logged as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from mlflow.models import Model

from journeyman.models.arrays import Inputs, Outputs, Run
from journeyman.models.own_code import is_file_of_version
from journeyman.models.signature import Signature, as_declared

_ONNX_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{f"tensor({name})": name for name in ("int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}


def load(graph: Path, signature: Signature) -> Run:
    """The graph in `graph`, which answers under the names that the signature declares."""
    session = _session(graph)
    asked = [output.name for output in session.get_outputs()]
    names = list(as_declared(dict.fromkeys(asked, np.empty(0)), signature))
    taken = {field.name for field in signature.inputs}
    [lone, *others] = [wanted.name for wanted in session.get_inputs()]
    renamed = not others and lone not in taken

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        if renamed:
            [array] = inputs.values()
            inputs = {lone: array}
        return dict(zip(names, session.run(asked, inputs), strict=True))

    return run


def logged_graph(folder: Path, metadata: Model) -> Path | None:
    """Where the graph of a version that was logged as ONNX lies; None for any other version."""
    flavor = metadata.flavors.get("onnx")
    data = flavor.get("data") if isinstance(flavor, dict) else None
    return folder / str(data) if is_file_of_version(data) else None


def takes(graph: Path, signature: Signature) -> bool:
    """Whether the graph takes the very tensors that the signature declares; MLflow casts some others."""
    declared = {field.name: str(field.dtype) for field in signature.inputs}
    wanted = {i.name: _ONNX_DTYPES.get(i.type, i.type) for i in _session(graph).get_inputs()}
    if signature.bare_input and len(wanted) == 1:
        return list(wanted.values()) == list(declared.values())
    return bool(wanted) and declared == wanted


def _session(graph: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from the replicas beside.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
    return onnxruntime.InferenceSession(str(graph), options, providers=wanted)
