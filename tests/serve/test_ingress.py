"""What Serve's servers do before a request reaches a service, as far as Ray itself understands it."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from ray._common.utils import import_attr
from starlette.types import Message, Receive, Scope, Send

from journeyman.cluster.parts import INGRESS

with warnings.catch_warnings():
    # Ray's own schema is written in an older form of pydantic's.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ray.serve._private.http_util import (
        parse_disconnect_disabled_header,
        validate_http_proxy_callback_return,
    )


def test_serve_is_told_not_to_watch_whoever_asks() -> None:
    [middleware] = validate_http_proxy_callback_return(import_attr(INGRESS)())
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Message:
        return {}

    headers = [(b"host", b"here")]
    asked = {"type": "http", "headers": headers}
    asyncio.run(middleware.cls(app)(asked, nothing, nothing))
    assert parse_disconnect_disabled_header(dict(seen[0]["headers"]))
    assert seen[0]["headers"][0] == headers[0]
