"""What answers a replica's HTTP requests: paths, bodies and protocols, with the version that it is given.

It runs on the replica's event loop, which must never wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from journeyman.models.arrays import Invocation, Outputs
from journeyman.serve.protocols import invocations, open_inference, openapi
from journeyman.serve.protocols.cors import Cors
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.open_inference import JSON_SIZE_HEADER, InferRequest
from journeyman.serve.replica.call import Call
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names, check_size, full
from journeyman.serve.replica.version import LoadedVersion
from journeyman.version import VERSION

_JSON = "application/json"
_OCTETS = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_GET = ("GET", "HEAD")
_POST = ("POST",)


class ScoringCall(Call):
    """A POST to /invocations, whose answer is the body of a response."""

    __slots__ = ("_body", "_content_type")

    def __init__(self, version: LoadedVersion, body: bytes, content_type: str | None) -> None:
        super().__init__(version, len(body))
        self._body = body
        self._content_type = content_type

    def read(self) -> Invocation:
        return invocations.parse(self._body, self._content_type, self.version.model.signature)

    def render(self, outputs: Outputs) -> bytes:
        return invocations.render(outputs, self.version.model.signature)


class InferCall(Call):
    """A POST to /v2/…/infer; the answer is a body, and how much of it is JSON where tensors follow that."""

    __slots__ = ("_asked", "_body", "_json_size", "_name")

    def __init__(self, version: LoadedVersion, name: str, body: bytes, json_size: str | None) -> None:
        super().__init__(version, len(body))
        self._name = name
        self._body = body
        self._json_size = json_size
        self._asked: InferRequest | None = None

    def read(self) -> Invocation:
        self._asked = open_inference.parse_infer(self._body, self._json_size, self.version.model.signature)
        return self._asked.invocation

    def render(self, outputs: Outputs) -> tuple[bytes, int | None]:
        assert self._asked is not None, "read before it is computed"
        parts, size = open_inference.render_infer(outputs, self._asked, self._name, self.version.version)
        return b"".join(parts), size


class HttpEndpoint:
    """Of one replica. Its event loop alone calls it."""

    def __init__(self, names: Names, queue: ComputeQueue, metrics: Metrics) -> None:
        self._names = names
        self._queue = queue
        self._metrics = metrics
        self._arriving = 0
        """Requests whose body is still on its way."""
        self.cors = Cors()

    async def answer(self, request: Request, version: LoadedVersion) -> Response:
        """Whatever comes: what is refused or fails is answered too."""
        began = time.perf_counter()
        response = await self._answer_or_refuse(request, version)
        if self.cors.speaks:
            response.raw_headers.extend(self.cors.headers(dict(request.scope["headers"])))
        self._metrics.answered(version.version, response.status_code, time.perf_counter() - began)
        return response

    async def _answer_or_refuse(self, request: Request, version: LoadedVersion) -> Response:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).rstrip("/")
        open_path = path.removeprefix("/v2") if path == "/v2" or path.startswith("/v2/") else None
        if request.method == "OPTIONS":
            return self._options(request, path, version)
        try:
            if open_path is not None:
                return await self._answer_open_inference(request, open_path, version)
            return await self._answer_scoring(request, path, version)
        except RequestError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001
            # The model's own code runs here: anything can come out of it.
            request_id = _text(dict(request.scope["headers"]), b"x-request-id")
            refusal = self._names.failure(error, version, request_id or "")
        protocol = invocations if open_path is None else open_inference
        return _response(version, protocol.render_error(refusal), _JSON, refusal.status, refusal.headers)

    async def _answer_scoring(self, request: Request, path: str, version: LoadedVersion) -> Response:
        post = path == "/invocations"
        if not post and path not in ("", "/ping", "/health", "/openapi.json", "/docs"):
            raise RequestError(
                "Not found: POST to /invocations.", status=404, error_code="ENDPOINT_NOT_FOUND"
            )
        _check_method(request, post)
        if post:
            headers = dict(request.scope["headers"])
            body = await self._body(request, headers)
            call = ScoringCall(version, body, _text(headers, b"content-type"))
            return _response(version, await self._queue.answer(call, partial(_gone, request)))
        if path in ("/openapi.json", "/docs"):
            return await self._described(path == "/docs", version)
        if path:
            return _response(version, b"\n", _TEXT)
        return _response(version, version.description)

    def _options(self, request: Request, path: str, version: LoadedVersion) -> Response:
        """Whatever the path: a browser that is let through is told of a wrong one by the request itself."""
        methods = ", ".join(_POST if path == "/invocations" or path.endswith("/infer") else _GET)
        response = _response(version, b"", None, 204, {"allow": f"{methods}, OPTIONS"})
        response.raw_headers.extend(self.cors.preflight(dict(request.scope["headers"]), methods))
        return response

    async def _described(self, for_people: bool, version: LoadedVersion) -> Response:
        model = version.model
        document = openapi.openapi(
            openapi.Described(
                service=self._names.service,
                model=self._names.model,
                version=version.version,
                signature=model.signature,
                example=model.example,
            )
        )
        if not for_people:
            return _response(version, orjson.dumps(document))
        # A megabyte is read and put together: neither where requests are read nor where models answer.
        page = await asyncio.to_thread(openapi.page, document)
        return _response(version, page.encode(), _HTML)

    async def _answer_open_inference(self, request: Request, path: str, version: LoadedVersion) -> Response:
        route = open_inference.read_path(path)
        _check_method(request, route.verb == "infer")
        name = route.model
        if name is None:
            server = open_inference.server_metadata(VERSION)
            return _response(version, open_inference.readiness(route) if route.verb else server)
        self._names.check(name, route.version, version)
        if route.verb == "infer":
            headers = dict(request.scope["headers"])
            body = await self._body(request, headers)
            call = InferCall(version, name, body, _text(headers, JSON_SIZE_HEADER.encode()))
            answer, size = await self._queue.answer(call, partial(_gone, request))
            if size is None:
                return _response(version, answer)
            return _response(version, answer, _OCTETS, headers={JSON_SIZE_HEADER: str(size)})
        if route.verb:
            return _response(version, open_inference.readiness(route))
        model = version.model
        metadata = open_inference.model_metadata(name, version.version, model.platform, model.signature)
        return _response(version, metadata)

    async def _body(self, request: Request, headers: Mapping[bytes, bytes]) -> bytes:
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise RequestError("The body must come without Content-Encoding.", status=415)
        limits, loop = self._queue.limits, asyncio.get_running_loop()
        timer = asyncio.timeout(None)
        refusal: RequestError | None = None
        counted = False

        def late() -> None:
            nonlocal refusal, counted
            if self._arriving + self._queue.waiting >= limits.ongoing:
                refusal = full(limits.ongoing, "are on their way here already")
                timer.reschedule(loop.time())
                return
            counted = True
            self._arriving += 1
            timer.reschedule(loop.time() + limits.time)

        # A body that is there already, as small ones are, is read before the loop has its next turn: it is
        # not waited for, and takes no place among those that are.
        waiting = loop.call_soon(late)
        try:
            async with timer:
                return await _read(request, limits.body)
        except TimeoutError:
            raise refusal or RequestError(
                f"The body did not arrive within {limits.time:g} s.",
                status=408,
                error_code="REQUEST_TIMEOUT",
            ) from None
        finally:
            waiting.cancel()
            self._arriving -= counted


def _response(
    version: LoadedVersion,
    body: bytes,
    media_type: str | None = _JSON,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    response = Response(body, status, headers, media_type)
    response.raw_headers.extend(version.raw_headers)
    return response


def _check_method(request: Request, post: bool) -> None:
    allowed = _POST if post else _GET
    if request.method not in allowed:
        raise RequestError(
            f"Use {allowed[0]} here, not {request.method}.",
            status=405,
            error_code="METHOD_NOT_ALLOWED",
            headers={"allow": ", ".join((*allowed, "OPTIONS"))},
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
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestError("Whoever sent this has left.", status=499, error_code="CANCELLED")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        check_size(size, limit_bytes)
        more = message.get("more_body", False)
    return b"".join(chunks)
