"""MLflow over its REST API, for processes that must start fast or stay small: the CLI, the SDK, control.

`import mlflow` costs over a second; httpx a tenth. Only what those processes need is here.
"""

from __future__ import annotations

import contextlib
import math
import posixpath
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson

from journeyman.errors import DeniedError, NotFoundError, RefusedError, UnreachableError
from journeyman.home import home_folder, trusts_proxies, why_not_asked
from journeyman.tracking.access import HOW_TO_SET, Access, certificates
from journeyman.tracking.job_store.environment import RUN_ID
from journeyman.tracking.records import Run, parse_run, storable

_CLOCKS_AGREE_S = 5.0
"""Less is a slow answer or the whole seconds of HTTP's date. Kept, a difference leaves the order of what one
process does as it is."""
_PROXIED = "mlflow-artifacts:"
_PAGE = 1000
_MODELS_A_REQUEST = 100
"""Their names stand in the address, which servers and balancers allow some kilobytes."""
_RETRY_S = 1.0
_AWAY = (502, 503, 504)
"""MLflow without its database, or a balancer without MLflow."""
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_JOB_PATIENCE_S = 600.0
"""How long a job's processes wait for a server that is away, rather than lose what they have done."""
_EXPERIMENTS_AGE_S = 2.0
"""For how long a list of experiments is good: loops ask several times a second, and it costs as much as a
search for runs."""


def page_url(mlflow_url: str, path: str) -> str:
    """The address of one of MLflow's pages, such as `models/digits`.

    Without its query MLflow opens in the view for prompts and traces, which hides what a training run has.
    """
    return f"{mlflow_url}/#/{path}?workflowType=machine_learning"


def job_client(environ: Mapping[str, str]) -> Mlflow:
    """The client of a job's process, whose environment says where MLflow is, and which run the job's is."""
    url, run_id = environ["MLFLOW_TRACKING_URI"], environ[RUN_ID]
    return Mlflow(url, environ, patience_s=_JOB_PATIENCE_S, own_run_id=run_id)


