"""An answer written at once is, byte for byte, what uvicorn makes of its two messages."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from journeyman.serve.proxy import uvicorn_answer
from journeyman.serve.proxy.uvicorn_answer import send_answer

LARGE = 8 * 2**20
POST = b"POST /%s HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\nhi"
# What a connection brings, with %s for how it is answered, and how many answers there are.
CONVERSATIONS = {
    "one": (POST, 1),
    "several at once": (POST * 3, 3),
    "HEAD": (b"HEAD /%s HTTP/1.1\r\nhost: here\r\n\r\n", 1),
    "connection closed by the caller": (
        b"POST /%s HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        1,
    ),
    "HTTP/1.0": (b"POST /%s HTTP/1.0\r\nhost: here\r\ncontent-length: 2\r\n\r\nhi", 1),
    "asked first": (
        b"POST /%s HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi",
        1,
    ),
    "body that nobody reads": (POST.replace(b"/%s", b"/%s/unread"), 1),
    "refused": (POST.replace(b"/%s", b"/%s/refused"), 1),
    "more than the connection holds": (POST.replace(b"/%s", b"/%s/large") * 3, 3),
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    _, way, *asked = scope["path"].split("/")
    if asked != ["unread"]:
        while (await receive()).get("more_body"):
            pass
    body = b"x" * LARGE if asked == ["large"] else b"hello"
    status = 503 if asked == ["refused"] else 200
    headers = [(b"Version", b"3"), (b"content-length", b"%d" % len(body)), (b"x-request-id", b"abc")]
    if way == "whole":
        # uvicorn writes names in lower case; so are all of ours.
        await send_answer(send, status, [(name.lower(), value) for name, value in headers], body)
    else:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, lifespan="off", log_level="critical", loop="uvloop", http="httptools")
    )
    serving = threading.Thread(target=server.run)
    serving.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    serving.join()


def said(address: tuple[str, int], asked: bytes, answers: int) -> bytes:
    """All that comes back, until the connection is closed or has nothing more to say."""
    with socket.create_connection(address) as connection:
        connection.sendall(asked)
        found = bytearray()
        # Nothing is read at first, so that what is large stays with the server.
        time.sleep(0.1)
        connection.settimeout(5)
        while found.count(b"HTTP/1.1 ") < answers or not found.endswith((b"hello", b"xx", b"abc\r\n\r\n")):
            chunk = connection.recv(2**20)
            if not chunk:
                break
            found += chunk
        connection.settimeout(0.3)
        try:
            while chunk := connection.recv(2**20):
                found += chunk
        except TimeoutError:
            found += b"(still open)"
    return re.sub(rb"date: [^\r]*", b"date:", bytes(found))


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_caller_reads_the_same_bytes(address: tuple[str, int], conversation: str) -> None:
    asked, answers = CONVERSATIONS[conversation]
    usual = said(address, asked.replace(b"%s", b"usual"), answers)
    assert said(address, asked.replace(b"%s", b"whole"), answers) == usual
    assert usual.count(b"HTTP/1.1 ") >= answers


def test_connection_is_kept_for_the_next_request(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        for _ in range(3):
            connection.sendall(POST.replace(b"%s", b"whole"))
            found = b""
            while not found.endswith(b"hello"):
                found += connection.recv(2**16)


def test_locked_uvicorn_has_what_is_touched_and_another_writes_by_itself(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert uvicorn_answer._KNOWN
    written: list[int] = []
    write = uvicorn_answer._write

    def noted(
        cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> None:
        written.append(status)
        write(cycle, status, headers, body)

    monkeypatch.setattr(uvicorn_answer, "_write", noted)
    asked = POST.replace(b"%s", b"whole")
    first = said(address, asked, 1)
    assert written == [200]
    monkeypatch.setattr(uvicorn_answer, "_KNOWN", False)
    assert said(address, asked, 1) == first
    assert written == [200]
