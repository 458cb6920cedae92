"""Registered models as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journeyman.client.connection import Connection
from journeyman.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A version as files."""

    model: str
    version: str
    paths: Sequence[Path]
    """The graph first."""


def export(connection: Connection, model: str, folder: Path, replace: bool) -> Exported:
    from journeyman.models.export import export_onnx
    from journeyman.serve.spec import read_reference

    reference = read_reference(model)
    version = reference.version
    if reference.alias is not None:
        version = connection.mlflow.aliases(reference.name).get(reference.alias)
    if version is None:
        raise NotFoundError(
            f"model {reference.name} has no alias {reference.alias}", "MLflow's page shows those it has."
        )
    paths = export_onnx(connection.mlflow, reference.name, version, folder, replace)
    return Exported(model=reference.name, version=version, paths=paths)
