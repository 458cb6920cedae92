"""PyTorch as an engine: an exported program, its machine code, or a module stored as pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch

from journeyman.compat.torch_graph import load_machine_code
from journeyman.models.arrays import Inputs, Outputs, Run
from journeyman.models.engines.devices import move
from journeyman.models.engines.machine_code import machine_code
from journeyman.models.packages import named_outputs
from journeyman.models.signature import Signature, as_declared


def load(folder: Path, signature: Signature, device: torch.device) -> Run:
    """The program or module of the version in `folder`, on `device`."""
    program = mlflow.pytorch.load_model(str(folder))
    if device.type != "cpu":
        move(program, device)
    return _of_tensors(program, signature, device)


def load_compiled(folder: Path, signature: Signature, device: torch.device) -> Run:
    """The machine code that this node has of the version in `folder`. Raises CompilationError."""
    return _of_tensors(load_machine_code(machine_code(folder)), signature, device)


def _of_tensors(compute: Callable[..., Any], signature: Signature, device: torch.device) -> Run:
    names = [field.name for field in signature.inputs]

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        with torch.inference_mode():
            result = compute(*(torch.from_numpy(inputs[name]).to(device) for name in names))
        outputs = {name: _numpy(tensor) for name, tensor in named_outputs(result).items()}
        return as_declared(outputs, signature)

    return run


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    # NumPy has no bfloat16.
    found: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()
    return found
