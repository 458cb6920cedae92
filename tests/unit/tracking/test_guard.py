"""Who is let in to the MLflow server of a stack, and what the kernel's table says of the other end."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from journeyman.home import OwnMlflow, make_mlflow_token, mlflow_token_file, own_mlflow
from journeyman.sockets import Address, told_in
from journeyman.tracking.guard.guard import ENTRANCE, Guard, Message, Scope
from journeyman.tracking.guard.passes import CODE_S, COOKIE_S, is_valid, signed

TOKEN = "5f2d9c" * 10
OWNER, ROOT, STRANGER = 1000, 0, 1001
NOW_S = 1_800_000_000
HOST = "127.0.0.1:5000"

# -- the kernel's tables -------------------------------------------------------------------------------

PEER, OWN = ("127.0.0.1", 42930), ("127.0.0.1", 34479)
# As /proc/net/tcp has it: the listener, our end, the other end.
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = (
    "   0: 0100007F:86AF 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 810048 1\n"
)
OURS = "   1: 0100007F:86AF 0100007F:A7B2 01 00000000:00000001 00:00000000 00000000     0        0 810049 1\n"


def theirs(state: str = "01", uid: int = STRANGER, inode: int = 810050) -> str:
    return (
        f"   2: 0100007F:A7B2 0100007F:86AF {state} 00000000:00000000 00:00000000 00000000 {uid:5d}"
        f"        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
    )


def uid_in(table: str, peer: Address, own: Address, *, wide: bool = False) -> int | None:
    told = told_in(table, peer, own, wide=wide)
    return told.owner if told is not None else None


@pytest.mark.parametrize("state", ["01", "04", "05", "08"])
def test_other_end_belongs_to_the_user_in_its_line(state: str) -> None:
    assert uid_in(HEAD + LISTENS + OURS + theirs(state), PEER, OWN) == STRANGER


def test_socket_that_its_process_closed_belongs_to_nobody_though_it_says_root() -> None:
    # Whoever sends an order and closes at once would be taken for root.
    assert uid_in(HEAD + LISTENS + OURS + theirs("05", uid=ROOT, inode=0), PEER, OWN) is None


@pytest.mark.parametrize("state", ["02", "03", "06", "0A", "0C"])
def test_socket_that_asks_for_a_connection_waits_or_listens_is_not_the_other_end(state: str) -> None:
    assert uid_in(HEAD + OURS + theirs(state), PEER, OWN) is None


def test_another_connection_of_the_same_port_is_not_the_other_end() -> None:
    elsewhere = theirs().replace("0100007F:86AF", "0100007F:86B0")
    assert uid_in(HEAD + LISTENS + OURS + elsewhere, PEER, OWN) is None
    assert uid_in(HEAD + LISTENS + OURS, PEER, OWN) is None
    assert uid_in("", PEER, OWN) is None


@pytest.mark.parametrize("mapped", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_addresses_of_ipv4_are_found_among_those_of_ipv6(mapped: str) -> None:
    line = (
        "   0: 0000000000000000FFFF00000100007F:B48E 0000000000000000FFFF00000100007F:86AF 01 "
        "00000000:00000000 00:00000000 00000000  1000        0 808628 1\n"
    )
    assert uid_in(HEAD + line, (mapped, 0xB48E), (mapped, 0x86AF), wide=True) == OWNER
    assert uid_in(HEAD + line, (mapped, 0xB48E), (mapped, 0x86AF)) is None


def test_addresses_of_ipv6_are_found_as_they_are() -> None:
    line = (
        "   0: 00000000000000000000000001000000:B48E 00000000000000000000000001000000:86AF 01 "
        "00000000:00000000 00:00000000 00000000  1000        0 808628 1\n"
    )
    assert uid_in(HEAD + line, ("::1", 0xB48E), ("::1", 0x86AF), wide=True) == OWNER


# -- what is shown instead -----------------------------------------------------------------------------


def test_pass_is_valid_for_its_purpose_until_its_time_and_with_its_token() -> None:
    code = signed(TOKEN, "code", NOW_S)
    assert is_valid(TOKEN, "code", code, NOW_S - 1)
    assert not is_valid(TOKEN, "code", code, NOW_S)
    assert not is_valid(TOKEN, "cookie", code, NOW_S - 1)
    assert not is_valid("another", "code", code, NOW_S - 1)
    assert not is_valid(TOKEN, "code", code.replace(str(NOW_S), str(NOW_S + 9)), NOW_S - 1)
    assert signed(TOKEN, "code", NOW_S) != code


@pytest.mark.parametrize("shown", ["", ".", "..", "x", f"{NOW_S + 9}", f"{NOW_S + 9}.0.é", "x.y.z"])
def test_pass_that_nobody_signed_is_not_valid(shown: str) -> None:
    assert not is_valid(TOKEN, "code", shown, NOW_S)


# -- the guard -----------------------------------------------------------------------------------------


class Transport:
    """Of one connection."""

    def __init__(self, uid: int | None) -> None:
        self.uid = uid

    def get_extra_info(self, name: str) -> object:
        return self if name == "socket" else None


class Cycle:
    """What uvicorn's receive() is a method of."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def receive(self) -> Message:
        return {"type": "http.request"}


