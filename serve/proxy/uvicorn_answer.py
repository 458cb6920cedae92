"""A whole answer, written to uvicorn's connection at once.

uvicorn's own way is two messages, each through a coroutine that awaits the connection, and a search of every
header for what must not be in one: a seventh of what a small model's request takes in a replica. Here the
answer is all there, and its headers are our own or were read by uvicorn's parser.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_TOUCHED = {
    "default_headers",
    "disconnected",
    "flow",
    "keep_alive",
    "message_event",
    "on_response",
    "response_complete",
    "response_started",
    "scope",
    "transport",
    "waiting_for_100_continue",
}
_KNOWN = set(RequestResponseCycle.__init__.__code__.co_names) >= _TOUCHED
"""Whether a cycle of this uvicorn has all that is touched here; of the locked version it has."""


async def send_answer(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """As two messages to `send` would, with the content-length among the headers."""
    cycle = getattr(send, "__self__", None)
    if _KNOWN and type(cycle) is RequestResponseCycle and _is_plain(cycle):
        _write(cycle, status, headers, body)
        return
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def _is_plain(cycle: RequestResponseCycle) -> bool:
    """Whether the answer to this request is its bytes, and the connection is there and has room for them."""
    return (
        cycle.keep_alive
        and not cycle.disconnected
        and not cycle.flow.write_paused
        and cycle.scope["method"] != "HEAD"
    )


def _write(
    cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> None:
    parts = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n", body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join(parts))
    # Who waits for the caller to leave, and the connection, which reads the next request.
    cycle.message_event.set()
    cycle.on_response()
