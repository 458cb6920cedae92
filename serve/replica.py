"""One replica of a service: holds a version in memory, answers requests with it, and swaps it for another.

Requests run on the replica's event loop, which must never wait. Versions are downloaded, loaded and tried by
one background thread, which alone tells MLflow what the replica has.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psutil
import torch
from mlflow.models import Model
from mlflow.types import Schema
from pydantic import BaseModel, ConfigDict
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from journeyman.cluster.processes import give_way
from journeyman.cluster.settings import home_folder
from journeyman.errors import JourneymanError, NotFoundError, UnreachableError, described
from journeyman.serve.application import DEPLOYMENT
from journeyman.serve.model import (
    ModelError,
    ServedModel,
    check_memory,
    download_version,
    load_model,
    version_signature,
    why_new_replicas,
)
from journeyman.serve.protocols import invocations, open_inference, openapi
from journeyman.serve.protocols.errors import INTERNAL_ERROR, RequestError
from journeyman.serve.protocols.open_inference import JSON_SIZE_HEADER, Route
from journeyman.serve.signature import Signature
from journeyman.serve.spec import Limits
from journeyman.serve.swap import FAILED, NEW_REPLICAS, READY, Report, write_report
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import REPLICA
from journeyman.version import VERSION

ON_LOOP_LIMIT_S = 0.002
"""An answer that takes longer is computed in a thread: a hand-over costs about a tenth of that."""
SWITCH_S = 0.0005
"""How long a thread that loads a version may keep the interpreter from the one that answers: Python's own
5 ms come back at every operation of a model."""
REPORT_RETRY_S = 1.0
OVERTAKEN_POLL_S = 0.2

_JSON = "application/json"
_OCTETS = "application/octet-stream"
Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class Arguments(BaseModel):
    """What makes two replicas differ for good; a change gives the service new replicas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    run_id: str
    """The service's own record in MLflow."""
    model: str
    mlflow_url: str
    allow_pickle: bool
    generation: int


def build(args: dict[str, Any]) -> serve.Application:
    """What Serve calls to learn what the application consists of."""
    arguments = Arguments.model_validate(args)
    # Decorated, the class would be pickled by value, with all that this module holds.
    return serve.deployment(Replica, name=DEPLOYMENT).bind(arguments)


@dataclass(frozen=True, slots=True)
class Target:
    """The versions a replica is to have."""

    serving: str
    candidate: str | None
    trial: int
    follows: str | None
    """The version that `serving` is to take the place of, while it is tried by replicas of its own."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version, ready to answer."""

    version: str
    model: ServedModel
    on_loop_bytes: float
    """A body up to this size is answered on the event loop."""
    headers: Mapping[str, str]
    description: bytes


