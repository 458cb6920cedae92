"""A registered version as files for a device that has neither MLflow nor PyTorch."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models.model import MLMODEL_FILE_NAME

from journeyman.errors import UsageError, described
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import ONNX_TROUBLE

_PUBLISHED = "data/onnx"
"""Where a published version has its ONNX form."""


def export_onnx(mlflow: MlflowApi, name: str, version: str, folder: Path, replace: bool) -> list[Path]:
    """The ONNX form of a version below `folder`, which is made: the graph first, then weights of its own.

    Raises UsageError where the version has none, or where a file would be replaced that may not be.
    """
    body = mlflow.model_version(name, version)
    source = mlflow.download_uri(name, version).rstrip("/")
    with tempfile.TemporaryDirectory() as scratch:
        found = _download(source, Path(scratch), mlflow.url)
        if found is None:
            tags = {tag["key"]: tag["value"] for tag in body.get("tags", ())}
            raise UsageError(
                f"version {version} of model {name} has no ONNX form",
                tags.get(ONNX_TROUBLE, "Publish it with `journeyman.publish`, or log it with mlflow.onnx."),
            )
        files = [found, *sorted(each for each in found.parent.iterdir() if _belongs(each, found))]
        there = [folder / file.name for file in files if (folder / file.name).exists()]
        if there and not replace:
            raise UsageError(f"{there[0]} exists already", "Name another folder, or add --yes to replace it.")
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            # Whole or not there, also where the folder is on another disk.
            partial = folder / f".{file.name}.partial"
            shutil.copyfile(file, partial)
            os.replace(partial, folder / file.name)
    return [folder / file.name for file in files]


def _download(source: str, scratch: Path, mlflow_url: str) -> Path | None:
    """The graph, where the version has one."""

    def fetch(path: str) -> Path:
        return Path(
            download_artifacts(
                artifact_uri=f"{source}/{path}", dst_path=str(scratch), tracking_uri=mlflow_url
            )
        )

    try:
        flavors: Mapping[str, Mapping[str, str]] = yaml.safe_load(fetch(MLMODEL_FILE_NAME).read_text())[
            "flavors"
        ]
    except (MlflowException, OSError) as error:
        raise UsageError(
            f"the files of {source} cannot be read: {described(error)}",
            f"Look at the version's files on MLflow's page: {mlflow_url}.",
        ) from error
    if logged := flavors.get("onnx"):
        return fetch(logged["data"])
    try:
        return fetch(_PUBLISHED) / "model.onnx"
    except (MlflowException, OSError):
        # A folder that is not there is an error of its own kind for each kind of storage.
        return None


def _belongs(file: Path, graph: Path) -> bool:
    return file != graph and file.name.startswith(f"{graph.name}.")
