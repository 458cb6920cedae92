"""An MLflow server in memory: what it stores, cuts and refuses, as MLflow 3.17 does on a database."""

from __future__ import annotations

import functools
import hashlib
import posixpath
import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeVar

from journeyman.errors import DeniedError, NotFoundError, RefusedError
from journeyman.testing.wire import Wire, direct
from journeyman.tracking.records import MAX_TAG_CHARACTERS, Run, storable

URL = "http://mlflow.test"
PAGE = 1000
MAX_PARAM_CHARACTERS = 6000
MAX_KEY_CHARACTERS = 250
MAX_VERSION_TAG_CHARACTERS = 100_000
MAX_EXPERIMENT_CHARACTERS = 500
MAX_ENTRIES, MAX_PARAMS, MAX_TAGS = 1000, 100, 100
"""Of one batch. Its bytes are not limited: MLflow means to, and counts the keys of the body instead."""
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")

_RUN_NAME = "mlflow.runName"
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_KEY = re.compile(r"[/\w.\- :]*")
_WORDS = "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)"

_CLAUSE = re.compile(
    r"""\s*(?:(tags?|params?|parameters?|attributes?|attr|run)\s*\.\s*)?
    (`[^`]+`|"[^"]+"|[\w.\-/]+)\s*
    (?:(=|!=|LIKE\b|ILIKE\b)\s*('[^']*'|"[^"]*")|(IN)\s*(\([^()]*\))|(IS\s+(?:NOT\s+)?NULL)\b)\s*(?:AND\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEYOND = re.compile(r"[<>]|\bNOT\s+IN\s*\(|^\s*(?:metrics?|datasets?)\.", re.IGNORECASE)
_LISTED = re.compile(r"'([^']*)'")
_ATTRIBUTES = ("status", "run_id", "run_name", "artifact_uri")

Point = tuple[int, int, float]
"""Milliseconds, step and value: in this order a history is told."""
Result = TypeVar("Result")


@dataclass(slots=True)
class _Experiment:
    name: str
    deleted: bool = False


@dataclass(slots=True)
class _Stored:
    """A run; what is told of it is replaced and never changed, so that it is handed out as it is."""

    run: Run
    deleted: bool = False
    points: dict[str, dict[Point, None]] = field(default_factory=dict)
    """Of each metric, each once."""
    newest: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    """Of each metric: step, milliseconds and value."""
    inputs: list[Mapping[str, Any]] = field(default_factory=list)
    closed: bool = False
    """Whether nobody may write to it."""


@dataclass(slots=True)
class _Model:
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each version."""
    aliases: dict[str, str] = field(default_factory=dict)
    numbers: int = 0
    """That were given: one whose version is deleted is not given again."""


@dataclass(slots=True)
class _Server:
    """What every client of it sees."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    experiments: dict[str, _Experiment] = field(default_factory=lambda: {"0": _Experiment("Default")})
    runs: dict[str, _Stored] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By the address of a run's artifacts, by path."""
    models: dict[str, _Model] = field(default_factory=dict)


class FakeMlflow:
    """One MLflow server and a client of it, which has what `MlflowApi` has. Threads may share it.

    `clock` tells the server's time in seconds since 1970; `wire` carries the requests. `another` makes
    further clients of the same server. Methods from `register` on are what jobs and people do to it.

    Run ids look like MLflow's, are the same in each test and tell nothing of the order runs were made in.
    Filters compare tags, params and attributes with texts, or ask which are there; one that MLflow takes and
    this does not raises NotImplementedError. A folder whose last file is deleted is gone, as on S3.
    """

    def __init__(self, clock: Callable[[], float], wire: Wire = direct) -> None:
        self._clock = clock
        self._wire = wire
        self._server = _Server()

    def another(self, clock: Callable[[], float] | None = None, wire: Wire = direct) -> FakeMlflow:
        """Another client of this server."""
        client = FakeMlflow(clock or self._clock, wire)
        client._server = self._server
        return client

    @property
    def url(self) -> str:
        return URL

    def close(self) -> None:
        pass

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _ask(self, path: str, answer: Callable[[], Result]) -> Result:
        def locked() -> Result:
            with self._server.lock:
                return answer()

        return self._wire(path, locked)

    # -- experiments and runs ------------------------------------------------------------------------

    def experiments(self) -> dict[str, str]:
        return self._ask("experiments/search", self._experiments)

    def _experiments(self) -> dict[str, str]:
        return {key: each.name for key, each in self._server.experiments.items() if not each.deleted}

    def experiment_id(self, name: str) -> str:
        for experiment_id, existing in self.experiments().items():
            if existing.casefold() == name.casefold():
                return experiment_id
        return self._ask("experiments/create", lambda: self._create_experiment(name))

    def _create_experiment(self, name: str) -> str:
        path = "POST experiments/create"
        if not name:
            _refuse(path, "Missing value for required parameter 'name'.")
        if len(name) > MAX_EXPERIMENT_CHARACTERS:
            _refuse(path, f"'name' exceeds the maximum length of {MAX_EXPERIMENT_CHARACTERS} characters")
        experiments = self._server.experiments
        # A deleted one keeps its name.
        if any(each.name == name for each in experiments.values()):
            raise RefusedError(f"project {name!r} was deleted in MLflow")
        experiments[str(len(experiments))] = _Experiment(name)
        return str(len(experiments) - 1)

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
        start_ms = self.now_ms()
        return self._ask("runs/create", lambda: self._create_run(experiment_id, name, tags, start_ms))

    def _create_run(self, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int) -> Run:
        experiment = self._server.experiments.get(experiment_id)
        if experiment is None:
            raise NotFoundError(f"No Experiment with id={experiment_id} exists")
        if experiment.deleted:
            _refuse("POST runs/create", f"The experiment {experiment_id} must be in the 'active' state.")
        run_id = hashlib.md5(b"%d" % len(self._server.runs), usedforsecurity=False).hexdigest()
        run_name = name or tags.get(_RUN_NAME) or f"run-{run_id[:8]}"
        if tags.get(_RUN_NAME, run_name) != run_name:
            _refuse("POST runs/create", "Both 'run_name' argument and 'mlflow.runName' tag are specified")
        run = Run(
            run_id=run_id,
            experiment_id=experiment_id,
            run_name=run_name,
            status="RUNNING",
            artifact_uri=f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts",
            start_ms=start_ms,
            end_ms=None,
            # Neither cut nor checked here, unlike those that are set later.
            tags={key: storable(value) for key, value in tags.items()} | {_RUN_NAME: run_name},
            params={},
            metrics={},
            steps={},
        )
        self._server.runs[run_id] = _Stored(run)
        return run

    def update_run(self, run_id: str, status: str, end_ms: int | None = None) -> None:
        def update() -> None:
            stored = self._active("POST runs/update", run_id)
            run = stored.run
            # MLflow passes over a status that it does not know.
            changed = status if status in STATUSES else run.status
            stored.run = replace(run, status=changed, end_ms=run.end_ms if end_ms is None else end_ms)

        self._ask("runs/update", update)

    def run(self, run_id: str) -> Run:
        def get() -> Run:
            stored = self._stored(run_id)
            return replace(stored.run, deleted=stored.deleted)

        return self._ask("runs/get", get)

    def delete_run(self, run_id: str) -> None:
        def delete() -> None:
            self._stored(run_id).deleted = True

        self._ask("runs/delete", delete)

    def search_runs(
        self, experiment_ids: Iterable[str], filter_string: str, limit: int | None = None
    ) -> list[Run]:
        among = frozenset(experiment_ids)
        size = min(limit or PAGE, PAGE)
        found: list[Run] = []

        def page_of_runs() -> list[Run]:
            return self._matching(among, filter_string)[len(found) : len(found) + size]

        while True:
            page = self._ask("runs/search", page_of_runs)
            found += page
            if limit is not None and len(found) >= limit:
                return found[:limit]
            if len(page) < size:
                return found

    def _matching(self, experiment_ids: frozenset[str], filter_string: str) -> list[Run]:
        matches = _parsed(filter_string)
        found = [
            stored.run
            for stored in self._server.runs.values()
            if not stored.deleted
            and stored.run.experiment_id in experiment_ids
            and all(each(stored.run) for each in matches)
        ]
        return sorted(found, key=lambda run: (-run.start_ms, run.run_id))

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.log_batch(run_id, tags=tags)

    def delete_tag(self, run_id: str, key: str) -> None:
        def delete() -> None:
            stored = self._active("POST runs/delete-tag", run_id)
            if key not in stored.run.tags:
                raise NotFoundError(f"No tag with name: {key} in run with id {run_id}")
            kept = {other: value for other, value in stored.run.tags.items() if other != key}
            stored.run = replace(stored.run, tags=kept)

        self._ask("runs/delete-tag", delete)

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Iterable[Mapping[str, Any]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        points = list(metrics)
        self._ask("runs/log-batch", lambda: self._log_batch(run_id, points, params or {}, tags or {}))

    def _log_batch(
        self,
        run_id: str,
        points: list[Mapping[str, Any]],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        path = "POST runs/log-batch"
        for count, most, what in (
            (len(points), MAX_ENTRIES, "metrics"),
            (len(params), MAX_PARAMS, "params"),
            (len(tags), MAX_TAGS, "tags"),
            (len(points) + len(params) + len(tags), MAX_ENTRIES, "metrics, params, and tags"),
        ):
            if count > most:
                _refuse(path, f"A batch logging request can contain at most {most} {what}. Got {count}.")
        for key in (*(str(point["key"]) for point in points), *params, *tags):
            _check_key(path, key)
        for point in points:
            if int(point["timestamp"]) < 0:
                _refuse(path, f"Invalid value {point['timestamp']} for parameter 'timestamp' supplied")
        stored = self._active(path, run_id)
        told = self._with_params(path, stored.run, params)
        if tags:
            cut = {key: storable(value)[:MAX_TAG_CHARACTERS] for key, value in tags.items()}
            told = replace(told, tags={**told.tags, **cut}, run_name=cut.get(_RUN_NAME, told.run_name))
        stored.run = _with_points(stored, told, points) if points else told

    def _with_params(self, path: str, run: Run, params: Mapping[str, str]) -> Run:
        if not params:
            return run
        cut = {key: storable(value)[:MAX_PARAM_CHARACTERS] for key, value in params.items()}
        for key, value in cut.items():
            if run.params.get(key, value) != value:
                before = run.params[key]
                _refuse(
                    path,
                    f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                    f"value='{before}' for run ID='{run.run_id}'. Attempted logging new value '{value}'.",
                )
        return replace(run, params={**run.params, **cut})

    def claim(self, run_id: str, key: str, claimant: str) -> bool:
        def write() -> None:
            path = "POST runs/log-parameter"
            _check_key(path, key)
            stored = self._active(path, run_id)
            stored.run = self._with_params(path, stored.run, {key: claimant})

        try:
            self._ask("runs/log-parameter", write)
        except RefusedError:
            before = self.run(run_id).params.get(key)
            if before is None:
                raise
            return before == claimant
        return True

    def log_inputs(self, run_id: str, datasets: Iterable[Mapping[str, Any]]) -> None:
        logged = list(datasets)
        self._ask(
            "runs/log-inputs", lambda: self._active("POST runs/log-inputs", run_id).inputs.extend(logged)
        )

    def metric_history(self, run_id: str, key: str) -> list[dict[str, Any]]:
        def history() -> list[dict[str, Any]]:
            stored = self._server.runs.get(run_id)
            points = sorted(stored.points.get(key, ())) if stored else []
            return [{"key": key, "value": v, "timestamp": ms, "step": step} for ms, step, v in points]

        return self._ask("metrics/get-history", history)

    def _stored(self, run_id: str) -> _Stored:
        stored = self._server.runs.get(run_id)
        if stored is None:
            raise NotFoundError(f"Run with id={run_id} not found")
        return stored

    def _active(self, path: str, run_id: str) -> _Stored:
        """A run that may be written to."""
        if not _RUN_ID.fullmatch(run_id):
            _refuse(path, f"Invalid value \"{run_id}\" for parameter 'run_id' supplied.")
        stored = self._stored(run_id)
        if stored.closed:
            raise DeniedError(f"MLflow at {URL} does not allow to {path} (403): Permission denied")
        if stored.deleted:
            _refuse(path, f"The run {run_id} must be in the 'active' state. Current state is deleted.")
        return stored

    # -- artifacts -----------------------------------------------------------------------------------

    def upload(self, run: Run, path: str, content: bytes) -> None:
        def upload() -> None:
            self._server.files.setdefault(run.artifact_uri, {})[path] = content

        self._ask("artifacts/upload", upload)

    def download(self, run: Run, path: str) -> bytes:
        def download() -> bytes:
            files = self._server.files.get(run.artifact_uri, {})
            if path in files:
                return files[path]
            if any(file.startswith(f"{path}/") for file in files):
                _refuse("GET artifacts", f"Artifact path refers to a directory, not a file: '{path}'")
            raise NotFoundError(f"run {run.run_id} has no artifact {path}")

        return self._ask("artifacts/download", download)

    def artifacts(self, run_id: str, path: str = "") -> dict[str, int | None]:
        def listed() -> dict[str, int | None]:
            files = self._server.files.get(self._stored(run_id).run.artifact_uri, {})
            below = f"{path.rstrip('/')}/" if path else ""
            found: dict[str, int | None] = {}
            for file, content in files.items():
                if file.startswith(below):
                    child, _, rest = file.removeprefix(below).partition("/")
                    found[below + child] = None if rest else len(content)
            return dict(sorted(found.items()))

        return self._ask("artifacts/list", listed)

    # -- models --------------------------------------------------------------------------------------

    def aliases(self, name: str) -> dict[str, str]:
        return self._ask("registered-models/get", lambda: dict(self._model(name).aliases))

    def aliases_of(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        models = self._server.models
        return self._ask(
            "registered-models/search",
            lambda: {name: dict(models[name].aliases) for name in names if name in models},
        )

    def model_version(self, name: str, version: str) -> dict[str, Any]:
        return self._ask("model-versions/get", lambda: self._version(name, version))

    def download_uri(self, name: str, version: str) -> str:
        return self._ask(
            "model-versions/get-download-uri", lambda: str(self._version(name, version)["source"])
        )

    def version_file(self, name: str, version: str, path: str) -> bytes:
        def download() -> bytes:
            whole = f"{self._version(name, version)['source']}/{path}"
            for root, files in self._server.files.items():
                if whole.startswith(f"{root}/") and (below := whole.removeprefix(f"{root}/")) in files:
                    return files[below]
            raise NotFoundError(f"version {version} of model {name} has no file {path}")

        return self._ask("model-versions/get-artifact", download)

    def set_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        def write() -> None:
            path = "POST model-versions/set-tag"
            _check_key(path, key)
            if len(value) > MAX_VERSION_TAG_CHARACTERS:
                _refuse(path, f"'value' exceeds the maximum length of {MAX_VERSION_TAG_CHARACTERS}")
            self._version(name, version)
            self._server.models[name].tags[version][key] = value

        self._ask("model-versions/set-tag", write)

    def _model(self, name: str) -> _Model:
        model = self._server.models.get(name)
        if model is None:
            raise NotFoundError(f"Registered Model with name={name} not found")
        return model

    def _version(self, name: str, version: str) -> dict[str, Any]:
        if not version.isdigit():
            _refuse("GET model-versions/get", f"Parameter 'version' must be an integer, got '{version}'.")
        model = self._server.models.get(name)
        if model is None or version not in model.versions:
            raise NotFoundError(f"Model Version (name={name}, version={version}) not found")
        tags = [{"key": key, "value": value} for key, value in model.tags[version].items()]
        return model.versions[version] | ({"tags": tags} if tags else {})

    # -- what jobs and people do ---------------------------------------------------------------------

    def adopt(self, run: Run, files: Mapping[str, bytes]) -> None:
        """Have a run as another server told it, with its artifacts by path."""
        with self._server.lock:
            self._server.experiments.setdefault(
                run.experiment_id, _Experiment(f"adopted {run.experiment_id}")
            )
            self._server.runs[run.run_id] = _Stored(run)
            self._server.files.setdefault(run.artifact_uri, {}).update(files)

    def close_run(self, run_id: str) -> None:
        """Nobody may write to the run any more, as MLflow's permissions have it."""
        with self._server.lock:
            self._stored(run_id).closed = True

    def register(
        self, name: str, source: str = "", run_id: str = "", files: Mapping[str, bytes] | None = None
    ) -> str:
        """A new version of a model, which is made if there is none, with its files by path; its number."""
        with self._server.lock:
            model = self._server.models.setdefault(name, _Model())
            model.numbers += 1
            number = str(model.numbers)
            model.versions[number] = {
                "name": name,
                "version": number,
                "creation_timestamp": self.now_ms(),
                "last_updated_timestamp": self.now_ms(),
                "current_stage": "None",
                "description": "",
                "source": source,
                "run_id": run_id,
                "status": "READY",
                "run_link": "",
            }
            model.tags[number] = {}
            if files:
                self._server.files.setdefault(source, {}).update(files)
            return number

    def set_alias(self, name: str, alias: str, version: str) -> None:
        with self._server.lock:
            self._version(name, version)
            self._server.models[name].aliases[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:
        with self._server.lock:
            self._model(name).aliases.pop(alias, None)

    def delete_version(self, name: str, version: str) -> None:
        """And its aliases with it."""
        with self._server.lock:
            self._version(name, version)
            model = self._server.models[name]
            del model.versions[version], model.tags[version]
            model.aliases = {alias: number for alias, number in model.aliases.items() if number != version}

    def delete_model(self, name: str) -> None:
        with self._server.lock:
            self._model(name)
            del self._server.models[name]

    def delete_experiment(self, experiment_id: str) -> None:
        """And its runs with it; the name stays taken."""
        with self._server.lock:
            experiment = self._server.experiments.get(experiment_id)
            if experiment is None or experiment.deleted:
                raise NotFoundError(f"No Experiment with id={experiment_id} exists")
            experiment.deleted = True
            for stored in self._server.runs.values():
                stored.deleted = stored.deleted or stored.run.experiment_id == experiment_id

    def restore_run(self, run_id: str) -> None:
        with self._server.lock:
            self._stored(run_id).deleted = False

    def delete_artifact(self, run: Run, path: str) -> None:
        with self._server.lock:
            self._server.files.get(run.artifact_uri, {}).pop(path, None)


def _refuse(request: str, message: str) -> NoReturn:
    method, _, path = request.partition(" ")
    raise RefusedError(f"MLflow at {URL} refused {method} /api/2.0/mlflow/{path} (400): {message}")


def _check_key(request: str, key: str) -> None:
    """Of a param, a metric or a tag."""
    if not key:
        _refuse(request, "Missing value for required parameter 'key'.")
    if not _KEY.fullmatch(key):
        _refuse(
            request, f"Invalid value \"{key}\" for parameter 'key' supplied: Names may only contain {_WORDS}."
        )
    resolved = posixpath.normpath(key)
    if resolved != key or resolved.startswith(("..", "/")) or resolved == ".":
        _refuse(request, f"Invalid value \"{key}\": This name would resolve to '{resolved}'")
    if len(key) > MAX_KEY_CHARACTERS:
        _refuse(request, f"'key' exceeds the maximum length of {MAX_KEY_CHARACTERS} characters")


def _with_points(stored: _Stored, run: Run, points: list[Mapping[str, Any]]) -> Run:
    """The newest point of a metric is that of its highest step."""
    metrics, steps = dict(run.metrics), dict(run.steps)
    for point in points:
        key, value = str(point["key"]), float(point["value"])
        milliseconds, step = int(point["timestamp"]), int(point.get("step", 0))
        stored.points.setdefault(key, {})[milliseconds, step, value] = None
        newest = (step, milliseconds, value)
        if key not in stored.newest or newest > stored.newest[key]:
            stored.newest[key] = newest
            metrics[key], steps[key] = value, step
    return replace(run, metrics=metrics, steps=steps)


# -- filters -------------------------------------------------------------------------------------------


@functools.lru_cache
def _parsed(filter_string: str) -> tuple[Callable[[Run], bool], ...]:
    """What must hold of a run."""
    conditions = []
    at = 0
    while at < len(filter_string.rstrip()):
        clause = _CLAUSE.match(filter_string, at)
        if clause is None:
            rest = filter_string[at:]
            if _BEYOND.search(rest):
                raise NotImplementedError(f"FakeMlflow does not know filters such as {rest!r}")
            _refuse("POST runs/search", f"Invalid clause(s) in filter string: {rest!r}")
        kind, key, comparator, text, among, listed, null = clause.groups()
        kind, key = (kind or "attribute").lower(), key.strip('`"')
        if null is not None:
            conditions.append(_presence(kind, key, "NOT" in null.upper()))
        elif among is not None:
            conditions.append(_membership(kind, key, frozenset(_LISTED.findall(listed))))
        else:
            conditions.append(_condition(kind, key, comparator.upper(), text[1:-1]))
        at = clause.end()
    return tuple(conditions)


def _condition(kind: str, key: str, comparator: str, text: str) -> Callable[[Run], bool]:
    matches = _comparison(comparator, text)
    if kind.startswith("tag"):
        return lambda run: key in run.tags and matches(run.tags[key])
    if kind.startswith("param"):
        return lambda run: key in run.params and matches(run.params[key])
    if key not in _ATTRIBUTES:
        _refuse("POST runs/search", f"Invalid attribute key '{key}' specified.")
    return lambda run: matches(getattr(run, key))


def _presence(kind: str, key: str, there: bool) -> Callable[[Run], bool]:
    """Whether a run has such a tag or param; attributes cannot be asked for so."""
    if kind.startswith("tag"):
        return lambda run: (key in run.tags) is there
    if kind.startswith("param"):
        return lambda run: (key in run.params) is there
    _refuse("POST runs/search", f"Invalid clause(s) in filter string: {key!r}")


def _membership(kind: str, key: str, values: frozenset[str]) -> Callable[[Run], bool]:
    """Of attributes alone."""
    if kind.startswith(("tag", "param")) or key not in _ATTRIBUTES:
        _refuse("POST runs/search", f"Invalid clause(s) in filter string: {key!r}")
    return lambda run: getattr(run, key) in values


def _comparison(comparator: str, text: str) -> Callable[[str], bool]:
    """What has no value matches nothing, not even `!=`."""
    if comparator == "=":
        return lambda value: value == text
    if comparator == "!=":
        return lambda value: value != text
    expression = "".join({"%": ".*", "_": "."}.get(each) or re.escape(each) for each in text)
    pattern = re.compile(expression, re.DOTALL | (re.IGNORECASE if comparator == "ILIKE" else 0))
    return lambda value: pattern.fullmatch(value) is not None