class Replica:
    """The deployment that Serve makes replicas of."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._mlflow = Mlflow(arguments.mlflow_url, os.environ)
        self._replica_id = serve.get_replica_context().replica_id.unique_id
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        sys.setswitchinterval(SWITCH_S)
        # A single one: two forward passes at a time would fight for the same cores.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._limits = Limits()
        self._waiting = 0
        """Requests whose answer is computed, or waits for that."""
        self._target: Target | None = None
        self._loaded: Loaded | None = None
        self._candidate: Loaded | None = None
        self._candidate_state: str | None = None
        self._reason = ""
        self._stays = False
        """Whether the first version cannot make room for another."""
        self._changed = threading.Event()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take note of the versions to have. Loads only at the start, where failing is the right answer.

        Later it returns at once and raises nothing: meanwhile Serve sends the replica no requests, and an
        error would end it.
        """
        target = Target(
            user_config["serving"],
            user_config.get("candidate"),
            user_config.get("trial", 0),
            user_config.get("follows"),
        )
        self._target = target
        self._limits = Limits.model_validate(user_config.get("limits", {}))
        if self._loaded is None:
            # In a thread that gives way to the replicas that answer meanwhile on this machine.
            with ThreadPoolExecutor(1, "first-version", give_way) as first:
                loop = asyncio.get_running_loop()
                self._loaded = await loop.run_in_executor(first, self._load_first_or_tell, target)
            threading.Thread(target=self._keep_up, name="versions", daemon=True).start()
        elif self._candidate is not None and self._candidate.version == target.serving:
            self._loaded = self._candidate
        self._changed.set()

    # -- requests ------------------------------------------------------------------------------------

    async def __call__(self, request: Request) -> Response:
        loaded = self._loaded
        assert loaded is not None, "Serve routes nothing to a replica before reconfigure() returned"
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).rstrip("/")
        open_path = path.removeprefix("/v2") if path == "/v2" or path.startswith("/v2/") else None
        try:
            if open_path is not None:
                return await self._answer_open_inference(request, open_path, loaded)
            return await self._answer(request, path, loaded)
        except RequestError as error:
            refusal = error
        except Exception:  # noqa: BLE001
            # The model's own code runs here: anything can come out of it, and none of it is the caller's.
            _log.exception("version %s of %s failed on a request", loaded.version, self._arguments.model)
            refusal = RequestError(
                "The model failed on this request; its log says how.", status=500, error_code=INTERNAL_ERROR
            )
        protocol = invocations if open_path is None else open_inference
        headers = {**loaded.headers, **refusal.headers}
        return Response(protocol.render_error(refusal), refusal.status, headers, _JSON)

    async def _answer(self, request: Request, path: str, loaded: Loaded) -> Response:
        post = path == "/invocations"
        if not post and path not in ("", "/ping", "/health", "/openapi.json", "/docs"):
            raise RequestError(
                "There is nothing here: POST to /invocations.", status=404, error_code="ENDPOINT_NOT_FOUND"
            )
        _check_method(request, post)
        if post:
            body, content_type = await _body(request, self._limits.body), request.headers.get("content-type")
            answer = await self._computed(
                loaded, len(body), partial(_invoke, loaded.model, body, content_type)
            )
            return Response(answer, 200, loaded.headers, _JSON)
        if path in ("/openapi.json", "/docs"):
            return await self._described(path == "/docs", loaded)
        if path:
            return Response(b"\n", 200, loaded.headers, "text/plain")
        return Response(loaded.description, 200, loaded.headers, _JSON)

    async def _described(self, for_people: bool, loaded: Loaded) -> Response:
        arguments, model = self._arguments, loaded.model
        document = openapi.openapi(
            openapi.Described(
                service=arguments.service,
                model=arguments.model,
                version=loaded.version,
                signature=model.signature,
                example=model.example,
            )
        )
        if not for_people:
            return Response(orjson.dumps(document), 200, loaded.headers, _JSON)
        # A megabyte is read and put together: not where requests are answered.
        page = await asyncio.get_running_loop().run_in_executor(self._executor, openapi.page, document)
        return Response(page, 200, loaded.headers, "text/html")

    async def _answer_open_inference(self, request: Request, path: str, loaded: Loaded) -> Response:
        route = open_inference.read_path(path)
        _check_method(request, route.verb == "infer")
        name = route.model
        if name is None:
            server = open_inference.server_metadata(VERSION)
            return Response(open_inference.readiness(route) if route.verb else server, 200, None, _JSON)
        self._check_model(route, loaded)
        if route.verb == "infer":
            body = await _body(request, self._limits.body)
            infer = partial(_infer, loaded, name, body, request.headers.get(JSON_SIZE_HEADER))
            answer, size = await self._computed(loaded, len(body), infer)
            if size is None:
                return Response(answer, 200, loaded.headers, _JSON)
            return Response(answer, 200, {**loaded.headers, JSON_SIZE_HEADER: str(size)}, _OCTETS)
        if route.verb:
            return Response(open_inference.readiness(route), 200, loaded.headers, _JSON)
        model = loaded.model
        metadata = open_inference.model_metadata(name, loaded.version, model.platform, model.signature)
        return Response(metadata, 200, loaded.headers, _JSON)

    def _check_model(self, route: Route, loaded: Loaded) -> None:
        """Raises RequestError, 404, where another model or version is asked than the one that serves."""
        arguments = self._arguments
        if route.model not in (arguments.service, arguments.model):
            message = f"This service is '{arguments.service}', with model '{arguments.model}'."
        elif route.version not in (None, loaded.version):
            message = f"This service answers with version {loaded.version}."
        else:
            return
        raise RequestError(message, status=404, error_code="RESOURCE_DOES_NOT_EXIST")

    async def _computed(self, loaded: Loaded, size_bytes: int, compute: Callable[[], Answer]) -> Answer:
        """On the event loop where a body of this size takes no time, else in the thread for it.

        Raises RequestError: 503 where too many wait for the thread, 504 where it takes too long.
        """
        if size_bytes <= loaded.on_loop_bytes:
            return compute()
        limits = self._limits
        if self._waiting >= limits.queue:
            raise RequestError(
                f"{limits.queue} requests wait here already. Try again in a second.",
                status=503,
                error_code="RESOURCE_EXHAUSTED",
                headers={"retry-after": "1"},
            )
        self._waiting += 1
        answer = asyncio.get_running_loop().run_in_executor(self._executor, compute)
        try:
            await asyncio.wait((answer,), timeout=limits.time)
            if not answer.done():
                raise RequestError(
                    f"There was no answer within {limits.time:g} s.",
                    status=504,
                    error_code="DEADLINE_EXCEEDED",
                )
            return answer.result()
        finally:
            # What nobody waits for any more is not begun; what has begun cannot be stopped.
            answer.cancel()
            self._waiting -= 1

    # -- versions ------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """The background thread: reach the target, tell MLflow, wait for the next."""
        told = ""
        reached: Target | None = None
        while True:
            self._changed.clear()
            target = self._target
            assert target is not None, "set before the thread starts"
            if target is not reached:
                self._reach(target)
                reached = target
            report = write_report(self._report(target))
            if report == told or self._tell(report):
                told = report
                self._changed.wait()
            else:
                self._changed.wait(REPORT_RETRY_S)

    def _reach(self, target: Target) -> None:
        """Have what the target asks for; what cannot be had is in the report."""
        loaded = self._loaded
        if loaded is None or loaded.version != target.serving:
            state, reason, found = self._try(target.serving, None)
            if found is not None:
                self._loaded = found
            else:
                _log.error("version %s %s: %s", target.serving, state, reason)
        self._candidate, self._candidate_state, self._reason = None, None, ""
        if target.candidate is None:
            return
        # In a thread of its own: a version that never finishes loading must not keep the next from its turn.
        tried: Future[tuple[str, str, Loaded | None]] = Future()
        threading.Thread(
            target=lambda: tried.set_result(self._try(str(target.candidate), self._loaded)),
            name=f"version-{target.candidate}",
            daemon=True,
        ).start()
        while not tried.done() and self._target is target:
            wait([tried], OVERTAKEN_POLL_S)
        if tried.done():
            self._candidate_state, self._reason, self._candidate = tried.result()

    def _try(self, version: str, beside: Loaded | None) -> tuple[str, str, Loaded | None]:
        try:
            if beside is not None:
                folder, _ = self._download(version)
                _check_signature(folder, beside.model.signature, beside.version)
                if self._stays:
                    return NEW_REPLICAS, "follows a version that cannot be taken out of a process", None
                if why := why_new_replicas(folder):
                    return NEW_REPLICAS, why, None
                check_memory(folder, psutil.virtual_memory().available)
            found = self._load(version)
        except JourneymanError as error:
            return FAILED, str(error).replace("\n", " "), None
        except Exception as error:  # noqa: BLE001
            # Loaders of all flavors run here, and this thread must go on.
            _log.exception("version %s cannot be loaded", version)
            return FAILED, f"{type(error).__name__}: {error}"[:300], None
        return READY, "", found

    def _load_first_or_tell(self, target: Target) -> Loaded:
        """As `_load_first`; that a candidate failed is told before it is raised: nobody need try it again."""
        try:
            return self._load_first(target)
        except UnreachableError:
            # It may be there when Serve tries again.
            raise
        except Exception as error:
            # Loaders of all flavors run here, and the model's own code.
            if target.follows is not None:
                reason = str(error) if isinstance(error, JourneymanError) else described(error)
                self._tell(write_report(self._failure(target, reason.replace("\n", " "))))
            raise

    def _load_first(self, target: Target) -> Loaded:
        """The version a replica begins with, out of reach of Python's collector of cycles.

        A pass over all that MLflow and torch have imported took 120 ms, over a graph of 800 layers 400 ms,
        and loading another version brings several: nobody is answered meanwhile. What is put out of reach is
        never freed, so a version that is to make room for another in this process is loaded again after.
        """
        version = target.serving
        if target.follows is not None:
            # As where it is tried in place; a version that is proven starts whatever there is.
            folder, previous = self._download(version)[0], self._download(target.follows)[0]
            _check_signature(folder, version_signature(previous), target.follows)
            check_memory(folder, psutil.virtual_memory().available)
        found = self._load(version)
        self._stays = bool(why_new_replicas(found.model.folder))
        if self._stays:
            gc.collect()
            gc.freeze()
            return found
        del found
        gc.collect()
        gc.freeze()
        return self._load(version)

    def _download(self, version: str) -> tuple[Path, str]:
        """The version's files, from this node's cache where it has them, and the run it was registered for.

        A model that was deleted and made anew counts its versions from 1 again: the time of creation tells
        them apart. Where MLflow is away or has it no more, the files that were fetched last are used, and no
        run is known.
        """
        arguments = self._arguments
        folder = _cache(arguments.mlflow_url) / arguments.model
        try:
            body = self._mlflow.model_version(arguments.model, version)
        except (UnreachableError, NotFoundError):
            cached = sorted(folder.glob(f"{version}-*"))
            if not cached:
                raise
            return cached[-1], ""
        place = folder / f"{version}-{body['creation_timestamp']}"
        folder = download_version(arguments.mlflow_url, arguments.model, version, place)
        return folder, str(body.get("run_id") or "")

    def _load(self, version: str) -> Loaded:
        """The version, warmed. Raises ModelError."""
        folder, registered_for = self._download(version)
        model = load_model(folder, self._arguments.allow_pickle)
        run_id = Model.load(str(folder)).run_id or registered_for
        headers = {
            "x-journeyman-model": self._arguments.model,
            "x-journeyman-version": version,
            "x-journeyman-run": run_id,
        }
        description = {
            "service": self._arguments.service,
            "model": self._arguments.model,
            "version": version,
            "run": run_id,
            "inputs": _fields(model.signature, "inputs"),
            "outputs": _fields(model.signature, "outputs"),
            "example": model.example,
        }
        return Loaded(version, model, _on_loop_bytes(model), headers, orjson.dumps(description))

    # -- reports -------------------------------------------------------------------------------------

    def _report(self, target: Target) -> Report:
        loaded = self._loaded
        assert loaded is not None, "loaded before the thread starts"
        return Report(
            generation=self._arguments.generation,
            serving=loaded.version,
            trial=target.trial,
            candidate=target.candidate,
            candidate_state=self._candidate_state,
            reason=self._reason,
        )

    def _failure(self, target: Target, reason: str) -> Report:
        return Report(
            generation=self._arguments.generation,
            serving=target.serving,
            trial=target.trial,
            candidate=target.serving,
            candidate_state=FAILED,
            reason=reason,
        )

    def _tell(self, report: str) -> bool:
        try:
            self._mlflow.set_tags(self._arguments.run_id, {f"{REPLICA}.{self._replica_id}": report})
        except JourneymanError as error:
            _log.warning("MLflow was not told what this replica has: %s", error.message)
            return False
        return True


