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
from starlette.responses import Response
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
        self._metrics_manager: Any = None
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


class Ours:
    """A deployment of Journeyman's, as far as its module tells."""

    async def __call__(self, request: Any) -> Response:
        return Response(b"ours", headers={"x-version": "3"})


Ours.__module__ = "journeyman.test"


class Metrics:
    """What Serve counts by; one of its methods is another one in the next version of Ray."""

    def __init__(self, changed: str = "") -> None:
        self.changed = changed
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def told(*_: Any, **__: Any) -> None:
            if name == self.changed:
                raise TypeError(f"{name}() takes other arguments")
            self.told.append(name)

        return told


def asked_twice(replica: Replica, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    context = SimpleNamespace(app_name="greeter", deployment="Greeter")
    monkeypatch.setattr("ray.serve.get_replica_context", lambda: context)
    replica._metrics_manager = metrics
    shortcut, sent = Shortcut(Ids(replica.serves)), list[dict[str, Any]]()

    async def send(message: Any) -> None:
        sent.append(message)

    for _ in range(2):
        asked = {"type": "http", "path": "/greeter/invocations", "method": "POST", "headers": []}
        asyncio.run(shortcut(asked, nothing, send))
    return sent


@pytest.mark.parametrize("changed", ["", "record_request_metrics", "record_ingress_request_metrics"])
def test_replica_of_ours_answers_past_serves_own_code_whatever_its_metrics_take(
    changed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replica, metrics = Replica(Ours()), Metrics(changed)
    sent = asked_twice(replica, metrics, monkeypatch)
    assert (replica.seen, [message.get("body") for message in sent[1::2]]) == ([], [b"ours"] * 2)
    names = [name for name, _ in sent[0]["headers"]]
    assert {b"x-version", b"x-request-id", b"content-length"} <= set(names)
    assert (
        metrics.told.count("inc_num_ongoing_requests") == metrics.told.count("dec_num_ongoing_requests") == 3
    )
    if changed:
        assert caplog.text.count("count no requests") == 1, "told once, not for each request"
    else:
        assert metrics.told.count("record_ingress_request_metrics") == 2


def test_replica_whose_requests_cannot_be_counted_as_ongoing_takes_serves_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replica = Replica(Ours())
    assert asked_twice(replica, Metrics("inc_num_ongoing_requests"), monkeypatch) == []
    assert replica.seen == ["/greeter/invocations"] * 2


def test_ids_differ_though_a_model_seeds_the_random_numbers_that_all_share() -> None:
    shortcut = Shortcut(nothing)
    made = set()
    for _ in range(2):
        random.seed(0)
        made.add(shortcut._request_id({"headers": []}))
    assert len(made) == 2
