"""What answers the requests of a replica: paths, protocols and limits, with the version that it is given.

It runs on the replica's event loop, which must never wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import coroutine
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from journeyman.models.arrays import Invocation
from journeyman.models.model import ServedModel
from journeyman.models.signature import Signature
from journeyman.serve.protocols import invocations, open_inference, openapi
from journeyman.serve.protocols.errors import INTERNAL_ERROR, RequestError
from journeyman.serve.protocols.open_inference import JSON_SIZE_HEADER
from journeyman.serve.replica.batching import Batcher, Read
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.spec import Limits
from journeyman.version import VERSION

READ_ON_LOOP_BYTES = 128 * 1024
"""A body up to this size is read on the event loop: JSON of so much takes about a millisecond."""
_JSON = "application/json"
_OCTETS = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version, ready to answer."""

    version: str
    model: ServedModel
    on_loop_bytes: float
    """A body up to this size is answered on the event loop."""
    joined_rows: int
    """Up to how many rows of requests that wait are computed together; 1 for never."""
    headers: Mapping[str, str]
    description: bytes
    engine_trouble: str = ""
    """Why it is not computed as it was measured to be the fastest."""
    to_compile: Path | None = None
    """Its folder, where it would be if it were compiled on this node."""
    raw_headers: list[tuple[bytes, bytes]] = field(init=False)
    """`headers`, encoded."""

    def __post_init__(self) -> None:
        raw = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        object.__setattr__(self, "raw_headers", raw)


class _Answer(Response):
    """Of a version, whose headers are encoded once: doing that for each request costs more than this."""

    def __init__(
        self,
        loaded: Loaded,
        body: bytes,
        media_type: str = _JSON,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            *loaded.raw_headers,
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode()),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.encode(), value.encode()))


