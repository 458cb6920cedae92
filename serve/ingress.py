"""What Serve's servers do before a request reaches a service: Ray calls `middlewares` in each of them.

Light on purpose: Ray's proxy imports it too.
"""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

_UNWATCHED = (b"x-request-disconnect-disabled", b"?1")


class Unwatched:
    """Has Serve not watch whether whoever asks is still there.

    To watch, Serve runs two tasks and a queue for each request (what they cost: benchmarks/unwatched.py); a
    replica watches by itself, and only while a request waits (`Endpoint.computed`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], _UNWATCHED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """For RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    return [Middleware(Unwatched)]