def _invoke(model: ServedModel, body: bytes, content_type: str | None) -> bytes:
    invocation = invocations.parse(body, content_type, model.signature)
    return invocations.render(model.predict(invocation.inputs, invocation.params), model.signature)


def _infer(loaded: Loaded, name: str, body: bytes, json_size: str | None) -> tuple[bytes, int | None]:
    asked = open_inference.parse_infer(body, json_size, loaded.model.signature)
    outputs = loaded.model.predict(asked.invocation.inputs, asked.invocation.params)
    parts, size = open_inference.render_infer(outputs, asked, name, loaded.version)
    return b"".join(parts), size


def _check_method(request: Request, post: bool) -> None:
    allowed = ("POST",) if post else ("GET", "HEAD")
    if request.method not in allowed:
        raise RequestError(
            f"Use {allowed[0]} here, not {request.method}.",
            status=405,
            error_code="METHOD_NOT_ALLOWED",
            headers={"allow": ", ".join(allowed)},
        )


async def _body(request: Request, limit_bytes: int) -> bytes:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError("The body must come without Content-Encoding.", status=415)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise RequestError(
                f"The body is larger than {_size(limit_bytes)}. Send it in several requests.",
                status=413,
                error_code="REQUEST_TOO_LARGE",
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count % 2**20 == 0 else f"{count} bytes"


def _on_loop_bytes(model: ServedModel) -> float:
    """Up to which size a body is answered within ON_LOOP_LIMIT_S, going by the version's own example.

    Raises ModelError where the version fails on it.
    """
    model.warm()
    if model.example is None:
        return 0
    seconds = min(_warm_s(model) for _ in range(3))
    return len(orjson.dumps(model.example)) * ON_LOOP_LIMIT_S / seconds if seconds < ON_LOOP_LIMIT_S else 0


def _warm_s(model: ServedModel) -> float:
    began = time.perf_counter()
    model.warm()
    return time.perf_counter() - began


def _cache(mlflow_url: str) -> Path:
    if os.environ.get("JOURNEYMAN_HOME"):
        root = home_folder(os.environ)
    else:
        root = Path(tempfile.gettempdir()) / f"journeyman-{os.getuid()}"
    return root / "models" / hashlib.sha256(mlflow_url.encode()).hexdigest()[:12]


def _fields(signature: Signature, side: str) -> list[dict[str, Any]]:
    tensors = signature.inputs if side == "inputs" else signature.outputs
    if side == "inputs" and signature.columns is not None:
        columns: list[dict[str, Any]] = signature.columns.to_dict()
        return columns
    return [{"name": f.name, "dtype": str(f.dtype), "shape": list(f.shape)} for f in tensors]


def _check_signature(folder: Path, wanted: Signature, version: str) -> None:
    """Raises ModelError where the version in `folder` would break those who ask `version` now."""
    found = version_signature(folder)
    if found != wanted:
        raise ModelError(
            f"it takes {_signature(found)}, where version {version} takes {_signature(wanted)};",
            "deploy it as a service of its own",
        )


def _signature(signature: Signature) -> str:
    columns: Schema | None = signature.columns
    if columns is not None:
        return f"columns {columns}"
    return ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in signature.inputs) or "anything"
