"""The fork server of a node: it has imported everything but Ray, and forks a child for each launcher.

`python -m journeyman.cluster.warm.server RAYLET NAME LOCK`: the pid that it ends with, the name that its
launcher knows it by, and a locked file that it holds.
"""

from __future__ import annotations

import gc
import os
import random
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from journeyman.cluster.warm import node, wire
from journeyman.cluster.warm.child import Loaded, become
from journeyman.cluster.warm.first_import import Blas
from journeyman.cluster.warm.imports import import_all, recorded_reads
from journeyman.cluster.warm.node import OFF, STARTING, WARM, Node, State
from journeyman.cluster.warm.proof import flaws

_BACKLOG = 128
_RETIRE_S = 1.0
_NICE = 5
"""Of what imports. Those that answer requests come first; but as low as trainings are, it would never be
there on a node that is full of them."""


def main(raylet: int, name: str, lock: int) -> None:
    del sys.path[0]
    os.set_inheritable(lock, False)
    server = Node(node.private_folder(), name)
    raylet_handle = os.pidfd_open(raylet)
    _sweep(server.folder)
    told = Told(server, os.environ.get(node.STACK, ""))
    told.write(STARTING, "imports what its children need")
    environment = node.environment_of(raylet)
    loaded = load(environment)
    if (there := node.node_of(raylet).name) != name:
        told.write(OFF, f"it is not the code that it was started for, or changed meanwhile: {there}")
        return
    if reason := flaws(loaded.generators):
        told.write(OFF, reason)
        return
    with suppress(FileNotFoundError):
        os.unlink(server.socket)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(server.socket)
    listener.listen(_BACKLOG)
    _retire(server.outdated())
    told.write(WARM, "")
    asked = ForkServer(listener, raylet_handle, [lock], told).serve()
    if asked is not None:
        become(*asked, loaded)
    # Why it is out of service is to be read for as long as there is a node.
    left = (server.socket,) if told.is_off else (server.socket, server.told, server.log)
    for path in left:
        with suppress(FileNotFoundError):
            os.unlink(path)


class Told:
    """What this fork server says of itself."""

    def __init__(self, server: Node, stack: str) -> None:
        self._server = server
        self._last = State(STARTING, "", os.getpid(), stack, time.time())

    def write(self, state: str, reason: str) -> None:
        self._last = State(state, reason, os.getpid(), self._last.stack, time.time())
        self._server.write(self._last)

    @property
    def is_off(self) -> bool:
        return self._last.state == OFF

    def refused(self, reason: str) -> None:
        self._last = self._last._replace(refused=reason)
        self._server.write(self._last)


def load(environment: dict[str, str]) -> Loaded:
    """Imports everything, beside those that answer requests here."""
    with recorded_reads() as read:
        # In a thread: on Linux a priority is a thread's, and this one could not take its own back.
        importing = threading.Thread(target=_import)
        importing.start()
        importing.join()
    torch: Any = sys.modules["torch"]
    loaded = Loaded(
        environment=environment,
        read=set(read),
        path=_path_of_its_own(),
        searched=tuple(sys.path),
        blas=Blas(),
        torch_threads=torch.get_num_threads(),
        # Exactly: one that draws from the system has no seed.
        generators=tuple(each for each in gc.get_objects() if type(each) is random.Random),
    )
    # Collected here once, and never again in the children: what is not written stays shared.
    gc.collect()
    gc.freeze()
    return loaded


def _import() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    for name, why in import_all().items():
        sys.stderr.write(f"{name} is not imported: {why}\n")


