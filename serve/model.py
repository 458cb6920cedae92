"""A registered version as a replica holds it: downloaded, loaded, warmed, and asked.

Any MLflow model folder becomes a ServedModel: an exported PyTorch program is called directly, everything else
through MLflow's pyfunc.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import orjson
import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from journeyman.errors import JourneymanError, described
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.invocation import Inputs
from journeyman.serve.protocols.invocations import parse, render
from journeyman.serve.signature import OUTPUT, Signature, read_signature
from journeyman.serve.swap import why_graph_needs_replicas
from journeyman.tracking.packages import EXPORTED, graph_bytes, named_outputs

Outputs = Any
"""Arrays by output name; for a pyfunc that answers with something else (a DataFrame, a list), that."""
_Run = Callable[[Inputs, dict[str, Any] | None], Outputs]


class ModelError(JourneymanError):
    """A version that cannot be downloaded or loaded, or that does not answer its own example."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version, in memory. Threads may share it.

    `example` is a request body that the model answers, where the version has one. `exported`: it is a
    PyTorch program in `folder / EXPORTED`.
    """

    folder: Path
    signature: Signature
    example: dict[str, Any] | None
    exported: bool
    run: _Run

    @property
    def platform(self) -> str:
        """What it was made with, and the form it is kept in."""
        return "pytorch_pt2" if self.exported else "mlflow_pyfunc"

    def predict(self, inputs: Inputs, params: dict[str, Any] | None = None) -> Outputs:
        """The outputs by name for checked inputs; whatever the model itself raises comes through."""
        return self.run(inputs, params)

    def warm(self) -> None:
        """Answer the version's own example, from request body to response body.

        Raises ModelError where that fails or an output is NaN. An infinity passes: masks are made of them.
        """
        if self.example is None:
            return
        try:
            invocation = parse(orjson.dumps(self.example), None, self.signature)
            outputs = self.predict(invocation.inputs, invocation.params)
            render(outputs, self.signature)
        except RequestError as error:
            raise ModelError(
                f"the version refuses its own input example: {error.message}",
                "Log the model again with an input example that fits its signature.",
            ) from error
        except Exception as error:
            # The model's own code runs here: anything can come out of it.
            raise ModelError(
                f"the version fails on its own input example: {described(error)}",
                "Try it where it was trained: mlflow.pyfunc.load_model(…).predict(…).",
            ) from error
        for name in _nan_outputs(outputs):
            raise ModelError(
                f"output '{name}' of the version holds NaN on its own input example",
                "Train it again, or keep serving the version before it.",
            )


def download_version(mlflow_url: str, name: str, version: str, folder: Path) -> Path:
    """The files of a version in `folder`, from MLflow unless they are there already: versions do not change.

    Whole or not there: several processes may ask for the same folder at once. Raises ModelError.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    try:
        # `models:/` addresses are looked up at the process's own MLflow, whatever address is passed along.
        client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
        source = client.get_model_version_download_uri(name, version)
        downloaded = download_artifacts(artifact_uri=source, dst_path=partial, tracking_uri=mlflow_url)
        os.rename(downloaded, folder)
    except MlflowException as error:
        raise ModelError(
            f"version {version} of model '{name}' cannot be downloaded: {described(error)}",
            f"Look at the version's files on MLflow's page: {mlflow_url}.",
        ) from error
    except OSError:
        # Another process was faster, and its folder holds the same version.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def version_signature(folder: Path) -> Signature:
    """What the version in `folder` takes and gives; tells without loading it. Raises ModelError."""
    try:
        metadata = Model.load(str(folder))
        return _signature(metadata, _is_exported(folder, metadata))
    except MlflowException as error:
        raise ModelError(f"the version's files are no MLflow model: {described(error)}") from error


def _signature(metadata: Model, exported: bool) -> Signature:
    signature = read_signature(metadata.signature)
    # A program takes the tensors it was exported with, and nothing beside them.
    return replace(signature, params=None) if exported else signature


