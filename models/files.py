"""The files of a registered version, looked at but not loaded: signature, and the engines that apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
from mlflow.models import Model

from journeyman.models.engines.engine import Engine
from journeyman.models.engines.onnx_graph import logged_graph, takes
from journeyman.models.onnx_form import ONNX
from journeyman.models.packages import EXPORTED
from journeyman.models.signature import Signature, read_signature, with_ranges


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
    from_type_hints = bool(metadata.to_dict().get("is_signature_from_type_hint"))
    signature = read_signature(metadata.signature, from_type_hints)
    if (folder / EXPORTED).is_file() and mlflow.pytorch.FLAVOR_NAME in metadata.flavors:
        # A program takes the tensors it was exported with, and nothing beside them.
        signature = with_ranges(replace(signature, params=None), metadata.metadata)
        engines = [Engine.TORCH_EXPORT]
        if (folder / ONNX).is_file():
            engines.append(Engine.ONNXRUNTIME)
        engines.append(Engine.AOTINDUCTOR)
        return Version(folder, metadata, signature, tuple(engines))
    graph = logged_graph(folder, metadata)
    if graph is not None and takes(graph, signature):
        return Version(folder, metadata, replace(signature, params=None), (Engine.ONNXRUNTIME,))
    engines = [Engine.PYFUNC]
    if mlflow.pytorch.FLAVOR_NAME in metadata.flavors and len(signature.inputs) == 1 and not signature.params:
        engines.append(Engine.EAGER)
    return Version(folder, metadata, signature, tuple(engines))
