"""Choosing ports: the wanted one where it is free, otherwise the next free one, and who is in the way."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from journeyman.errors import StackError

SEARCHED = 1000
"""How many ports above the wanted one are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortChoice:
    port: int
    wanted: int
    owner: str
    """Who listens on the wanted port, in words; empty where it was free."""


def choose_ports(wanted: Mapping[str, int]) -> dict[str, PortChoice]:
    """For each name a port that nobody listens on, no two alike. Raises StackError where there is none."""
    chosen: dict[str, PortChoice] = {}
    given: set[int] = set()
    for name, first in wanted.items():
        # Later names keep their own wanted ports: an earlier one that has to move steps over them.
        kept = given | (set(wanted.values()) - {first})
        candidates = (port for port in range(first, min(first + SEARCHED, 65536)) if port not in kept)
        port = next((port for port in candidates if is_free(port)), None)
        if port is None:
            raise StackError(
                f"no free port for {name}: {first} and the {SEARCHED} above it are taken",
                "`ss -ltnp` lists who listens.",
            )
        chosen[name] = PortChoice(port=port, wanted=first, owner="" if port == first else port_owner(first))
        given.add(port)
    return chosen


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, on loopback or on all interfaces."""
    for host in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            # As servers do; without it the last connections of a server that is gone still hold its port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def port_owner(port: int) -> str:
    """Who listens on the port, in words. Other users' processes hide themselves from us."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", 0) == port
            if listens and connection.pid is not None:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (pid {process.pid}, user {process.username()})"
    return "a process that we may not look at"
