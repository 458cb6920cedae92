"""A registered version as a replica holds it: loaded with its engines, warmed, and asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import orjson
from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from journeyman.cluster.requirements import Unmet, unmet
from journeyman.errors import JourneymanError, described
from journeyman.models.arrays import Inputs, Outputs, Run
from journeyman.models.engines.engine import Engine, Plan
from journeyman.models.engines.load import load_engine
from journeyman.models.engines.machine_code import CompilationError
from journeyman.models.files import Version, look_at
from journeyman.models.in_place import why_graph_needs_replicas
from journeyman.models.onnx_form import ONNX
from journeyman.models.own_code import TO_ALLOW, why_code
from journeyman.models.packages import EXPORTED, graph_bytes
from journeyman.models.program_text import why_program_code
from journeyman.models.signature import Signature

_UNTRUSTED = "UntrustedTypesFoundException"
"""What skops raises; it is imported for the versions alone that it reads."""
_PLATFORMS = {
    Engine.TORCH_EXPORT: "pytorch_pt2",
    Engine.ONNXRUNTIME: "onnx_onnxv1",
    Engine.PYFUNC: "mlflow_pyfunc",
}


class ModelError(JourneymanError):
    """A version that cannot be downloaded or loaded, or that does not answer its own example."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version, in memory. Threads may share it.

    `example` is a request body that the model answers, where the version has one.
    """

    files: Version
    example: dict[str, Any] | None
    plan: Plan
    runs: Mapping[Engine, Run]
    run: Run
    """That of `runs` which the plan names for a batch."""

    @property
    def signature(self) -> Signature:
        return self.files.signature

    @property
    def platform(self) -> str:
        """What it was made with, and the form it is kept in."""
        return _PLATFORMS[self.files.safest]

    def predict(self, inputs: Inputs, params: dict[str, Any] | None = None) -> Outputs:
        """The outputs by name for checked inputs; whatever the model itself raises comes through."""
        return self.run(inputs, params)


def look(folder: Path) -> Version:
    """The version in `folder`, without loading it. Raises ModelError."""
    try:
        return look_at(folder)
    except Exception as error:
        # Readers of YAML, of signatures and of graphs run here, on files that anybody may have made.
        raise ModelError(
            f"the version cannot be read as an MLflow model: {described(error)}",
            "Log it again with mlflow.<flavor>.log_model, or `journeyman.publish`.",
        ) from error


def why_version_code(version: Version) -> str:
    """What of the version runs code when it is loaded, in words; empty where nothing does."""
    if why := why_code(version.metadata.flavors, lambda path: (version.folder / path).is_file()):
        return why
    # Wherever it lies: MLflow goes by the metadata, which are the maker's.
    return next(filter(None, map(why_program_code, sorted(version.folder.rglob("*.pt2")))), "")


def check_code(version: Version, allow_code: bool) -> None:
    """Raises ModelError where loading the version runs code of whoever made it, and that is not allowed."""
    if not allow_code and (why := why_version_code(version)):
        raise ModelError(f"the version {why}", TO_ALLOW)


def why_new_replicas(version: Version) -> str:
    """Why it must not be loaded beside another one, in words; empty where it may be."""
    if _own_python(version):
        return "brings Python of its own"
    if version.safest != Engine.TORCH_EXPORT:
        return ""
    return why_graph_needs_replicas(graph_bytes(version.folder / EXPORTED))


def check_memory(folder: Path, available_bytes: int) -> None:
    """Raises ModelError where a version of this size would not fit beside the one that serves.

    While it is loaded, a version is there twice: as it is read, and as the model it becomes.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    size_bytes = sum(path.stat().st_size for path in files)
    if (folder / EXPORTED).is_file():
        # Of its two forms one is read.
        size_bytes -= sum(path.stat().st_size for path in files if folder / ONNX.parent in path.parents)
    if 2 * size_bytes > available_bytes:
        raise ModelError(
            f"the version holds {size_bytes / 1024**3:.1f} GiB, and {available_bytes / 1024**3:.1f} GiB of "
            "memory are free: loading takes twice its size",
            "Free memory on the node, or deploy the version as a service of its own.",
        )


