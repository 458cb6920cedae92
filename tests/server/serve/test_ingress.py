"""What stands before Serve's own servers, where there is no replica: it leaves everything to them.

What it does in a replica tests/stack/test_protocols.py and test_engines.py ask of a real one.
"""

from __future__ import annotations

import asyncio
import random
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from ray._common.utils import import_attr
from starlette.types import ASGIApp, Receive, Scope, Send

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


class Foreign:
    """Somebody else's deployment: Serve makes a response of the text."""

    async def __call__(self, request: Any) -> str:
        return "hello"


class Replica:
    """What Serve's application is a method of, as far as `ingress` reads it."""

    def __init__(self, deployed: object) -> None:
        self._user_callable_wrapper = SimpleNamespace(
            _run_user_code_in_separate_thread=False, user_callable=deployed
        )
        self._route_prefix = "/greeter"
        self._metrics_manager = None
        self.seen: list[str] = []

    async def serves(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])


class Ids:
    """Serve's middleware that gives ids, around its application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def test_replica_of_a_foreign_application_answers_as_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SimpleNamespace(app_name="greeter", deployment="Greeter")
    monkeypatch.setattr("ray.serve.get_replica_context", lambda: context)
    replica = Replica(Foreign())
    shortcut = Shortcut(Ids(replica.serves))
    asyncio.run(shortcut({"type": "http", "path": "/greeter", "headers": []}, nothing, nothing))
    assert replica.seen == ["/greeter"]


def test_ids_differ_though_a_model_seeds_the_random_numbers_that_all_share() -> None:
    shortcut = Shortcut(nothing)
    made = set()
    for _ in range(2):
        random.seed(0)
        made.add(shortcut._request_id({"headers": []}))
    assert len(made) == 2