class Door:
    """A guard, and what was let through it."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.now_s = float(NOW_S)
        self.asked = 0
        self.let_in: list[str] = []
        self.guard = Guard(
            self._application, owner=OWNER, token=token, uid_of=self._uid_of, now=lambda: self.now_s
        )

    def _uid_of(self, connection: Any) -> int | None:
        self.asked += 1
        uid: int | None = connection.uid
        return uid

    async def _application(self, scope: Scope, receive: Any, send: Any) -> None:
        self.let_in.append(scope.get("path", scope["type"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def knocks(
        self,
        transport: Transport | int | None,
        headers: Mapping[str, str] | None = None,
        path: str = "/",
        query: str = "",
        kind: str = "http",
    ) -> Message:
        """The first thing that is said to whoever asks."""
        told: list[Message] = []

        async def send(message: Message) -> None:
            told.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        connection = Transport(transport) if isinstance(transport, int) else transport
        scope = {
            "type": kind,
            "path": path,
            "query_string": query.encode(),
            "server": ("127.0.0.1", 5000),
            "headers": [
                (name.encode(), value.encode("latin-1"))
                for name, value in ({"host": HOST} | dict(headers or {})).items()
            ],
        }
        called = receive if connection is None else Cycle(connection).receive
        asyncio.run(self.guard(scope, called, send))
        return told[0]

    def lets_in(self, *args: Any, **kwargs: Any) -> bool:
        before = len(self.let_in)
        told = self.knocks(*args, **kwargs)
        assert (told.get("status") == 200) == (len(self.let_in) > before)
        return len(self.let_in) > before


@pytest.mark.parametrize(("uid", "in_"), [(OWNER, True), (ROOT, True), (STRANGER, False)])
def test_owner_and_root_are_let_in_and_nobody_else(uid: int, in_: bool) -> None:
    assert Door().lets_in(Transport(uid)) is in_


def test_stranger_is_told_how_its_owner_gets_in_as_mlflows_clients_read_it() -> None:
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    door = Door()
    scope = {"type": "http", "path": "/", "headers": [(b"host", HOST.encode())], "server": ("127.0.0.1", 1)}
    asyncio.run(door.guard(scope, Cycle(Transport(STRANGER)).receive, send))
    assert told[0]["status"] == 403
    body = json.loads(told[1]["body"])
    assert body["error_code"] == "PERMISSION_DENIED"
    assert "journeyman dashboard" in body["message"]


def test_kernel_is_asked_once_a_connection_and_anew_for_the_next_one() -> None:
    door = Door()
    first = Transport(STRANGER)
    assert [door.lets_in(first) for _ in range(3)] == [False] * 3
    assert door.asked == 1
    # Of the same address, for all that can be told.
    assert [door.lets_in(Transport(OWNER)) for _ in range(2)] == [True, True]
    assert door.asked == 3


def test_where_the_kernel_does_not_tell_the_token_lets_in() -> None:
    for transport in (Transport(None), None, Transport(STRANGER)):
        door = Door()
        assert not door.lets_in(transport)
        assert door.lets_in(transport, {"authorization": f"Bearer {TOKEN}"})
        assert door.lets_in(transport, {"authorization": f"bearer {TOKEN}"})
        assert not door.lets_in(transport, {"authorization": f"Bearer {TOKEN}x"})
        assert not door.lets_in(transport, {"authorization": "Bearer "})
        assert not door.lets_in(transport, {"authorization": f"Basic {TOKEN}"})
        assert not door.lets_in(transport, {"authorization": "Bearer \xe9"})
    without = Door(token=None)
    assert not without.lets_in(Transport(None), {"authorization": "Bearer None"})
    assert not without.lets_in(Transport(None), path=ENTRANCE, query="code=")


def test_address_that_a_proxy_tells_is_not_looked_at() -> None:
    assert not Door().lets_in(Transport(STRANGER), {"x-forwarded-for": "127.0.0.1:42930"})


def test_browser_exchanges_a_code_once_for_a_cookie_that_lasts_a_day_of_work() -> None:
    door = Door()
    code = signed(TOKEN, "code", NOW_S + CODE_S)
    told = door.knocks(Transport(None), path=ENTRANCE, query=f"code={code}")
    headers = {name.decode(): value.decode() for name, value in told["headers"]}
    assert (told["status"], headers["location"], headers["cache-control"]) == (303, "/", "no-store")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert TOKEN not in cookie
    assert door.lets_in(Transport(None), {"cookie": f"theme=dark; {cookie}"})
    assert not door.lets_in(Transport(None), {"cookie": cookie.replace("journeyman-5000", "journeyman-5001")})
    assert not door.lets_in(Transport(None), {"cookie": f"journeyman-5000={code}"})
    # Whoever reads the address in the browser's history is late.
    assert door.knocks(Transport(None), path=ENTRANCE, query=f"code={code}")["status"] == 403
    door.now_s += COOKIE_S
    assert not door.lets_in(Transport(None), {"cookie": cookie})
    assert door.let_in == ["/"]


@pytest.mark.parametrize(
    "query", ["", "code=", "code=x", f"code={NOW_S + 9}.x.y", "code=%ff", f"token={TOKEN}"]
)
def test_code_that_was_not_made_opens_nothing(query: str) -> None:
    assert Door().knocks(Transport(None), path=ENTRANCE, query=query)["status"] == 403


def test_code_that_is_too_old_opens_nothing() -> None:
    door = Door()
    code = signed(TOKEN, "code", NOW_S + CODE_S)
    door.now_s += CODE_S
    assert door.knocks(Transport(None), path=ENTRANCE, query=f"code={code}")["status"] == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:6666", "http://localhost:5000", "null", "http://[", ""],
)
def test_page_of_another_origin_asks_in_vain_even_in_its_owners_browser(origin: str) -> None:
    assert not Door().lets_in(Transport(OWNER), {"origin": origin})
    assert not Door().lets_in(Transport(None), {"origin": origin, "authorization": f"Bearer {TOKEN}"})


def test_its_own_pages_ask_by_whatever_name_it_was_opened() -> None:
    for host in (HOST, "localhost:5000", "localhost:8080"):
        assert Door().lets_in(Transport(OWNER), {"host": host, "origin": f"http://{host}"})


def test_websockets_are_guarded_and_the_servers_own_life_is_not() -> None:
    door = Door()
    assert door.knocks(Transport(STRANGER), kind="websocket") == {
        "type": "websocket.close",
        "code": 1008,
        "reason": "",
    }
    assert door.lets_in(Transport(OWNER), kind="websocket")
    door.knocks(None, kind="lifespan")
    assert door.let_in == ["/", "/"]


# -- the token in the home folder ----------------------------------------------------------------------


def test_token_is_made_anew_each_time_and_for_its_owner_alone(tmp_path: Path) -> None:
    make_mlflow_token(tmp_path)
    file = mlflow_token_file(tmp_path)
    first = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first) == 64
    file.chmod(0o644)
    make_mlflow_token(tmp_path)
    assert file.read_text() != first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_token_is_written_past_a_link_that_somebody_put_there(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    os.symlink(tmp_path / "elsewhere", tmp_path / "mlflow_token.partial")
    make_mlflow_token(tmp_path)
    assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_token_is_for_the_stack_that_runs_and_its_address_alone(tmp_path: Path) -> None:
    environ = {"JOURNEYMAN_HOME": str(tmp_path)}
    assert own_mlflow(environ) is None
    make_mlflow_token(tmp_path)
    for written in (
        "{",
        "[]",
        '{"cluster": "c", "ports": {}}',
        '{"mlflow_url": "http://a:1", "attached": true}',
    ):
        (tmp_path / "endpoints.json").write_text(written)
        assert own_mlflow(environ) is None
    (tmp_path / "endpoints.json").write_text('{"mlflow_url": "http://127.0.0.1:5000"}')
    mlflow = own_mlflow(environ)
    assert mlflow is not None
    assert mlflow == OwnMlflow(url="http://127.0.0.1:5000", token=mlflow.token)
    assert mlflow.token not in repr(mlflow)
    assert mlflow.is_at("http://127.0.0.1:5000/") and mlflow.is_at("http://127.0.0.1:5000/#/models")
    for other in (
        "http://127.0.0.1:5001",
        "https://127.0.0.1:5000",
        "http://localhost:5000",
        "http://127.0.0.1:5000@evil.example",
        "http://127.0.0.1:5000.evil.example",
        "http://evil.example/http://127.0.0.1:5000",
        "http://127.0.0.1:x",
        "sqlite:///mlflow.db",
        "",
    ):
        assert not mlflow.is_at(other), other
