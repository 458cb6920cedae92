"""What stands before Serve's own servers, where there is no replica: it leaves everything to them.

What it does in a replica tests/stack/test_protocols.py and test_engines.py ask of a real one.
"""

from __future__ import annotations

import asyncio
import random
import warnings
from typing import Any

import pytest
from ray._common.utils import import_attr
from starlette.types import Receive, Scope, Send

from journeyman.cluster.local.parts import INGRESS

with warnings.catch_warnings():
    # Ray's own schema is written in an older form of pydantic's.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ray.serve._private.http_util import validate_http_proxy_callback_return

    from journeyman.serve.proxy.ingress import Shortcut


async def nothing(*_: Any) -> Any:
    return {}


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
def test_proxies_of_ray_answer_as_they_do_without_it(kind: str) -> None:
    [middleware] = validate_http_proxy_callback_return(import_attr(INGRESS)())
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    asked = {"type": kind, "path": "/digits/invocations", "headers": [(b"host", b"here")]}
    asyncio.run(middleware.cls(app)(asked, nothing, nothing))
    assert seen == [{"type": kind, "path": "/digits/invocations", "headers": [(b"host", b"here")]}]


def test_ids_differ_though_a_model_seeds_the_random_numbers_that_all_share() -> None:
    shortcut = Shortcut(nothing)
    made = set()
    for _ in range(2):
        random.seed(0)
        made.add(shortcut._request_id({"headers": []}))
    assert len(made) == 2
