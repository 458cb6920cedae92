"""Which fork server is meant, where it is found, and what it says of itself.

There is one per raylet, interpreter, user and code. Light: the launcher imports it before every process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import time
from typing import NamedTuple

STACK = "JOURNEYMAN_STACK"
"""In the environment of what a stack starts; the same as in `cluster.local.processes`, which loads psutil."""
RAYLET = "JOURNEYMAN_RAYLET"
"""In the environment of workers and of what they start: the raylet's pid. Ray takes its own from drivers."""
SWITCH = "JOURNEYMAN_WARM"
"""0 in the environment of a process: it and what it starts begin as they would without a fork server."""

STARTING, WARM, OFF = "starting", "warm", "off"
OFF_S = 900.0
"""For how long one that switched itself off is not started again."""


class State(NamedTuple):
    """What a fork server last wrote of itself."""

    state: str
    reason: str
    pid: int
    stack: str
    """The mark of the stack that it belongs to; empty on the nodes of other clusters."""
    since_s: float
    refused: str = ""
    """Why it was last not used."""


class Node(NamedTuple):
    """The files of one fork server."""

    folder: str
    name: str

    @property
    def socket(self) -> str:
        return f"{self.folder}/{self.name}.sock"

    @property
    def lock(self) -> str:
        return f"{self.folder}/{self.name}.lock"

    @property
    def log(self) -> str:
        return f"{self.folder}/{self.name}.log"

    @property
    def told(self) -> str:
        return f"{self.folder}/{self.name}.json"

    def outdated(self) -> list[Node]:
        """Those of the same raylet and interpreter, with this Journeyman as it was before."""
        alike = self.name.rpartition("-")[0]
        names = (name.removesuffix(".sock") for name in os.listdir(self.folder) if name.endswith(".sock"))
        return [
            Node(self.folder, name)
            for name in names
            if name.rpartition("-")[0] == alike and name != self.name
        ]

    def read(self) -> State | None:
        return read_state(self.told)

    def write(self, state: State) -> None:
        beside = f"{self.told}.{os.getpid()}"
        with open(beside, "w") as file:
            json.dump(state._asdict(), file)
        os.replace(beside, self.told)


def read_state(path: str) -> State | None:
    """None where there is none, or something else."""
    try:
        with open(path) as file:
            return State(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def node_of(raylet: int) -> Node:
    """Raises OSError where there is no such raylet, or where the folder is somebody else's."""
    whose = hashlib.sha256(repr((sys.executable, package_root())).encode()).hexdigest()[:8]
    return Node(private_folder(), f"{raylet}-{started(raylet)}-{whose}-{stamp()}")


def private_folder() -> str:
    """This user's own, which nobody else reads; whatever TMPDIR a job has.

    Raises PermissionError where somebody else made it.
    """
    path = folder_of(os.getuid())
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} is not this user's alone")
    return path


def folder_of(user: int) -> str:
    return f"/tmp/journeyman-warm-{user}"


def started(pid: int) -> int:
    """When a process started, in the kernel's ticks: with its pid it is one process for ever."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def environment_of(raylet: int) -> dict[str, str]:
    """What the workers of a raylet start with, before anything of a job's or of their own."""
    with open(f"/proc/{raylet}/environ", "rb") as file:
        pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry)
        environment = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    if environment.get("RAY_LD_PRELOAD_ON_WORKERS", "0") == "0":
        # Ray's own allocator, which it loads into its servers alone.
        environment.pop("LD_PRELOAD", None)
    return environment


def stamp() -> str:
    """Changes with the interpreter, with what is installed beside it, and with every file of Journeyman."""
    executable = os.stat(sys.executable)
    seen: list[object] = [sys.executable, sys.version, executable.st_mtime_ns, executable.st_size]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for prefix in (os.path.dirname(os.path.dirname(sys.executable)), sys.base_prefix):
        for kind in ("site-packages", "dist-packages"):
            with contextlib.suppress(OSError):
                seen.append(os.stat(f"{prefix}/lib/{version}/{kind}").st_mtime_ns)
    seen.append(package_root())
    seen += _times(f"{package_root()}/journeyman")
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def package_root() -> str:
    """The folder that Journeyman is imported from."""
    return os.path.abspath(f"{__file__}/../../../..")


def _times(folder: str) -> list[tuple[str, int]]:
    """In a checkout some of the package's folders are links."""
    found = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                found.append((entry.path, entry.stat().st_mtime_ns))
            elif entry.name != "__pycache__" and entry.is_dir():
                found += _times(entry.path)
    return found


def now_s() -> float:
    return time.time()