def _path_of_its_own() -> tuple[str, ...]:
    """Where this interpreter looks for modules when it is told nothing."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import sys; print('\\n'.join(sys.path[1:]))"
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd="/", text=True)
    return tuple(told.splitlines())


def _retire(outdated: list[Node]) -> None:
    """No process will ask for their code again."""
    for each in outdated:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_RETIRE_S)
            connection.connect(each.socket)
            wire.receive(connection)
            wire.send(connection, {"off": "its code was changed meanwhile"})


def _sweep(folder: str) -> None:
    """What fork servers left behind whose raylet is gone."""
    for name in os.listdir(folder):
        raylet, _, rest = name.partition("-")
        with suppress(OSError, ValueError):
            if not _lives(int(raylet), int(rest.partition("-")[0])):
                os.unlink(f"{folder}/{name}")


def _lives(pid: int, started: int) -> bool:
    try:
        return node.started(pid) == started
    except FileNotFoundError:
        return False


class ForkServer:
    """Forks for whoever asks, and tells them how their child ended. It never waits for one of them."""

    def __init__(self, listener: socket.socket, raylet: int, held: list[int], told: Told) -> None:
        self._listener: socket.socket | None = listener
        self._raylet = raylet
        self._held = held
        self._told = told
        self._inboxes: dict[socket.socket, wire.Inbox] = {}
        self._children: dict[int, tuple[int, socket.socket]] = {}
        """By the handle that tells their end: their pid, and who asked for them."""
        self._ready = selectors.DefaultSelector()

    def serve(self) -> tuple[dict[str, Any], list[int]] | None:
        """Until the raylet ends, or it is out of service and nobody needs it any more: None.

        In a child: what was asked for, with the files that came with it.
        """
        assert self._listener is not None
        self._listener.setblocking(False)
        self._ready.register(self._listener, selectors.EVENT_READ)
        self._ready.register(self._raylet, selectors.EVENT_READ)
        while self._listener is not None or self._children:
            for key, _ in self._ready.select():
                source: Any = key.fileobj
                if source is self._listener:
                    self._accept()
                elif source == self._raylet:
                    return None
                elif source in self._children:
                    self._collect(source)
                elif source in self._inboxes and (asked := self._hear(source)):
                    return asked
        return None

    def _accept(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            connection, _ = self._listener.accept()
            if not wire.same_user(connection):
                connection.close()
                return
            connection.setblocking(False)
            # Before anything comes: where nobody hears, nobody's files wait to be taken.
            wire.send(connection, {"heard": True})
            self._inboxes[connection] = wire.Inbox()
            self._ready.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        inbox = self._inboxes[connection]
        try:
            more = inbox.take(connection)
            message = inbox.message()
        except (OSError, ValueError):
            more, message = False, None
        if message is not None and "command" in message:
            files, inbox.files = inbox.files, []
            return self._fork(connection, message, files)
        if message is not None and "refused" in message:
            self._told.refused(str(message["refused"]))
        if message is not None and "off" in message:
            self._switch_off(str(message["off"]))
        if not more:
            self._forget(connection)
        return None

    def _fork(
        self, connection: socket.socket, message: dict[str, Any], files: list[int]
    ) -> tuple[dict[str, Any], list[int]] | None:
        try:
            pid = os.fork()
        except OSError as error:
            # The launcher waits for nobody for long.
            self._told.refused(f"it cannot fork: {error}")
            pid = -1
        if pid == 0:
            self._close()
            return message, files
        for number in files:
            os.close(number)
        if pid > 0:
            handle = os.pidfd_open(pid)
            self._children[handle] = (pid, connection)
            self._ready.register(handle, selectors.EVENT_READ)
        return None

    def _collect(self, handle: int) -> None:
        pid, connection = self._children.pop(handle)
        self._ready.unregister(handle)
        os.close(handle)
        status = os.waitpid(pid, 0)[1]
        if connection in self._inboxes:
            with suppress(OSError):
                wire.send(connection, {"ended": status})

    def _switch_off(self, reason: str) -> None:
        self._told.write(OFF, reason)
        if self._listener is not None:
            self._ready.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _forget(self, connection: socket.socket) -> None:
        for number in self._inboxes.pop(connection).files:
            os.close(number)
        self._ready.unregister(connection)
        connection.close()

    def _close(self) -> None:
        """In a child: nothing of the server's stays open."""
        self._ready.close()
        if self._listener is not None:
            self._listener.close()
        for connection, inbox in self._inboxes.items():
            connection.close()
            for number in inbox.files:
                os.close(number)
        for number in (self._raylet, *self._held, *self._children):
            os.close(number)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
