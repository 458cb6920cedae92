"""An order for a job: the spec checked against the world, and the run that carries it."""

from __future__ import annotations

import ast
import contextlib
import getpass
import hashlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from journeyman.cluster.archive import Archive
from journeyman.cluster.identity import check_names
from journeyman.cluster.requirement_lines import check_no_password, requirement_lines
from journeyman.cluster.settings import Settings, read_secrets
from journeyman.cluster.spec_file import override, parse, read_yaml, unasked
from journeyman.errors import JourneymanError, NotFoundError, RefusedError, SpecError
from journeyman.jobs.phases import Phase
from journeyman.jobs.run_line import read_run
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.submit.code import git_state, pack, travelling
from journeyman.jobs.submit.params import run_params
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run

_SHOWN_REMARKS = 10
_HASHED_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything a job needs, checked."""

    spec: TrainSpec
    folder: Path
    """Where its code is: the folder of the spec file."""
    code: Archive
    files: int
    remarks: tuple[str, ...] = ()
    """What a person may not have meant; the job runs all the same."""


def read_order(file: Path, assignments: Sequence[str], home: Path | None, storage: str | None) -> Order:
    """Read and check a spec file with all it names.

    `home` is where secrets are kept, None where the cluster's nodes have them; `storage` is where checkpoints
    go unless the spec says. Raises SpecError, NotFoundError, PermissionError.
    """
    try:
        return _checked(file, assignments, home, storage)
    except PermissionError:
        raise
    except OSError as error:
        # A spec names files in many places, and a name may be longer than any file's.
        named = records.shortened(str(error.filename or ""), 200)
        raise SpecError(f"{file}: {named!r} cannot be looked at: {error.strerror}") from None


def _checked(file: Path, assignments: Sequence[str], home: Path | None, storage: str | None) -> Order:
    loaded = override(read_yaml(file), assignments)
    remarks = unasked(file, assignments, below="config")
    spec = parse(TrainSpec, loaded, str(file))
    check_names(spec.env, f"{file}: env")
    check_names(spec.secrets, f"{file}: secrets")
    _check_addresses(spec, file)
    folder = file.absolute().parent
    checkpoints = _storage(spec, folder, storage)
    kept = Path(checkpoints) if checkpoints and "://" not in checkpoints else None
    code = travelling(folder, apart=(kept, home))
    files = code.files
    if spec.run:
        spec = spec.model_copy(update={"run": _run_line(spec, folder, files, file)})
    else:
        _check_entrypoint(spec, folder, files, file)
    if home is not None:
        _check_secrets(spec, home)
    if not (spec.storage or storage):
        raise SpecError(
            f"{file}: storage: where its checkpoints go must be said for this cluster",
            "Name a place that all its nodes can write, such as `storage: s3://bucket/runs`.",
        )
    resolved = spec.model_copy(
        update={
            "requirements": requirement_lines(spec.requirements, folder),
            "data": _data(spec, folder, files, file),
            "storage": checkpoints,
        }
    )
    try:
        stored = resolved.model_dump_json()
    except ValueError:
        raise SpecError(
            f"{file}: config: a value holds itself", "Write it out without `&` and `*`."
        ) from None
    records.check_order_fits(stored, str(file))
    run_params(resolved, f"{file}: ")
    remarks += _shortened(code.stays)
    return Order(
        spec=resolved,
        folder=folder,
        code=pack(folder, files),
        files=len(files),
        remarks=tuple(f"{file}: {remark}" for remark in remarks),
    )


def _check_addresses(spec: TrainSpec, file: Path) -> None:
    data = {f"data.{name}": location for name, location in spec.data.items()}
    for key, place in {**data, "storage": spec.storage or ""}.items():
        # Else it is a path, which may have any name.
        if "://" in place:
            check_no_password(place, f"{file}: {key}")
    for name, value in spec.env.items():
        # pip and uv take their index from there, too.
        if name.startswith(("PIP_", "UV_")):
            check_no_password(value, f"{file}: env.{name}")


def _shortened(told: Sequence[str]) -> list[str]:
    rest = len(told) - _SHOWN_REMARKS
    return [*told[:_SHOWN_REMARKS], f"{rest} more files stay here"] if rest > 0 else list(told)


def check_storage(storage: str) -> None:
    """Find out on this machine whether jobs can write where their checkpoints are to go. Raises SpecError."""
    if "://" in storage:
        return
    try:
        Path(storage).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=storage) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        raise SpecError(
            f"storage: {storage} cannot be written: {error.strerror or error}",
            "Name a folder that the workers can write, or an address such as s3://bucket/runs.",
        ) from None


def submit(order: Order, mlflow: MlflowApi, settings: Settings, key: str) -> Run:
    """Write the order down as a run. The same key is the same job, whoever tries again and when.

    A run that a try before this one left half written is completed: all that is written is the same each
    time. Of two tries at once the younger run steps back; should neither have seen the other, control takes
    up one of the two. Where MLflow refuses or a person interrupts, what was written by then is deleted; a
    submitter that dies leaves half a run, which is no order, and which control deletes a day later.

    Raises SpecError, before anything is written, for params that MLflow would refuse.
    """
    params = run_params(order.spec)
    tags = order_tags(order, settings, key)
    experiment_id = mlflow.experiment_id(order.spec.project)
    try:
        run = _eldest(experiment_id, mlflow, key)
        if run is None:
            own = mlflow.create_run(experiment_id, order.spec.name, tags)
            run = _eldest(experiment_id, mlflow, key) or own
            if run.run_id != own.run_id:
                mlflow.delete_run(own.run_id)
        if records.SUBMITTED_MS in run.tags:
            return run
        _write(order, params, mlflow, run)
    except (KeyboardInterrupt, RefusedError, NotFoundError):
        _withdraw(experiment_id, mlflow, key)
        raise
    return mlflow.run(run.run_id)


def _of_key(experiment_id: str, mlflow: MlflowApi, key: str) -> list[Run]:
    """What was written under a key, oldest first; half an order that was cancelled is not gone on with."""
    runs = mlflow.search_runs([experiment_id], f"tags.`{records.SUBMISSION_KEY}` = '{key}'")
    counted = (run for run in runs if run.active or records.SUBMITTED_MS in run.tags)
    return sorted(counted, key=lambda run: (run.start_ms, run.run_id))


def _eldest(experiment_id: str, mlflow: MlflowApi, key: str) -> Run | None:
    return next(iter(_of_key(experiment_id, mlflow, key)), None)


def _withdraw(experiment_id: str, mlflow: MlflowApi, key: str) -> None:
    """Delete what is half written, as far as MLflow lets; whole orders stay."""
    with contextlib.suppress(JourneymanError):
        for run in _of_key(experiment_id, mlflow, key):
            if records.SUBMITTED_MS not in run.tags:
                mlflow.delete_run(run.run_id)


def _write(order: Order, params: Mapping[str, str], mlflow: MlflowApi, run: Run) -> None:
    spec = order.spec
    mlflow.update_run(run.run_id, "SCHEDULED")
    for start in range(0, len(params), 100):
        mlflow.log_batch(run.run_id, params=dict(list(params.items())[start : start + 100]))
    mlflow.upload(run, records.CODE_ARTIFACT, order.code.content)
    readable = yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True) | {"kind": "train"})
    mlflow.upload(run, records.SPEC_ARTIFACT, readable.encode())
    if inputs := _inputs(order):
        mlflow.log_inputs(run.run_id, inputs)
    # The last word: without it there is no order.
    mlflow.set_tags(run.run_id, {records.SUBMITTED_MS: str(mlflow.now_ms())})


def order_tags(order: Order, settings: Settings, key: str) -> dict[str, str]:
    """What the run of an order has from its first moment."""
    spec = order.spec
    tags = {
        records.SCHEMA: records.SCHEMA_VERSION,
        records.KIND: records.JOB,
        records.CLUSTER: settings.cluster,
        records.NAME: spec.name,
        records.SPEC: spec.model_dump_json(),
        records.PHASE: Phase.QUEUED,
        records.REASON: "submitted",
        records.SUBMISSION_KEY: key,
        records.CODE_SHA256: order.code.sha256,
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": spec.run or spec.entrypoint or "",
        "mlflow.source.type": "PROJECT",
    }
    if spec.data:
        tags[records.DATA_DIGESTS] = json.dumps({k: _digest(v, order.folder) for k, v in spec.data.items()})
    if git := git_state(order.folder):
        tags |= {records.GIT_COMMIT: git.commit, records.GIT_DIRTY: str(git.dirty).lower()}
    return tags


# -- checks --------------------------------------------------------------------------------------------


def _run_line(spec: TrainSpec, folder: Path, files: Sequence[str], file: Path) -> str:
    """The line as it is stored: its script by its path in the code."""
    line = read_run(spec.run or "")
    if line.is_module:
        _check_module(line.program, bool(spec.requirements), folder, files, file)
        return str(line)
    script = os.path.normpath(folder / line.program)
    inside = os.path.relpath(script, folder)
    if inside in files:
        if inside.endswith(".sh"):
            raise SpecError(
                f"{file}: run: {inside} is a script of a shell, and `run` starts Python",
                "Write the Python script that it starts, with its arguments.",
            )
        return str(replace(line, program=inside))
    if inside != "." and any(f"{inside}/__main__.py" == each for each in files):
        return str(replace(line, program=inside))
    if inside.startswith(".."):
        why = f"is outside of the spec's folder {folder}, which is what travels"
    elif Path(script).is_dir():
        why = f"is a folder without a file __main__.py (folder {folder})"
    elif Path(script).is_file():
        why = f"is left out by .gitignore (folder {folder})"
    else:
        why = f"is not there (folder {folder})"
    raise SpecError(
        f"{file}: run: {line.program} {why}",
        "`run` is a script of the spec's folder with its arguments, such as `train.py --lr 0.001`, or a "
        "module, such as `-m package.train --lr 0.001`.",
    )


def _check_module(
    module: str, may_be_installed: bool, folder: Path, files: Sequence[str], file: Path
) -> None:
    stem = module.replace(".", "/")
    sources = (f"{stem}.py", f"{stem}/__main__.py")
    if any(source in files for source in sources):
        return
    if left_out := next((source for source in sources if (folder / source).is_file()), None):
        raise SpecError(
            f"{file}: run: {folder / left_out} is left out by .gitignore",
            "What git ignores does not travel to the cluster.",
        )
    top = module.partition(".")[0]
    here = (folder / f"{top}.py").exists() or (folder / top).is_dir()
    if here or not (may_be_installed or importlib.util.find_spec(top)):
        raise SpecError(
            f"{file}: run: there is no module {module} (looked for {folder / stem}.py)",
            "The folder of the spec file is what travels to the cluster, and where modules are looked for.",
        )


def _check_entrypoint(spec: TrainSpec, folder: Path, files: Sequence[str], file: Path) -> None:
    module, _, function = (spec.entrypoint or "").partition(":")
    stem = module.replace(".", "/")
    source = next((folder / c for c in (f"{stem}.py", f"{stem}/__init__.py") if c in files), None)
    if source is None:
        if importlib.util.find_spec(module.partition(".")[0]) is None or (folder / f"{stem}.py").is_file():
            if (folder / f"{stem}.py").is_file():
                raise SpecError(
                    f"{file}: entrypoint: {folder / stem}.py is left out by .gitignore",
                    "What git ignores does not travel to the cluster.",
                )
            raise SpecError(
                f"{file}: entrypoint: there is no module {module} (looked for {folder / stem}.py)",
                "The folder of the spec file is what travels to the cluster.",
            )
        return
    try:
        # Bytes: how they are encoded is for the file itself to say.
        tree = ast.parse(source.read_bytes())
    except SyntaxError as error:
        raise SpecError(
            f"{source}:{error.lineno or 1}: {error.msg}", "Python cannot read it; mend it there."
        ) from None
    names = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if function in names:
        wrong = _wrong_arguments(names[function])
        if wrong:
            raise SpecError(
                f"{source}:{names[function].lineno}: {function} {wrong}; "
                "a training function takes one argument, the config",
                f"Write `def {function}(config):`.",
            )
    elif not _binds(tree, function):
        known = ", ".join(names) or "none"
        raise SpecError(f"{source} defines no function {function}", f"Functions there: {known}.")


def _wrong_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Why a function cannot be called with the config alone; empty where it can."""
    if isinstance(function, ast.AsyncFunctionDef):
        return "is async, and nothing would await it"
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    least = positional - len(arguments.defaults)
    if not (least <= 1 <= positional or (least <= 1 and arguments.vararg)):
        return f"takes {positional} arguments"
    required = [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    return f"needs {', '.join(required)} by name" if required else ""


def _binds(tree: ast.Module, name: str) -> bool:
    """Whether a module binds a name other than by `def`: an import or an assignment."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any((alias.asname or alias.name) in (name, "*") for alias in node.names):
                return True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
    return False


def _check_secrets(spec: TrainSpec, home: Path) -> None:
    stored = read_secrets(home)
    for name in spec.secrets:
        if name not in stored:
            raise NotFoundError(f"secret {name} is not set", f"Set it: `journeyman secret set {name}`.")


def _storage(spec: TrainSpec, folder: Path, otherwise: str | None) -> str | None:
    """Where checkpoints go: an address as it is, a path as an absolute one."""
    if spec.storage is None or "://" in spec.storage:
        return spec.storage or otherwise
    return str(folder / Path(spec.storage).expanduser())


def _data(spec: TrainSpec, folder: Path, files: Sequence[str], file: Path) -> dict[str, str]:
    """Each path under `data` as the workers find it: an address, a place in the code, or an absolute path."""
    resolved = {}
    for name, location in spec.data.items():
        if "://" in location:
            resolved[name] = location
            continue
        path = (folder / Path(location).expanduser()).resolve()
        if not path.exists():
            raise SpecError(
                f"{file}: data.{name}: there is nothing at {path}",
                "Paths begin at the folder of the spec file; elsewhere is an address, such as s3://bucket/x.",
            )
        try:
            inside = path.relative_to(folder.resolve()).as_posix()
        except ValueError:
            resolved[name] = str(path)
            continue
        if not any(f == inside or f.startswith(f"{inside}/") for f in files):
            raise SpecError(
                f"{file}: data.{name}: {location} is left out of the code by .gitignore",
                f"Name it by its absolute path ({path}), which the workers must see, or by an address.",
            )
        resolved[name] = inside
    return resolved


def _inputs(order: Order) -> list[dict[str, Any]]:
    inputs = []
    for name, location in order.spec.data.items():
        dataset = {
            "name": name,
            "digest": _digest(location, order.folder),
            "source_type": "uri" if "://" in location else "local",
            "source": json.dumps({"uri": location}),
        }
        inputs.append({"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": name}]})
    return inputs


def _digest(location: str, folder: Path) -> str:
    """What the data were: their content up to 256 MiB, else names, sizes and times; or an address."""
    digest = hashlib.sha256()
    path = folder / location
    if "://" in location or not path.exists():
        digest.update(location.encode())
        return digest.hexdigest()[:16]
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    whole = sum(p.stat().st_size for p in files) <= _HASHED_BYTES
    for each in files:
        status = each.stat()
        digest.update(f"{each.name}\0{status.st_size}\0{'' if whole else status.st_mtime_ns}\0".encode())
        if whole:
            digest.update(each.read_bytes())
    return digest.hexdigest()[:16]