class Endpoint:
    """Of one replica of `service`, which answers with versions of `model`. Its event loop alone calls it."""

    def __init__(self, service: str, model: str) -> None:
        self._service = service
        self._model = model
        self.limits = Limits()
        self.metrics = Metrics(service, model)
        self._batcher = Batcher()
        self._waiting = 0
        """Requests whose answer is computed, or waits for that."""
        self._receiving = 0
        """Requests whose body is still on its way."""

    async def answer(self, request: Request, loaded: Loaded) -> Response:
        """Whatever comes: what is refused or fails is answered too."""
        began = time.perf_counter()
        response = await self._answer_or_refuse(request, loaded)
        self.metrics.answered(loaded.version, response.status_code, time.perf_counter() - began)
        return response

    async def _answer_or_refuse(self, request: Request, loaded: Loaded) -> Response:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).rstrip("/")
        open_path = path.removeprefix("/v2") if path == "/v2" or path.startswith("/v2/") else None
        try:
            if open_path is not None:
                return await self._answer_open_inference(request, open_path, loaded)
            return await self._answer_scoring(request, path, loaded)
        except RequestError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001
            # The model's own code runs here: anything can come out of it.
            request_id = _text(dict(request.scope["headers"]), b"x-request-id")
            refusal = self.failure(error, loaded, request_id or "")
        protocol = invocations if open_path is None else open_inference
        body = protocol.render_error(refusal)
        return _Answer(loaded, body, status=refusal.status, headers=refusal.headers)

    def failure(self, error: Exception, loaded: Loaded, request_id: str) -> RequestError:
        """For what the model raised on a request, none of which is the caller's; the log has it."""
        _log.error(
            "version %s of %s failed on request %s", loaded.version, self._model, request_id, exc_info=error
        )
        return RequestError(
            "The model failed on this request; its log says how.", status=500, error_code=INTERNAL_ERROR
        )

    async def _answer_scoring(self, request: Request, path: str, loaded: Loaded) -> Response:
        post = path == "/invocations"
        if not post and path not in ("", "/ping", "/health", "/openapi.json", "/docs"):
            raise RequestError(
                "There is nothing here: POST to /invocations.", status=404, error_code="ENDPOINT_NOT_FOUND"
            )
        _check_method(request, post)
        if post:
            headers = dict(request.scope["headers"])
            body = await self._body(request, headers)
            read = partial(_read_invocation, loaded.model.signature, body, _text(headers, b"content-type"))
            answer = await self.computed(loaded, len(body), read, partial(_gone, request))
            return _Answer(loaded, answer)
        if path in ("/openapi.json", "/docs"):
            return await self._described(path == "/docs", loaded)
        if path:
            return _Answer(loaded, b"\n", _TEXT)
        return _Answer(loaded, loaded.description)

    async def _described(self, for_people: bool, loaded: Loaded) -> Response:
        model = loaded.model
        document = openapi.openapi(
            openapi.Described(
                service=self._service,
                model=self._model,
                version=loaded.version,
                signature=model.signature,
                example=model.example,
            )
        )
        if not for_people:
            return _Answer(loaded, orjson.dumps(document))
        # A megabyte is read and put together: neither where requests are read nor where models answer.
        page = await asyncio.to_thread(openapi.page, document)
        return _Answer(loaded, page.encode(), _HTML)

    async def _answer_open_inference(self, request: Request, path: str, loaded: Loaded) -> Response:
        route = open_inference.read_path(path)
        _check_method(request, route.verb == "infer")
        name = route.model
        if name is None:
            server = open_inference.server_metadata(VERSION)
            told = open_inference.readiness(route) if route.verb else server
            return _Answer(loaded, told)
        self.check_model(name, route.version, loaded)
        if route.verb == "infer":
            headers = dict(request.scope["headers"])
            body = await self._body(request, headers)
            infer = partial(_read_infer, loaded, name, body, _text(headers, JSON_SIZE_HEADER.encode()))
            answer, size = await self.computed(loaded, len(body), infer, partial(_gone, request))
            if size is None:
                return _Answer(loaded, answer)
            return _Answer(loaded, answer, _OCTETS, headers={JSON_SIZE_HEADER: str(size)})
        if route.verb:
            return _Answer(loaded, open_inference.readiness(route))
        model = loaded.model
        metadata = open_inference.model_metadata(name, loaded.version, model.platform, model.signature)
        return _Answer(loaded, metadata)

    def check_model(self, model: str, version: str | None, loaded: Loaded) -> None:
        """Raises RequestError, 404, where another model or version is asked than the one that serves."""
        if model not in (self._service, self._model):
            message = f"This service is '{self._service}', with model '{self._model}'."
        elif version not in (None, loaded.version):
            message = f"This service answers with version {loaded.version}."
        else:
            return
        raise RequestError(message, status=404, error_code="RESOURCE_DOES_NOT_EXIST")

    async def computed(
        self,
        loaded: Loaded,
        size_bytes: int,
        read: Read,
        gone: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> Any:
        """The answer to what is read, on the event loop where such a body takes no time, else in a thread.

        `gone` ends once nobody waits for it any more. Raises RequestError: 499 then, 503 where too many wait
        for the thread, 504 where it takes too long.
        """
        if loaded.joined_rows == 1 and size_bytes <= loaded.on_loop_bytes:
            invocation, render = read()
            return render(loaded.model.predict(invocation.inputs, invocation.params))
        limits = self.limits
        if self._waiting >= limits.queue:
            raise _full(limits.queue, "wait here already")
        if size_bytes <= READ_ON_LOOP_BYTES:
            # Read here, while the thread computes what came before: that needs no interpreter.
            asked = read()
            read = lambda: asked  # noqa: E731
        self._waiting += 1
        self.metrics.waiting(self._waiting)
        computed = partial(self.metrics.computed, loaded.version, str(loaded.model.plan))
        answer = self._batcher.answer(loaded.model, loaded.joined_rows, read, computed)
        left = asyncio.create_task(gone()) if gone is not None else None
        try:
            awaited: tuple[asyncio.Future[Any], ...] = (answer,) if left is None else (answer, left)
            await asyncio.wait(awaited, timeout=limits.time, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if left is not None and left.done():
                raise RequestError(
                    "Nobody waits for this answer any more.", status=499, error_code="CANCELLED"
                )
            raise RequestError(
                f"There was no answer within {limits.time:g} s.", status=504, error_code="DEADLINE_EXCEEDED"
            )
        finally:
            # What nobody waits for any more is not begun; what has begun cannot be stopped.
            answer.cancel()
            if left is not None:
                left.cancel()
            self._waiting -= 1
            self.metrics.waiting(self._waiting)

    async def _body(self, request: Request, headers: Mapping[bytes, bytes]) -> bytes:
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise RequestError("The body must come without Content-Encoding.", status=415)
        limits = self.limits
        reading = _read(request, limits.body)
        try:
            pending = reading.send(None)
        except StopIteration as read:
            # All of it is there already, as small bodies are: a timer would cost more than reading it.
            body: bytes = read.value
            return body
        if self._receiving + self._waiting >= limits.ongoing:
            reading.close()
            raise _full(limits.ongoing, "are on their way here already")
        self._receiving += 1
        try:
            async with asyncio.timeout(limits.time):
                return await _resumed(reading, pending)
        except TimeoutError:
            raise RequestError(
                f"The body did not arrive within {limits.time:g} s.",
                status=408,
                error_code="REQUEST_TIMEOUT",
            ) from None
        finally:
            self._receiving -= 1


def _read_invocation(
    signature: Signature, body: bytes, content_type: str | None
) -> tuple[Invocation, Callable[[Any], bytes]]:
    invocation = invocations.parse(body, content_type, signature)
    return invocation, lambda outputs: invocations.render(outputs, signature)


def _read_infer(
    loaded: Loaded, name: str, body: bytes, json_size: str | None
) -> tuple[Invocation, Callable[[Any], tuple[bytes, int | None]]]:
    asked = open_inference.parse_infer(body, json_size, loaded.model.signature)

    def render(outputs: Any) -> tuple[bytes, int | None]:
        parts, size = open_inference.render_infer(outputs, asked, name, loaded.version)
        return b"".join(parts), size

    return asked.invocation, render


def _full(requests: int, where: str) -> RequestError:
    return RequestError(
        f"{requests} requests {where}. Try again in a second.",
        status=503,
        error_code="RESOURCE_EXHAUSTED",
        headers={"retry-after": "1"},
    )


def _check_method(request: Request, post: bool) -> None:
    allowed = ("POST",) if post else ("GET", "HEAD")
    if request.method not in allowed:
        raise RequestError(
            f"Use {allowed[0]} here, not {request.method}.",
            status=405,
            error_code="METHOD_NOT_ALLOWED",
            headers={"allow": ", ".join(allowed)},
        )


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    found = headers.get(name)
    return None if found is None else found.decode("latin-1")


async def _gone(request: Request) -> None:
    """Returns when whoever sent the request, all of which has been received, has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _read(request: Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        check_size(size, limit_bytes)
        more = message.get("more_body", False)
    return b"".join(chunks)


@coroutine
def _resumed(begun: Coroutine[Any, Any, bytes], pending: Any) -> Generator[Any, Any, bytes]:
    """What a coroutine returns that was begun by hand, and waits for `pending`."""
    try:
        yield pending
        body: bytes = yield from begun
        return body
    finally:
        begun.close()


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Raises RequestError, 413."""
    if size_bytes > limit_bytes:
        raise RequestError(
            f"The body is larger than {_size(limit_bytes)}. Send it in several requests.",
            status=413,
            error_code="REQUEST_TOO_LARGE",
        )


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count % 2**20 == 0 else f"{count} bytes"
