"""How a replica gets a version ready to answer: fetched, loaded with the engines of its plan, tried."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson
from mlflow.types import Schema

from journeyman.models.cache import cache_folder, fetch
from journeyman.models.cached import InUse
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.engines.machine_code import CompilationError, compile_version, is_compiled
from journeyman.models.files import Version
from journeyman.models.model import ModelError, ServedModel, check_code, load_model, look, why_new_replicas
from journeyman.models.signature import Signature
from journeyman.serve.protocols.example import warm
from journeyman.serve.protocols.headers import header_text
from journeyman.serve.replica.cleaning import clean_cache
from journeyman.serve.replica.deployment import Arguments
from journeyman.serve.replica.version import LoadedVersion
from journeyman.serve.verdict import Verdict, read_verdict
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ENGINES

_GRAPHS = frozenset({Engine.TORCH_EXPORT, Engine.ONNXRUNTIME, Engine.AOTINDUCTOR})
"""Engines that take a program's steps and none beside them: as many for any values of one size."""
ON_LOOP_LIMIT_S = 0.002
"""An answer that takes longer is computed in a thread: a hand-over costs about a tenth of that."""

_log = logging.getLogger(__name__)


class Loader:
    """Of the versions of one service's model, in one replica."""

    def __init__(self, arguments: Arguments, mlflow: Mlflow) -> None:
        self._arguments = arguments
        self._mlflow = mlflow
        self._in_use = InUse()
        self.hardware = this_hardware()

    def look(self, version: str) -> Version:
        """The version's files, here and not loaded. Raises ModelError, UnreachableError, NotFoundError."""
        return look(fetch(self._mlflow, self._arguments.model, version, self._in_use).folder)

    def load(
        self, version: str, ordered: Engine | None, loaded: LoadedVersion | None = None
    ) -> LoadedVersion:
        """The version, warmed, computed by the engine that is ordered or, on this hardware, was the fastest.

        What is loaded of it already is used again. Machine code that is ordered is made where this node lacks
        it; what was the fastest and lacks is to be compiled afterwards. Raises ModelError, UnreachableError,
        NotFoundError.
        """
        fetched = fetch(self._mlflow, self._arguments.model, version, self._in_use)
        files = look(fetched.folder)
        verdict = _verdict(fetched.tags.get(f"{ENGINES}.{self.hardware.key}"))
        plan = verdict.plan if ordered is None and verdict is not None else None
        to_compile: Path | None = None
        trouble = ""
        model: ServedModel | None = None
        have = loaded.model.runs if loaded else {}
        if ordered == Engine.AOTINDUCTOR and ordered in files.engines:
            # The compiler reads the program, too.
            check_code(files, self._arguments.allow_code)
            _compile(files.folder)
        if plan is not None and Engine.AOTINDUCTOR in plan.engines and not is_compiled(files.folder):
            to_compile = files.folder
            trouble = f"stays with {files.safest} until the version is compiled on this node"
        elif plan is not None:
            try:
                model = load_model(files, self._arguments.allow_code, plan, have)
                warm(model)
            except ModelError as error:
                # It was tried when the verdict was made, by another process.
                trouble = f"stays with {files.safest}: {error.message}"
                _log.warning("version %s %s", version, trouble)
                model = None
        if model is None:
            model = load_model(files, self._arguments.allow_code, alone(ordered or files.safest), have)
        run_id = files.metadata.run_id or fetched.run_id
        return LoadedVersion(
            version=version,
            model=model,
            on_loop_bytes=on_loop_bytes(model),
            joined_rows=verdict.joined_rows(model.plan) if verdict is not None else 1,
            headers={
                "x-journeyman-model": header_text(self._arguments.model),
                "x-journeyman-version": header_text(version),
                "x-journeyman-run": header_text(run_id),
            },
            description=orjson.dumps(self._description(version, run_id, model)),
            engine_trouble=trouble,
            to_compile=to_compile,
            measured=verdict is not None,
            why_alone=why_new_replicas(files),
        )

    def clean(self, versions: Collection[str | None]) -> None:
        """Let all but these versions go, and remove from this node what nobody needs. Raises nothing."""
        held = self._in_use.folders
        self._in_use.only([folder for folder in held if folder.name.partition("-")[0] in versions])
        clean_cache(self._mlflow, cache_folder(self._mlflow.url))

    def _description(self, version: str, run_id: str, model: ServedModel) -> dict[str, Any]:
        return {
            "service": self._arguments.service,
            "model": self._arguments.model,
            "version": version,
            "run": run_id,
            "engine": str(model.plan),
            "inputs": _fields(model.signature, "inputs"),
            "outputs": _fields(model.signature, "outputs"),
            "example": model.example,
        }


def check_signature(files: Version, wanted: Signature, version: str) -> None:
    """Raises ModelError where a version with these files would break those who ask `version` now."""
    if files.signature != wanted:
        raise ModelError(
            f"it takes {_told(files.signature)}, where version {version} takes {_told(wanted)};",
            "deploy it as a service of its own",
        )


def _compile(folder: Path) -> None:
    try:
        compile_version(folder)
    except CompilationError as error:
        raise ModelError(
            f"the version cannot be computed by {Engine.AOTINDUCTOR}: {error.message}", error.hint
        ) from error


def _verdict(text: str | None) -> Verdict | None:
    if text is None:
        return None
    try:
        return read_verdict(text)
    except ValueError as error:
        _log.warning("a verdict on engines cannot be read: %s", error)
        return None


def on_loop_bytes(model: ServedModel) -> float:
    """Up to which size a body is answered within ON_LOOP_LIMIT_S, going by the version's own example.

    Raises ModelError where the version fails on it.
    """
    warm(model)
    if model.example is None or model.signature.params or not _GRAPHS.issuperset(model.plan.engines):
        # What params may ask for, such as a number of tokens, no example tells; nor how long Python of the
        # model's own takes for other values. Where it never ends, only a thread may be kept.
        return 0
    seconds = min(_warm_s(model) for _ in range(3))
    return len(orjson.dumps(model.example)) * ON_LOOP_LIMIT_S / seconds if seconds < ON_LOOP_LIMIT_S else 0


def _warm_s(model: ServedModel) -> float:
    began = time.perf_counter()
    warm(model)
    return time.perf_counter() - began


def _fields(signature: Signature, side: str) -> list[dict[str, Any]]:
    tensors = signature.inputs if side == "inputs" else signature.outputs
    if side == "inputs" and signature.columns is not None:
        columns: list[dict[str, Any]] = signature.columns.to_dict()
        return columns
    return [{"name": f.name, "dtype": str(f.dtype), "shape": list(f.shape)} for f in tensors]


def _told(signature: Signature) -> str:
    columns: Schema | None = signature.columns
    if columns is not None:
        return f"columns {columns}"
    return ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in signature.inputs) or "anything"
