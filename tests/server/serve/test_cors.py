"""What a browser is told of a service: which pages may ask it, on every path and with every answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from journeyman.serve.protocols.cors import Cors
from journeyman.serve.spec import Limits

from .test_endpoint import BODY, endpoint, loaded, request

APP = "https://app.example.com"
ALLOW, VARY = "access-control-allow-origin", "vary"
PATHS = ["", "/ping", "/invocations", "/docs", "/openapi.json", "/nowhere", "/v2", "/v2/health/ready"]
PATHS += ["/v2/models/m", "/v2/models/m/infer", "/v2/models/other/infer", "/v2/nowhere"]


def answered(
    *origins: str, method: str = "POST", path: str = "/invocations", body: bytes = BODY, **headers: Any
) -> Response:
    asked = request(body, **headers)
    asked.scope.update(method=method, path=f"/s{path}")

    async def ask() -> Response:
        http = endpoint(Limits(body=100))
        http.cors = Cors(origins)
        return await http.answer(asked, loaded())

    return asyncio.run(ask())


def told(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_a_browser_that_looks_ahead(path: str) -> None:
    sent: dict[str, Any] = {"origin": APP, "access_control_request_method": "POST"}
    sent["access_control_request_headers"] = "authorization,content-type, x-request-id"
    answer = answered(APP, method="OPTIONS", path=path, **sent)
    assert (answer.status_code, answer.body) == (204, b"")
    post = path.endswith(("/invocations", "/infer"))
    assert answer.headers["allow"] == ("POST, OPTIONS" if post else "GET, HEAD, OPTIONS")
    assert told(answer) == {
        ALLOW: APP,
        "access-control-allow-methods": "POST" if post else "GET, HEAD",
        "access-control-allow-headers": "authorization, content-type, x-request-id",
        "access-control-max-age": "600",
        "access-control-expose-headers": (
            "x-journeyman-model, x-journeyman-version, x-journeyman-run, x-request-id, "
            "inference-header-content-length, retry-after"
        ),
    }
    assert answer.headers[VARY] == "origin"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"body": b"{"}, 400),
        ({"body": b'{"inputs": [[13, 1]]}'}, 500),
        ({"body": b" " * 101}, 413),
        ({"content_encoding": "gzip"}, 415),
        ({"method": "GET"}, 405),
        ({"method": "GET", "path": "/nowhere"}, 404),
        ({"method": "GET", "path": "/docs"}, 200),
        ({"method": "HEAD", "path": "/ping"}, 200),
        ({"path": "/v2/models/m/infer", "body": b"{}"}, 400),
        ({"method": "GET", "path": "/v2/models/other"}, 404),
    ],
)
def test_every_answer_says_that_a_page_may_read_it(asked: dict[str, Any], status: int) -> None:
    answer = answered("https://other.example", APP, origin=APP, **asked)
    assert answer.status_code == status
    assert (answer.headers[ALLOW], answer.headers[VARY]) == (APP, "origin")
    assert "x-journeyman-version" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.example.com", f"{APP}.evil.example", f"{APP}:8443", "null", ""],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_a_page_of_another_origin_is_told_nothing_but_is_not_mixed_up(origin: str, method: str) -> None:
    answer = answered(APP, method=method, origin=origin, access_control_request_method="POST")
    assert answer.status_code == (204 if method == "OPTIONS" else 200)
    assert told(answer) == {}
    # A cache that kept this answer would else give it to the page that may read it.
    assert answer.headers[VARY] == "origin"


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_a_service_without_origins_and_a_program_without_one_hear_nothing_of_it(method: str) -> None:
    for answer in (answered(method=method, origin=APP), answered("*", method=method)):
        assert told(answer) == {}
        assert VARY not in answer.headers
    assert answered(method="OPTIONS").headers["allow"] == "POST, OPTIONS"


def test_any_page_may_ask_where_that_is_said_even_one_without_an_origin() -> None:
    for origin in ("https://whoever.example", "null"):
        answer = answered("*", origin=origin)
        assert (answer.headers[ALLOW], VARY in answer.headers) == ("*", False)


def test_names_of_headers_that_are_none_are_not_sent_back() -> None:
    sent = "content-type, x y, größe, a:b, <script>, " + ", ".join(f"x-{n}" for n in range(1000))
    answer = answered(
        APP,
        method="OPTIONS",
        origin=APP,
        access_control_request_method="POST",
        access_control_request_headers=sent,
    )
    names = answer.headers["access-control-allow-headers"].split(", ")
    assert names[:2] == ["content-type", "x-0"]
    assert len(names) < 100
