"""Lets a request through to the server behind it where a process of the owner sent it.

The kernel is asked once a connection. Where it does not tell, the token does: as `Authorization: Bearer`, or
for browsers as a cookie, which is had for a code that holds once (`journeyman dashboard`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

import orjson

from journeyman.sockets import Connection, uid_of_peer
from journeyman.tracking.guard.passes import COOKIE_S, is_token, is_valid, signed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ENTRANCE = "/journeyman/enter"
"""Where a browser shows its code."""
_ROOT = 0
_POLICY_VIOLATION = 1008
_STRANGER = (
    "this MLflow server is of the Journeyman stack of user {owner}, and lets in that user's processes alone. "
    'Open it with `journeyman dashboard`, or set the token of the stack with `eval "$(journeyman env)"`.'
)
_FOREIGN_PAGE = "a page of {origin} may not ask {host}"
_USED_CODE = "this code was used, or is too old: `journeyman dashboard` makes another one"


class Guard:
    """An ASGI application before another one."""

    def __init__(
        self,
        application: Application,
        *,
        owner: int,
        token: str | None,
        uid_of: Callable[[Connection], int | None] = uid_of_peer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._application = application
        self._owner = owner
        self._token = token
        self._uid_of = uid_of
        self._now = now
        # By the connection itself: its address is another one's once it is closed.
        self._known: WeakKeyDictionary[object, bool] = WeakKeyDictionary()
        self._used: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and origin.partition("://")[2] != host:
            await _refuse(scope, send, _FOREIGN_PAGE.format(origin=origin, host=host))
        elif scope["path"] == ENTRANCE and self._token is not None:
            await self._enter(self._token, scope, send)
        elif self._is_owners(receive) or self._shows_token(scope, headers):
            await self._application(scope, receive, send)
        else:
            await _refuse(scope, send, _STRANGER.format(owner=self._owner))

    def _is_owners(self, receive: Receive) -> bool:
        # ASGI tells an address, which proxies' headers may have put there and which comes again with another
        # connection. uvicorn's receive() is a method of what has the connection itself; without it there is
        # still the token.
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        connection = transport.get_extra_info("socket") if transport is not None else None
        if connection is None:
            return False
        known = self._known.get(transport)
        if known is None:
            known = self._known[transport] = self._uid_of(connection) in (self._owner, _ROOT)
        return known

    def _shows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        if self._token is None:
            return False
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_token(self._token, shown.strip()):
            return True
        cookie = _cookies(headers.get("cookie", "")).get(_cookie_name(scope))
        return cookie is not None and is_valid(self._token, "cookie", cookie.value, self._now())

    async def _enter(self, token: str, scope: Scope, send: Send) -> None:
        now_s = self._now()
        self._used = {used for used in self._used if is_valid(token, "code", used, now_s)}
        code = parse_qs(scope["query_string"].decode("latin-1")).get("code", [""])[0]
        if code in self._used or not is_valid(token, "code", code, now_s):
            await _refuse(scope, send, _USED_CODE)
            return
        self._used.add(code)
        cookie = signed(token, "cookie", int(now_s) + COOKIE_S)
        kept = f"{_cookie_name(scope)}={cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age={COOKIE_S}"
        # What stands behind a # in the address of the code goes with the browser to the new one.
        headers = {"location": "/", "set-cookie": kept, "cache-control": "no-store"}
        await _answer(send, 303, headers, b"")


def _cookie_name(scope: Scope) -> str:
    """Of each server its own: a browser keeps cookies by host, whatever the port."""
    return f"journeyman-{scope['server'][1]}"


def _cookies(header: str) -> SimpleCookie:
    try:
        return SimpleCookie(header)
    except CookieError:
        return SimpleCookie()


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        return
    # As MLflow's own answers are, for its clients to show.
    body = orjson.dumps({"error_code": "PERMISSION_DENIED", "message": reason})
    await _answer(send, 403, {"content-type": "application/json"}, body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    told += [(b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
