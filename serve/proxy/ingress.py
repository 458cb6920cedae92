"""The way of a request from the server in a replica to what answers it: past Serve's own, which costs more.

For each request Serve makes two ids, a record of it, a context, a line for a log that is off and wrappers
around the answer: together more processor time than reading the request and computing a small model
(benchmarks/shortcut.py). Here it is answered, and counted by Serve's means, so that autoscaling, the end of a
replica and Serve's metrics stay what they are. Nor does it wait for one of Serve's slots, where it would wait
however long: the endpoint refuses what is too much.
"""

from __future__ import annotations

import random
import time

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from journeyman.compat.ray_serve import behind

_REQUEST_ID = b"x-request-id"


class Shortcut:
    """Outermost around Serve's application; what it does not know it leaves to that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._behind = behind(app)
        # One of its own: models seed the one that all share, and requests would have the same id.
        self._random = random.Random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replica = self._behind
        if replica is None or scope["type"] != "http" or not _is_below(scope, replica.prefix):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["root_path"] = replica.prefix
        request_id = self._request_id(scope)
        replica.begin()
        try:
            response = await replica.answer(Request(scope, receive))
            response.raw_headers.append((_REQUEST_ID, request_id))
            await response(scope, receive, send)
        finally:
            replica.end()
        replica.count(scope["method"], response.status_code, 1000 * (time.perf_counter() - began))

    def _request_id(self, scope: Scope) -> bytes:
        """The caller's, or one that is made here and put among its headers."""
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                found: bytes = value
                return found
        # Nobody relies on it to be hard to guess; the system's own random numbers cost a call of the kernel.
        made = b"%032x" % self._random.getrandbits(128)
        scope["headers"] = [*scope["headers"], (_REQUEST_ID, made)]
        return made


def middlewares() -> list[Middleware]:
    """For RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH: Ray calls it in replicas and in its proxies."""
    return [Middleware(Shortcut)]


def _is_below(scope: Scope, prefix: str) -> bool:
    path: str = scope["path"]
    return not scope.get("root_path") and (path == prefix or path.startswith(f"{prefix}/"))
