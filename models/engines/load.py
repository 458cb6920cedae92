"""How each engine is loaded with a version: one file an engine, and every engine is a `Run`.

Every engine gives the outputs under the names that the version's signature declares.
"""

from __future__ import annotations

from typing import assert_never

import torch

from journeyman.models.arrays import Run
from journeyman.models.engines import onnx_graph, pyfunc, torch_program
from journeyman.models.engines.engine import Engine
from journeyman.models.files import Version
from journeyman.models.onnx_form import ONNX


def load_engine(engine: Engine, version: Version) -> Run:
    """Raises whatever a loader raises: those of all flavors run here. CompilationError: no machine code."""
    folder, signature = version.folder, version.signature
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match engine:
        case Engine.TORCH_EXPORT | Engine.EAGER:
            return torch_program.load(folder, signature, device)
        case Engine.AOTINDUCTOR:
            return torch_program.load_compiled(folder, signature, device)
        case Engine.ONNXRUNTIME:
            graph = folder / ONNX
            logged = None if graph.is_file() else onnx_graph.logged_graph(folder, version.metadata)
            return onnx_graph.load(logged or graph, signature)
        case Engine.PYFUNC:
            return pyfunc.load(version)
        case _:
            assert_never(engine)