def load_model(
    version: Version, allow_code: bool, plan: Plan, have: Mapping[Engine, Run] | None = None
) -> ServedModel:
    """The model, computed as planned; of the engines that it takes, those in `have` are loaded already.

    Sets MLFLOW_ALLOW_PICKLE_DESERIALIZATION for this process, which MLflow's loaders obey: a process serves
    one service, and its versions share the permission. Raises ModelError, also where loading the version runs
    code and `allow_code` is not given.
    """
    check_code(version, allow_code)
    os.environ[MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name] = str(allow_code).lower()
    for engine in plan.engines:
        if engine not in version.engines:
            raise ModelError(
                f"the version cannot be computed by {engine}: {_why_not(engine, version)}",
                f"Leave `engine` out of the service, or name one of: {', '.join(version.engines)}.",
            )
    try:
        runs = {engine: (have or {}).get(engine) or load_engine(engine, version) for engine in plan.engines}
        serving_example = _example(version)
    except CompilationError as error:
        raise ModelError(
            f"the version cannot be computed by {Engine.AOTINDUCTOR}: {error.message}", error.hint
        ) from error
    except ModelError:
        raise
    except Exception as error:
        # Loaders of all flavors run here, and with allow_code the model's own code.
        if lacking := _import_error(error):
            raise _not_importable(version, lacking) from error
        if MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name in str(error):
            # Its metadata do not tell: a program holds pickles beside its tensors, for instance.
            raise ModelError(
                "the version holds what is stored as pickle, which runs code when it is read", TO_ALLOW
            ) from error
        if type(error).__name__ == _UNTRUSTED:
            raise ModelError(
                f"the version holds types that skops does not trust: {described(error)}", TO_ALLOW
            ) from error
        raise ModelError(
            f"the version cannot be loaded: {described(error)}", _what_to_install(version)
        ) from error
    return ServedModel(
        files=version,
        example=orjson.loads(serving_example) if serving_example else None,
        plan=plan,
        runs=runs,
        run=_planned(plan, runs),
    )


def _example(version: Version) -> str | None:
    """Raises ModelError where its metadata name a file of somebody else's for it: examples are shown."""
    for path in (version.metadata.saved_input_example_info or {}).values():
        if isinstance(path, str) and not _is_inside(version.folder, path):
            raise ModelError(f"the version names {path[:80]!r} as its example, a file outside of it")
    example: str | None = version.metadata.get_serving_input(str(version.folder))
    return example


def _is_inside(folder: Path, path: str) -> bool:
    try:
        return (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        # No path at all, such as one with a NUL.
        return False


def _unmet(version: Version) -> Unmet:
    path = version.folder / "requirements.txt"
    # As MLflow writes it; whatever else is there says nothing.
    return unmet(path.read_text(errors="replace").splitlines() if path.is_file() else ())


def _what_to_install(version: Version) -> str:
    lacking = _unmet(version)
    if not (lacking.missing or lacking.other):
        return "Try it where it was logged: mlflow.pyfunc.load_model(…)."
    told = ", ".join((*lacking.missing, *lacking.other))
    return f"Of its requirements these are not met where replicas run: {told}. {_TO_INSTALL}"


_TO_INSTALL = "List what it needs under `requirements` of the service."


def _import_error(error: BaseException) -> ImportError | None:
    """What an error comes from: of models from code MLflow tells it in words of its own."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ImportError):
        found = found.__cause__
    return found


def _not_importable(version: Version, error: ImportError) -> ModelError:
    """It names what pip installs, not the module that Python looked for; that, where no name is like it."""
    missing, other = _unmet(version).missing, _unmet(version).other
    if not missing:
        told = f"the version needs what cannot be imported here: {described(error)}"
        return ModelError(told, _what_to_install(version))
    module = canonicalize_name((error.name or "").partition(".")[0])
    names = {canonicalize_name(Requirement(each).name) for each in missing}
    looked_for = "" if module in names else f" ({described(error)})"
    what = "a package that is" if len(missing) == 1 else "packages that are"
    told = f"the version needs {what} not installed here: {', '.join(missing)}{looked_for}"
    differs = f" Others differ: {', '.join(other)}." if other else ""
    return ModelError(told, f"{_TO_INSTALL}{differs}")


def _planned(plan: Plan, runs: Mapping[Engine, Run]) -> Run:
    if len(runs) == 1:
        return runs[plan.engines[0]]

    def run(inputs: Inputs, params: dict[str, Any] | None) -> Outputs:
        rows = len(next(iter(inputs.values())))
        return runs[plan.engine_for(rows)](inputs, params)

    return run


def _why_not(engine: Engine, version: Version) -> str:
    if engine == Engine.ONNXRUNTIME:
        return "it has no ONNX form"
    if engine == Engine.PYFUNC:
        return f"{version.safest} does it without MLflow in between"
    if engine == Engine.EAGER:
        return "it is no PyTorch module of one input that is stored as pickle"
    return "it is no exported program"


def _own_python(version: Version) -> bool:
    flavors = version.metadata.flavors
    configured = {name: told for name, told in flavors.items() if isinstance(told, Mapping)}
    if any(told.get("code") for told in configured.values()):
        return True
    loader = configured.get(mlflow.pyfunc.FLAVOR_NAME, {}).get(mlflow.pyfunc.MAIN)
    # Every other loader may unpickle or import what two versions define differently.
    return version.safest != Engine.TORCH_EXPORT and loader != "mlflow.onnx"
