"""Whose process is at the other end of a TCP connection of this machine, or listens: Linux's kernel tells.

It is asked for the one socket (netlink's `sock_diag`, as `ss` does): 0.02 ms of processor time. A kernel
without that has a line for each socket in `/proc/net/tcp`, which is 0.4 to 5 ms to read.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

Address = tuple[str, int]

_ESTABLISHED, _FIN_WAIT_1, _FIN_WAIT_2, _CLOSE_WAIT = 1, 4, 5, 8
_CONNECTED = (_ESTABLISHED, _FIN_WAIT_1, _FIN_WAIT_2, _CLOSE_WAIT)
"""Or half closed. What listens, or still asks for a connection, has none with us."""
_OPEN = (_ESTABLISHED, _CLOSE_WAIT)
"""Of our own end."""
_LISTEN = 10
NOBODY = -1
"""No user has this number."""
_OVERFLOW = Path("/proc/sys/kernel/overflowuid")

_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NETLINK_ERROR = 2
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_SOCKET_ID = struct.Struct("!HH16s16s4x8s")
_TOLD = struct.Struct(f"=BBBB{_SOCKET_ID.size}xIIIII")
_PATIENCE_S = 1.0

_TABLES = ((Path("/proc/net/tcp"), False), (Path("/proc/net/tcp6"), True))
_LOOKS = 2
"""A table is read in pieces, between which a line can be lost."""


class Connection(Protocol):
    """A connected socket, as asyncio's transports hand it out."""

    def getpeername(self) -> tuple[str, int] | tuple[str, int, int, int]: ...
    def getsockname(self) -> tuple[str, int] | tuple[str, int, int, int]: ...
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


class Told(NamedTuple):
    """What the kernel tells of a socket."""

    state: int
    uid: int
    inode: int

    @property
    def owner(self) -> int | None:
        # A socket that its process has closed belongs to nobody: in the end the kernel writes 0, as for root.
        return self.uid if self.state in _CONNECTED and self.inode else None


def uid_of_peer(connection: Connection) -> int | None:
    """The user whose process is at the other end; None where the kernel does not tell.

    It does not on other systems than Linux, across network namespaces, and of a process that has closed.
    """
    if sys.platform != "linux":
        return None
    try:
        peer, own = connection.getpeername(), connection.getsockname()
        told = _look((peer[0], peer[1]), (own[0], own[1]))
        # The other end may have gone meanwhile, and its address be another user's: not while ours is open.
        is_open = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _OPEN
        # Whoever has no name in this process's user namespace is written as one and the same.
        nameless = int(_OVERFLOW.read_text())
    except (OSError, ValueError, struct.error):
        return None
    owner = told.owner if told is not None else None
    return owner if is_open and owner != nameless else None


def uid_of_listener(address: Address) -> int | None:
    """The user whose process a connection to that address would reach, or NOBODY where none listens there.

    None where the kernel does not tell, as it does not on other systems than Linux.
    """
    if sys.platform != "linux":
        return None
    try:
        told = _look(address, (_unspecified(address), 0))
    except (OSError, ValueError, struct.error):
        return None
    return told.uid if told is not None and told.state == _LISTEN else NOBODY


def _unspecified(address: Address) -> str:
    """What the other end of a socket that listens is written as."""
    return "::" if ":" in address[0] else "0.0.0.0"


def _look(peer: Address, own: Address) -> Told | None:
    try:
        return ask_kernel(peer, own)
    except OSError:
        return read_tables(peer, own)


# -- netlink -------------------------------------------------------------------------------------------


def ask_kernel(peer: Address, own: Address) -> Told | None:
    """Of the socket at `peer` that is connected to `own`; of what listens there where none is.

    Raises OSError where the kernel cannot be asked.
    """
    family, packed_peer, packed_own = socket.AF_INET, _packed(peer), _packed(own)
    if len(packed_peer) > 4:
        family = socket.AF_INET6
    asked = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    asked += _SOCKET_ID.pack(peer[1], own[1], packed_peer, packed_own, _NO_COOKIE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.settimeout(_PATIENCE_S)
        length = _HEADER.size + len(asked)
        netlink.sendto(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, 1, 1, 0) + asked, (0, 0))
        answer = netlink.recv(65536)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        (error,) = struct.unpack_from("=i", answer, _HEADER.size)
        if error == -errno.ENOENT and kind == _NETLINK_ERROR:
            return None
        raise OSError(-error, "netlink's sock_diag")
    _, state, _, _, _, _, _, uid, inode = _TOLD.unpack_from(answer, _HEADER.size)
    return Told(state, uid, inode)


# -- /proc ---------------------------------------------------------------------------------------------


def read_tables(peer: Address, own: Address) -> Told | None:
    """The same from the tables."""
    for _ in range(_LOOKS):
        for path, wide in _TABLES:
            # A kernel may be without IPv6.
            table = path.read_text() if path.exists() else ""
            if told := told_in(table, peer, own, wide=wide):
                return told
    return None


def told_in(table: str, peer: Address, own: Address, *, wide: bool = False) -> Told | None:
    """The same from the text of a table; `wide` is IPv6's."""
    needle = f": {_written(peer, wide)} {_written(own, wide)} "
    at = table.find(needle)
    if at < 0:
        return None
    fields = table[at + len(needle) : table.find("\n", at)].split()
    return Told(state=int(fields[0], 16), uid=int(fields[4]), inode=int(fields[6]))


def _written(address: Address, wide: bool) -> str:
    """As a table writes it: words of 32 bits in the machine's order."""
    packed = _packed(address)
    if wide and len(packed) == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"


def _packed(address: Address) -> bytes:
    ip = ipaddress.ip_address(address[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # A server on :: sees IPv4's addresses mapped, and so does a client with such a socket.
        ip = ip.ipv4_mapped or ip
    return ip.packed
