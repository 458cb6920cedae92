"""The ONNX form of a published program: written into its package, for engines and devices without PyTorch.

It is an extra: a program that ONNX cannot express is published without it, and its version tells why.

Only a job's processes write it; replicas import this for where it lies.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from journeyman.errors import described
from journeyman.models.packages import EXPORTED, OUTPUT, Answer, Package, difference, load_exported

INPUT = "input"
"""The name of a lone input that its signature gives no name."""
ONNX = Path("data") / "onnx" / "model.onnx"
"""Inside a model folder; weights that do not fit into it lie beside it."""
_ONE_FILE_BYTES = 2**30
"""Protocol buffers end at 2 GiB."""


def add_onnx(package: Package) -> str:
    """Write the ONNX form into the package and compare what it answers with the module; why not, where not.

    Tensors are named as in the signature, a lone one `input` and `output`; dimension 0 is free.
    """
    path = package.path / ONNX
    path.parent.mkdir(parents=True)
    try:
        _write(load_exported(package.path / EXPORTED), package, path)
        trouble = _trouble(path, package.answers)
    except Exception as error:  # noqa: BLE001
        # torch.onnx and onnxruntime share no base for what they raise.
        trouble = f"it has no ONNX form: {described(error)}"
    if trouble:
        shutil.rmtree(path.parent)
    return trouble


def _write(program: torch.export.ExportedProgram, package: Package, path: Path) -> None:
    size_bytes = sum(tensor.nbytes for tensor in program.state_dict.values())
    # Of operators of torchvision, which it does not need.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                program,
                f=path,
                input_names=_names(package.signature.inputs, INPUT),
                output_names=_names(package.signature.outputs, OUTPUT),
                external_data=size_bytes > _ONE_FILE_BYTES,
                verbose=False,
            )
    finally:
        logger.setLevel(level)


def _trouble(path: Path, answers: tuple[Answer, ...]) -> str:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    for answer in answers:
        rows = len(answer.inputs[0])
        found = session.run(None, dict(zip(names, answer.inputs, strict=True)))
        for (name, expected), actual in zip(answer.outputs.items(), found, strict=True):
            tensor = expected.float() if expected.dtype == torch.bfloat16 else expected
            if actual.shape != tuple(tensor.shape):
                return f"its ONNX form gives '{name}' of shape {list(actual.shape)} for {rows} rows"
            apart = difference(tensor, torch.from_numpy(np.array(actual)).to(tensor.dtype))
            if apart is not None:
                return f"its ONNX form differs in '{name}' by up to {apart:.3g} for {rows} rows"
    return ""


def _names(schema: object, lone: str) -> list[str]:
    return list(schema.input_names()) if schema.has_input_names() else [lone]  # type: ignore[attr-defined]