class Mlflow:
    """A client of one MLflow server. Threads may share it.

    `environ` is where MLflow's own variables say who asks, and whose certificate is believed.

    Raises UnreachableError where the server does not answer within `patience_s` of the first try,
    NotFoundError and RefusedError where it says no, DeniedError where it says no to who asks. Patience is for
    those who make no runs and experiments: every other request says what is to be, and may be sent twice.
    A server that does not know `own_run_id` is waited for too: it stands on another database, as while a
    backup is restored.
    """

    def __init__(
        self,
        url: str,
        environ: Mapping[str, str],
        patience_s: float = 0.0,
        own_run_id: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._home = home_folder(environ)
        self._access = Access(environ, self.url)
        self._http = httpx.Client(
            base_url=self.url,
            auth=self._access,
            timeout=httpx.Timeout(30, connect=5),
            # MLflow closes what is idle for 5 s, as long as httpx would keep it: a request then is lost.
            limits=httpx.Limits(keepalive_expiry=2),
            trust_env=trusts_proxies(self.url),
            # Reading the certificates takes 40 ms, for which plain http has no use.
            verify=certificates(environ) if self.url.startswith("https://") else False,
        )
        self._patience_s = patience_s
        self._own_run_id = own_run_id
        self._ahead_s = 0.0
        self._experiments: dict[str, str] = {}
        self._experiments_read_s = -math.inf

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        """The server's."""
        return self._send("GET", "/version").text.strip()

    def now_ms(self) -> int:
        """The time by the server's clock, as of the last answer.

        What is ordered from many machines is compared: whose clock is an hour off would jump the queue.
        """
        return int((time.time() - self._ahead_s) * 1000)

    # -- experiments and runs ------------------------------------------------------------------------

    def experiments(self) -> dict[str, str]:
        """Id to name of every experiment that is not deleted; one that was made just now may be missing."""
        now_s = time.monotonic()
        if now_s - self._experiments_read_s > _EXPERIMENTS_AGE_S:
            found: dict[str, str] = {}
            for body in self._pages("experiments/search", {"max_results": _PAGE}):
                found |= {e["experiment_id"]: e["name"] for e in body.get("experiments", [])}
            self._experiments, self._experiments_read_s = found, now_s
        return self._experiments

    def experiment_id(self, name: str) -> str:
        """The experiment of that name, made if there is none.

        MLflow starts with an experiment `Default`: a name that differs from an existing one in case alone
        means that one.
        """
        for experiment_id, existing in self.experiments().items():
            if existing.casefold() == name.casefold():
                self._mark_as_training(experiment_id)
                return experiment_id
        try:
            created = str(self._post("experiments/create", {"name": name})["experiment_id"])
            self._experiments_read_s = -math.inf
            self._mark_as_training(created)
            return created
        except RefusedError as error:
            # Someone else made it between the two calls.
            self._experiments_read_s = -math.inf
            for experiment_id, existing in self.experiments().items():
                if existing == name:
                    return experiment_id
            if self._is_deleted(name):
                raise RefusedError(
                    f"project {name!r} was deleted in MLflow",
                    "Restore it there, with `mlflow experiments restore`, or name another `project`.",
                ) from None
            raise error

    def _is_deleted(self, experiment: str) -> bool:
        """Whether an experiment of that name was deleted: no listing has it, and no other is called so."""
        with contextlib.suppress(RefusedError, NotFoundError):
            found = self._get("experiments/get-by-name", {"experiment_name": experiment})["experiment"]
            return bool(found.get("lifecycle_stage") == "deleted")
        return False

    def _mark_as_training(self, experiment_id: str) -> None:
        """MLflow's page shows an experiment of no kind as one of prompts and traces."""
        tag = {"key": "mlflow.experimentKind", "value": "custom_model_development"}
        # Of two that mark it at once MLflow refuses one: marked it is.
        with contextlib.suppress(RefusedError):
            self._post("experiments/set-experiment-tag", {"experiment_id": experiment_id} | tag)

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
        body = {
            "experiment_id": experiment_id,
            "run_name": name,
            "start_time": self.now_ms(),
            "tags": _pairs(tags),
        }
        return parse_run(self._post("runs/create", body)["run"])

    def update_run(self, run_id: str, status: str, end_ms: int | None = None) -> None:
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if end_ms is not None:
            body["end_time"] = end_ms
        self._post("runs/update", body)

    def run(self, run_id: str) -> Run:
        return parse_run(self._get("runs/get", {"run_id": run_id})["run"])

    def delete_run(self, run_id: str) -> None:
        self._post("runs/delete", {"run_id": run_id})

    def search_runs(
        self, experiment_ids: Iterable[str], filter_string: str, limit: int | None = None
    ) -> list[Run]:
        """Runs that match, newest first."""
        body = {
            "experiment_ids": list(experiment_ids),
            "filter": filter_string,
            "max_results": min(limit or _PAGE, _PAGE),
            "order_by": ["attributes.start_time DESC"],
        }
        found: list[Run] = []
        for answer in self._pages("runs/search", body):
            found += [parse_run(run) for run in answer.get("runs", [])]
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.log_batch(run_id, tags=tags)

    def delete_tag(self, run_id: str, key: str) -> None:
        self._post("runs/delete-tag", {"run_id": run_id, "key": key})

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Iterable[Mapping[str, Any]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """At most 1,000 metrics, 100 params and 100 tags: MLflow's own limits."""
        body = {
            "run_id": run_id,
            "metrics": list(metrics),
            "params": _pairs(params or {}),
            "tags": _pairs(tags or {}),
        }
        self._post("runs/log-batch", body)

    def claim(self, run_id: str, key: str, claimant: str) -> bool:
        """Write a param once: True for the one claimant whose value was stored."""
        try:
            self._post("runs/log-parameter", {"run_id": run_id, "key": key, "value": claimant})
        except RefusedError:
            # Refused because another was first, or for a reason that says nothing of who was.
            stored = self.run(run_id).params.get(key)
            if stored is None:
                raise
            return stored == claimant
        return True

    def log_inputs(self, run_id: str, datasets: Iterable[Mapping[str, Any]]) -> None:
        self._post("runs/log-inputs", {"run_id": run_id, "datasets": list(datasets)})

    def metric_history(self, run_id: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"run_id": run_id, "metric_key": key, "max_results": 25000}
        while True:
            body = self._get("metrics/get-history", query)
            found += body.get("metrics", [])
            if not body.get("next_page_token"):
                return found
            query["page_token"] = body["next_page_token"]

    # -- artifacts -----------------------------------------------------------------------------------

    def upload(self, run: Run, path: str, content: bytes) -> None:
        self._send("PUT", self._artifact_path(run, path), content=content)

    def download(self, run: Run, path: str) -> bytes:
        try:
            return self._send("GET", self._artifact_path(run, path)).content
        except DeniedError:
            raise
        except RefusedError as error:
            # Of what is not on S3, MLflow says that it failed to read it.
            if path in self.artifacts(run.run_id, posixpath.dirname(path)):
                raise
            raise NotFoundError(f"run {run.run_id} has no artifact {path}") from error

    def delete_artifact(self, run: Run, path: str) -> None:
        self._send("DELETE", self._artifact_path(run, path))

    def artifacts(self, run_id: str, path: str = "") -> dict[str, int | None]:
        """Paths directly below `path`, with the size in bytes of a file and None for a folder."""
        found: dict[str, int | None] = {}
        query: dict[str, Any] = {"run_id": run_id} | ({"path": path} if path else {})
        while True:
            body = self._get("artifacts/list", query)
            for entry in body.get("files", []):
                found[entry["path"]] = None if entry.get("is_dir") else int(entry.get("file_size", 0))
            if not body.get("next_page_token"):
                return found
            query["page_token"] = body["next_page_token"]

    def _artifact_path(self, run: Run, path: str) -> str:
        if not run.artifact_uri.startswith(_PROXIED):
            raise RefusedError(
                f"run {run.run_id} keeps its artifacts at {run.artifact_uri}, not behind the MLflow server",
                "Start the server with --serve-artifacts and use an experiment made since.",
            )
        root = urlsplit(run.artifact_uri).path.strip("/")
        return f"/api/2.0/mlflow-artifacts/artifacts/{quote(posixpath.join(root, path))}"

    # -- models --------------------------------------------------------------------------------------

    def registered_model(self, name: str) -> dict[str, Any]:
        """MLflow's own description of a registered model, aliases included."""
        body = self._get("registered-models/get", {"name": name})
        model: dict[str, Any] = body["registered_model"]
        return model

    def aliases(self, name: str) -> dict[str, str]:
        """Alias to version number."""
        return {a["alias"]: str(a["version"]) for a in self.registered_model(name).get("aliases", [])}

    def aliases_of(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Alias to version number of each of these models that there is, a hundred models a request."""
        # A filter has no way to write both kinds of quotes, and the server checks no name for them.
        plain = [name for name in dict.fromkeys(names) if "'" not in name]
        found = {name: self.aliases(name) for name in names if "'" in name}
        for start in range(0, len(plain), _MODELS_A_REQUEST):
            asked = ", ".join(f"'{name}'" for name in plain[start : start + _MODELS_A_REQUEST])
            query = {"filter": f"name IN ({asked})", "max_results": _MODELS_A_REQUEST}
            body = self._get("registered-models/search", query)
            for model in body.get("registered_models", []):
                aliases = model.get("aliases", [])
                found[model["name"]] = {each["alias"]: str(each["version"]) for each in aliases}
        return found

    def model_version(self, name: str, version: str) -> dict[str, Any]:
        body = self._get("model-versions/get", {"name": name, "version": version})
        found: dict[str, Any] = body["model_version"]
        return found

    def download_uri(self, name: str, version: str) -> str:
        """Where the version's files are."""
        body = self._get("model-versions/get-download-uri", {"name": name, "version": version})
        return str(body["artifact_uri"])

    def is_source(self, text: str) -> bool:
        """Whether a registered version was made from a place with this text in it, `%` being any text."""
        query = {"filter": f"source_path LIKE '%{text}%'", "max_results": 1}
        return bool(self._get("model-versions/search", query).get("model_versions"))

    def version_file(self, name: str, version: str, path: str) -> bytes:
        """A small file of a version. Raises NotFoundError where it has none of that path."""
        query = {"name": name, "version": version, "path": path}
        try:
            # As MLflow's own page asks for it: wherever its server has it from, people need no keys of S3.
            return self._send("GET", "/model-versions/get-artifact", params=query).content
        except DeniedError:
            raise
        except RefusedError as error:
            # Of what is not there, MLflow says that it failed to read it.
            raise NotFoundError(f"version {version} of model {name} has no file {path}") from error

    def set_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        self._post("model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value})

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self._post("registered-models/alias", {"name": name, "alias": alias, "version": version})

    # -- transport -----------------------------------------------------------------------------------

    def _pages(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._post(path, body)
            yield answer
            token = answer.get("next_page_token")
            if not token:
                return
            body = body | {"page_token": token}

    def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._send("GET", f"/api/2.0/mlflow/{path}", params=query)
        body: dict[str, Any] = orjson.loads(answer.content)
        return body

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._send("POST", f"/api/2.0/mlflow/{path}", json=body)
        parsed: dict[str, Any] = orjson.loads(answer.content) if answer.content else {}
        return parsed

    def _send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        answer = self._answer(method, path, **kwargs)
        if answer.is_success:
            return answer
        message = _message(answer)
        if answer.status_code == 404:
            raise NotFoundError(message)
        asker = self._access.credentials.asker
        if answer.status_code == 401:
            raise DeniedError(f"MLflow at {self.url} refuses {asker} (401)", HOW_TO_SET)
        if answer.status_code == 403:
            raise DeniedError(
                f"MLflow at {self.url} does not allow {asker} to {method} {path} (403): {message}",
                f"Have the permission granted in MLflow, or ask as somebody else. {HOW_TO_SET}",
            )
        raise RefusedError(f"MLflow at {self.url} refused {method} {path} ({answer.status_code}): {message}")

    def _answer(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                if why := why_not_asked(self.url, self._home):
                    raise httpx.ConnectError(why)
                answer = self._http.request(method, path, **kwargs)
                told = _message(answer).partition("\n")[0] if answer.is_error else ""
                own = told.startswith(f"Run with id={self._own_run_id} ")
                if answer.status_code in _AWAY:
                    trouble = f"does not answer: {answer.status_code}, {told}"
                elif answer.status_code == 404 and own:
                    trouble = f"does not know the job's run: {told}"
                else:
                    self._compare_clocks(answer)
                    return answer
            except httpx.HTTPError as error:
                trouble = f"does not answer: {why or type(error).__name__}"
                if _UNTRUSTED in str(error):
                    raise DeniedError(
                        f"MLflow at {self.url} shows a certificate that this machine does not trust",
                        "Name the authority's in MLFLOW_TRACKING_SERVER_CERT_PATH.",
                    ) from None
            if time.monotonic() >= deadline_s:
                raise UnreachableError(
                    f"MLflow at {self.url} {trouble}",
                    "`journeyman status` tells which part is down; `journeyman up` starts the stack.",
                )
            time.sleep(_RETRY_S)

    def _compare_clocks(self, answer: httpx.Response) -> None:
        try:
            ahead_s = time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return
        if abs(ahead_s) < _CLOCKS_AGREE_S:
            self._ahead_s = 0.0
        elif abs(ahead_s - self._ahead_s) > _CLOCKS_AGREE_S:
            self._ahead_s = ahead_s


def _pairs(mapping: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": storable(value)} for key, value in mapping.items()]


def _message(answer: httpx.Response) -> str:
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return answer.text[:300]
    return str(body.get("message", body))[:600] if isinstance(body, dict) else str(body)[:300]
