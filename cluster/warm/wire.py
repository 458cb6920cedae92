"""What a launcher and a fork server say to each other: a length and JSON, and files beside it."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_MAX_BYTES = 64 * 1024**2
MAX_FILES = 200
"""The kernel hands over 253 at once."""


def send(connection: socket.socket, message: dict[str, Any], files: list[int] | None = None) -> None:
    content = json.dumps(message).encode()
    head = _LENGTH.pack(len(content))
    if files:
        sent = socket.send_fds(connection, [head], files)
        head = head[sent:]
    connection.sendall(head + content)


class Inbox:
    """Puts messages together from what has come; files belong to the message that comes next."""

    def __init__(self) -> None:
        self._bytes = b""
        self.files: list[int] = []

    def take(self, connection: socket.socket) -> bool:
        """Reads what is there; False once there will be no more."""
        content, files, _, _ = socket.recv_fds(connection, 1 << 20, MAX_FILES + 2, socket.MSG_CMSG_CLOEXEC)
        self.files += files
        self._bytes += content
        return bool(content)

    def message(self) -> dict[str, Any] | None:
        """The next one; None until it is whole. Raises ValueError for what is none."""
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if length > _MAX_BYTES:
            raise ValueError(f"a message of {length} bytes")
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        content, self._bytes = self._bytes[_LENGTH.size : end], self._bytes[end:]
        message: dict[str, Any] = json.loads(content)
        return message


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message, without files; None where the other end is closed."""
    head = _exactly(connection, _LENGTH.size)
    if not head:
        return None
    message: dict[str, Any] = json.loads(_exactly(connection, _LENGTH.unpack(head)[0]))
    return message


def _exactly(connection: socket.socket, number: int) -> bytes:
    """So many bytes, or fewer where there are no more."""
    content = b""
    while len(content) < number and (more := connection.recv(number - len(content))):
        content += more
    return content


def same_user(connection: socket.socket) -> bool:
    """Whether this very user is at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.getuid())