def why_new_replicas(folder: Path) -> str:
    """Why the version in `folder` must not be loaded beside another one, in words; empty where it may be.

    Tells without loading it. Raises ModelError.
    """
    try:
        metadata = Model.load(str(folder))
    except MlflowException as error:
        raise ModelError(f"the version's files are no MLflow model: {described(error)}") from error
    exported = _is_exported(folder, metadata)
    if _own_python(metadata, exported):
        return "brings Python of its own"
    return why_graph_needs_replicas(graph_bytes(folder / EXPORTED)) if exported else ""


def check_memory(folder: Path, available_bytes: int) -> None:
    """Raises ModelError where a version of this size would not fit beside the one that serves.

    While it is loaded, a version is there twice: as it is read, and as the model it becomes.
    """
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if 2 * size_bytes > available_bytes:
        raise ModelError(
            f"the version holds {size_bytes / 1024**3:.1f} GiB, and {available_bytes / 1024**3:.1f} GiB of "
            "memory are free: loading takes twice its size",
            "Free memory on the node, or deploy the version as a service of its own.",
        )


def load_model(folder: Path, allow_pickle: bool) -> ServedModel:
    """The model in an MLflow model folder, on the CPU.

    Sets MLFLOW_ALLOW_PICKLE_DESERIALIZATION for this process, which MLflow's loaders obey: a process serves
    one service, and its versions share the permission. Raises ModelError.
    """
    os.environ[MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name] = str(allow_pickle).lower()
    try:
        metadata = Model.load(str(folder))
        exported = _is_exported(folder, metadata)
        signature = _signature(metadata, exported)
        run = _exported(folder, signature) if exported else _pyfunc(folder, signature)
        serving_example = metadata.get_serving_input(str(folder))
    except ImportError as error:
        raise ModelError(
            f"the version needs a package that is not installed here: {described(error)}",
            "Add what the version's requirements.txt lists to the service's `requirements`.",
        ) from error
    except Exception as error:
        # Loaders of all flavors run here, and with allow_pickle the model's own code.
        if MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name in str(error):
            raise ModelError(
                "the version is stored as pickle, cloudpickle or skops, which can run code when read",
                "If you trust whoever trained it, set `allow_pickle: true` in the service; else log it again "
                "without pickle: PyTorch as pt2, others as ONNX.",
            ) from error
        raise ModelError(
            f"the version cannot be loaded: {described(error)}",
            "Compare the version's requirements.txt with what is installed here.",
        ) from error
    return ServedModel(
        folder=folder,
        signature=signature,
        example=orjson.loads(serving_example) if serving_example else None,
        exported=exported,
        run=run,
    )


def _exported(folder: Path, signature: Signature) -> _Run:
    program = mlflow.pytorch.load_model(str(folder))
    names = [field.name for field in signature.inputs]

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        with torch.inference_mode():
            result = program(*(torch.from_numpy(inputs[name]) for name in names))
        outputs = {name: _numpy(tensor) for name, tensor in named_outputs(result).items()}
        return _as_declared(outputs, signature)

    return run


def _pyfunc(folder: Path, signature: Signature) -> _Run:
    model = mlflow.pyfunc.load_model(str(folder))

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


def _is_exported(folder: Path, metadata: Model) -> bool:
    return (folder / EXPORTED).is_file() and mlflow.pytorch.FLAVOR_NAME in metadata.flavors


def _own_python(metadata: Model, exported: bool) -> bool:
    configurations = metadata.flavors.values()
    if any(configuration.get("code") for configuration in configurations):
        return True
    loader = metadata.flavors.get(mlflow.pyfunc.FLAVOR_NAME, {}).get(mlflow.pyfunc.MAIN)
    # Every other loader may unpickle or import what two versions define differently.
    return not exported and loader != "mlflow.onnx"


def _nan_outputs(outputs: Outputs) -> list[str]:
    if not isinstance(outputs, Mapping):
        outputs = {OUTPUT: outputs}
    return [
        str(name)
        for name, output in outputs.items()
        if isinstance(output, np.ndarray) and output.dtype.kind == "f" and np.isnan(output).any()
    ]
