"""Whose process is at the other end of a TCP connection on this machine, as Linux's kernel tells it.

`/proc/net/tcp` has a line for each socket, with the user who made it. Everybody may read it.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import Protocol

Address = tuple[str, int]

_TABLES = ((Path("/proc/net/tcp"), False), (Path("/proc/net/tcp6"), True))
_OVERFLOW = Path("/proc/sys/kernel/overflowuid")
_LOOKS = 2
"""A table is read in pieces, between which a line can be lost."""
_CONNECTED = ("01", "04", "05", "08")
"""Established, or half closed by one side. What still asks for a connection (02) has none with us."""
_OPEN = (1, 8)
"""Of our own end: established, or closed by the other side alone."""


class Connection(Protocol):
    """A connected socket, as asyncio's transports hand it out."""

    def getpeername(self) -> tuple[str, int] | tuple[str, int, int, int]: ...
    def getsockname(self) -> tuple[str, int] | tuple[str, int, int, int]: ...
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def uid_of_peer(connection: Connection) -> int | None:
    """The user whose process is at the other end; None where the kernel does not tell.

    It does not on other systems than Linux, across network namespaces, and of a process that has closed.
    """
    if sys.platform != "linux":
        return None
    try:
        peer, own = connection.getpeername(), connection.getsockname()
        uid = _look((peer[0], peer[1]), (own[0], own[1]))
        # The other end may have gone meanwhile, and its address be another user's: not while ours is open.
        is_open = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _OPEN
        # Whoever has no name in this process's user namespace is written as one and the same.
        nameless = int(_OVERFLOW.read_text())
    except (OSError, ValueError):
        return None
    return uid if is_open and uid != nameless else None


def uid_in(table: str, peer: Address, own: Address, *, wide: bool = False) -> int | None:
    """The user in the line of the socket that is at `peer` and connected to `own`; `wide` is IPv6's table."""
    needle = f": {_written(peer, wide)} {_written(own, wide)} "
    at = table.find(needle)
    if at < 0:
        return None
    fields = table[at + len(needle) : table.find("\n", at)].split()
    state, uid, inode = fields[0], fields[4], fields[6]
    # A socket that its process has closed belongs to nobody: in the end the kernel writes 0, as for root.
    return int(uid) if state in _CONNECTED and inode != "0" else None


def _look(peer: Address, own: Address) -> int | None:
    for _ in range(_LOOKS):
        for path, wide in _TABLES:
            # A kernel may be without IPv6.
            table = path.read_text() if path.exists() else ""
            if (uid := uid_in(table, peer, own, wide=wide)) is not None:
                return uid
    return None


def _written(address: Address, wide: bool) -> str:
    """As the table writes it: words of 32 bits in the machine's order; `wide` is IPv6's."""
    ip = ipaddress.ip_address(address[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # A server on :: sees IPv4's addresses mapped, and so does a client with such a socket.
        ip = ip.ipv4_mapped or ip
    packed = ip.packed
    if wide and len(packed) == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
