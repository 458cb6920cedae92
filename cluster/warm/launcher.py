"""What Ray starts instead of Python: it has a fork server make the process, or becomes the plain command.

`python -I -S launcher.py COMMAND…`, where COMMAND is what Python would be given. Whatever is wrong with the
fork server, within a second this process is `python COMMAND…`. Else it stays beside the child and stands for
it: what it is sent goes to the child, it ends as the child does, and the child ends with it. A worker of Ray
stands for itself once Ray knows it; its launcher ends then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import sys
from typing import NoReturn

if __name__ == "__main__":
    # Behind the standard library: what is installed may have the same names.
    sys.path.append(os.path.abspath(f"{__file__}/../../../.."))

from journeyman.cluster.warm import node, wire
from journeyman.cluster.warm.condition import conditions

ANSWER_S = 1.0
"""Within which a fork server says that it heard; one that is stopped, or waits for something, does not."""
READY_S = 10.0
"""Within which the child it makes then is ready: on a full machine that takes a while."""
_STATUS_S = 2.0
"""How long the fork server may take to tell how a child ended that has ended."""
_SILENT_MS = 5000
"""How long after its last word a child that ends may take to have ended."""
_WORKER_MARK = "--worker-id="
_ROOM = ("-" * 63,) * 80
"""Arguments of the fork server that its children write theirs over; Ray looks for them in 8 KiB."""
_FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGCONT,
)  # fmt: skip
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


class Child:
    """A forked process that is ready and waits for the go."""

    def __init__(self, pid: int, server: socket.socket, link: socket.socket, life: int) -> None:
        self.pid = pid
        self.server = server
        self.link = link
        self.life = life
        """The child is killed once this end of a pipe is closed."""
        self.handle = os.pidfd_open(pid)


def main() -> None:
    command = sys.argv[1:]
    is_worker = any(argument.startswith(_WORKER_MARK) for argument in command)
    child = None
    if sys.platform == "linux" and os.environ.get(node.SWITCH) != "0":
        # Whatever it is, the process starts without.
        with contextlib.suppress(Exception):
            child = _asked_for(command, is_worker)
    if child is None:
        _become(command)
    _stand_for(child, command, is_worker)


def _become(command: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *command])


def _asked_for(command: list[str], is_worker: bool) -> Child | None:
    """A child that waits for the go; None where there is none to be had."""
    if is_worker:
        raylet = int(os.environ["RAY_RAYLET_PID"])
        if raylet != os.getppid():
            # In a container, where a pid means another process.
            return None
        os.environ[node.RAYLET] = str(raylet)
    else:
        raylet = int(os.environ[node.RAYLET])
    server = node.node_of(raylet)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_S)
    try:
        connection.connect(server.socket)
    except OSError as error:
        if is_worker and error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            _start(server, raylet)
        return None
    if not wire.same_user(connection) or wire.receive(connection) != {"heard": True}:
        return None
    files = _inherited(connection.fileno())
    if len(files) > wire.MAX_FILES:
        return None
    link, its_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    its_life, life = os.pipe()
    request = {
        "command": command,
        "interpreter": sys.executable,
        "environment": dict(os.environ),
        "files": files,
        "worker": is_worker,
        "given": conditions(),
    }
    wire.send(connection, request, [its_link.fileno(), its_life, *files])
    its_link.close()
    os.close(its_life)
    link.settimeout(READY_S)
    word, _, rest = link.recv(1 << 16).decode().partition(" ")
    if word == "ready":
        return Child(int(rest), connection, link, life)
    if word == "refused":
        wire.send(connection, {"refused": rest})
    return None


def _inherited(own: int) -> list[int]:
    """The files that this process was started with."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        # What this process opened since closes when it executes something, and so does the listing.
        with contextlib.suppress(OSError):
            if int(name) != own and os.get_inheritable(int(name)):
                found.append(int(name))
    return sorted(found)


def _start(server: node.Node, raylet: int) -> None:
    """One that is started is there for those that come later."""
    told = server.read()
    if told is not None and told.state == node.OFF and node.now_s() - told.since_s < node.OFF_S:
        return
    lock = os.open(server.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Another one starts it, or it is stuck.
        return
    log = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    # A child of this process, which becomes a worker, would be ended with it.
    others = [number for number in _inherited(lock) if number > 2]
    os.set_inheritable(lock, True)
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "journeyman.cluster.warm.server", str(raylet), server.name, str(lock), *_ROOM],
        _environment_of(raylet),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
            *((os.POSIX_SPAWN_CLOSE, number) for number in others),
        ],
        setpgroup=0,
        setsigmask=[],
    )
    os._exit(0)


def _environment_of(raylet: int) -> dict[str, str]:
    """No job's; and where to find this very Journeyman."""
    environment = node.environment_of(raylet)
    environment.pop("OMP_NUM_THREADS", None)
    root = node.package_root()
    paths = ["" if root.endswith("-packages") else root, environment.get("PYTHONPATH", "")]
    # First what no child changes: by where it stands Ray finds the arguments.
    first = {"HOME": environment["HOME"]} if "HOME" in environment else {}
    return (
        first
        | environment
        | {
            "PYTHONPATH": ":".join(filter(None, paths)),
            # Its threads would not be there in a child.
            "OPENBLAS_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
    )


def _stand_for(child: Child, command: list[str], is_worker: bool) -> NoReturn:
    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: _forward(child, number))
    with contextlib.suppress(OSError):
        child.link.send(b"go")
    child.link.setblocking(False)
    poll = select.poll()
    poll.register(child.handle, select.POLLIN)
    poll.register(child.link, select.POLLIN)
    registered, last_word = False, ""
    silent = ended = False
    while not ended:
        for ready, _ in poll.poll():
            ended = ended or ready == child.handle
        while word := _word(child.link):
            registered = registered or word == "registered"
            last_word = word
            if registered and is_worker:
                os._exit(0)
        if word is None and silent is False:
            silent = True
            poll.unregister(child.link)
            if is_worker and not last_word and not poll.poll(_SILENT_MS):
                # It became another program, which stands for itself.
                os._exit(0)
    status = _status_of(child, last_word)
    early = not registered and _is_fault(status, is_worker)
    if early:
        with contextlib.suppress(OSError):
            wire.send(child.server, {"off": f"a child {_told(status)} before Ray knew it"})
    if early and is_worker:
        _become(command)
    _end_with(status)


def _word(link: socket.socket) -> str | None:
    """What the child says; empty where it says nothing, None once it never will."""
    try:
        return link.recv(1 << 16).decode() or None
    except BlockingIOError:
        return ""
    except OSError:
        return None


def _forward(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(child.handle, number)


def _status_of(child: Child, last_word: str) -> int:
    """How it ended, as `waitpid` tells it: its parent knows, the fork server; else by what it said last."""
    child.server.settimeout(_STATUS_S)
    with contextlib.suppress(OSError, ValueError):
        if message := wire.receive(child.server):
            return int(message["ended"])
    word, _, rest = last_word.partition(" ")
    return int(rest) << 8 if word == "exit" else int(signal.SIGKILL)


def _is_fault(status: int, is_worker: bool) -> bool:
    """Whether a child that Ray did not know yet ended by a fault of forking, as far as can be told."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return number not in _FROM_OUTSIDE if is_worker else number in _CRASHES
    return is_worker


def _told(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with code {os.WEXITSTATUS(status)}"


def _end_with(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        last = os.WTERMSIG(status)
        # The child has left the core that there is to be.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if last != signal.SIGKILL:
            signal.signal(last, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {last})
        os.kill(os.getpid(), last)
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
