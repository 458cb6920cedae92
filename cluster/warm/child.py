"""A forked process becomes what its launcher was started for, as if it had been started afresh."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import fcntl
import os
import random
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn

from journeyman.cluster.warm import condition
from journeyman.cluster.warm.first_import import Blas, hide
from journeyman.cluster.warm.imports import AT_START, unlike

_LOOK_S = 0.02
_RUNPY = runpy.run_module.__code__.co_filename


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a fork server had when it began to fork."""

    environment: Mapping[str, str]
    """The raylet's own."""
    read: set[str]
    """The variables that were read while it imported."""
    path: tuple[str, ...]
    """Where an interpreter looks for modules that is given no path of its own."""
    searched: tuple[str, ...]
    """Where the fork server looked."""
    blas: Blas
    torch_threads: int
    generators: tuple[random.Random, ...]
    """Those that libraries keep for themselves."""


class RefusedError(Exception):
    """This process is to be started plainly."""


def become(request: Mapping[str, Any], files: list[int], loaded: Loaded) -> NoReturn:
    """Takes the place of the process that asked, once it says so; ends without a word where it does not.

    `files` are the link to the launcher, the end of a pipe that it keeps open while it lives, and the files
    that it was started with.
    """
    link_number, life, *given = files
    highest = max(request["files"], default=2)
    link = socket.socket(fileno=_above(link_number, highest))
    life = _above(life, highest)
    try:
        program = Program(request["command"])
        _check(request, program, loaded)
        _take_files(given, request["files"])
        condition.put_on(request["given"])
        _take_environment(request["environment"], program, loaded)
        _show_arguments([request["interpreter"], *request["command"]])
        sys.orig_argv[:] = [request["interpreter"], *request["command"]]
        sys.path[:] = _path(program, request["environment"], loaded)
    except RefusedError as refused:
        link.send(f"refused {refused}".encode())
        os._exit(0)
    except Exception as error:  # noqa: BLE001
        # Whatever it is, the launcher starts its process without.
        link.send(f"refused {type(error).__name__}: {error}".encode())
        os._exit(0)
    link.send(f"ready {os.getpid()}".encode())
    if link.recv(16) != b"go":
        os._exit(0)
    die_with(life)
    threading.Thread(
        target=_tell_registered, args=(link, life, request["worker"]), name="registered", daemon=True
    ).start()
    program.run(link)


class Program:
    """What an interpreter is given: a file or a module, and arguments."""

    def __init__(self, command: list[str]) -> None:
        self.safe_path = False
        self.unbuffered = False
        rest = list(command)
        while rest and rest[0] in ("-P", "-u"):
            self.safe_path |= rest[0] == "-P"
            self.unbuffered |= rest[0] == "-u"
            del rest[0]
        if not rest or (rest[0] == "-m" and len(rest) < 2) or (rest[0] != "-m" and rest[0].startswith("-")):
            raise RefusedError(f"no program that can be run in a child: {' '.join(command)}")
        self.module = rest[1] if rest[0] == "-m" else None
        self.file = None if self.module else rest[0]
        self.arguments = rest[2:] if self.module else rest[1:]

    @property
    def folder(self) -> str | None:
        """What comes first where modules are looked for."""
        if self.safe_path:
            return None
        return os.getcwd() if self.file is None else os.path.dirname(os.path.realpath(self.file))

    def run(self, link: socket.socket) -> NoReturn:
        """To its end, by the end of the interpreter."""
        try:
            self._run()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                sys.stderr.write(f"{ended.code}\n")
        except KeyboardInterrupt as error:
            _print(error)
            _flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
            code = 130
        except BaseException as error:  # noqa: BLE001
            # What the interpreter does with what nobody caught.
            _print(error)
            code = 1
        with contextlib.suppress(OSError):
            link.send(f"exit {code & 0xFF}".encode())
        sys.exit(code)

    def _run(self) -> None:
        if self.module is not None:
            sys.argv[:] = ["-m", *self.arguments]
            runpy.run_module(self.module, run_name="__main__", alter_sys=True)
            return
        assert self.file is not None
        sys.argv[:] = [self.file, *self.arguments]
        main = ModuleType("__main__")
        loader = SourceFileLoader("__main__", self.file)
        vars(main).update(
            __file__=self.file, __builtins__=builtins, __loader__=loader, __cached__=None, __annotations__={}
        )
        sys.modules["__main__"] = main
        exec(loader.source_to_code(loader.get_data(self.file), self.file), vars(main))


def die_with(life: int) -> None:
    """Have the kernel kill this process, and its group, once the other end of `life` is closed."""
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    leads = os.getpgid(0) == os.getpid()
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpid() if leads else os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    gone = select.poll()
    gone.register(life, select.POLLIN)
    if gone.poll(0):
        # Closed before the kernel was told.
        os._exit(0)


def _tell_registered(link: socket.socket, life: int, is_worker: bool) -> None:
    """Once Ray knows this process; a worker stands for itself from then on."""
    began_s = time.monotonic()
    while not _is_registered():
        time.sleep(max(_LOOK_S, (time.monotonic() - began_s) / 50))
    if is_worker:
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) & ~os.O_ASYNC)
        os.close(life)
    with contextlib.suppress(OSError):
        link.send(b"registered")
    if is_worker:
        link.close()


def _is_registered() -> bool:
    asked = getattr(sys.modules.get("ray"), "is_initialized", None)
    try:
        return bool(asked and asked())
    except AttributeError:
        # Ray is being imported.
        return False


def _check(request: Mapping[str, Any], program: Program, loaded: Loaded) -> None:
    environment = request["environment"]
    if request["interpreter"] != sys.executable:
        raise RefusedError(f"its interpreter is {request['interpreter']}")
    if names := unlike(loaded.read, loaded.environment, environment):
        raise RefusedError(f"{', '.join(names)} would have been read before: they are not as on this node")
    os.chdir(request["given"]["folder"])
    entries = [program.folder, *_own_entries(environment)]
    names_loaded = {name.partition(".")[0] for name in sys.modules} - {"__main__"}
    for entry in entries:
        if entry is not None and entry not in loaded.searched and (own := _modules_in(entry) & names_loaded):
            raise RefusedError(f"{entry} has modules of its own: {', '.join(sorted(own))}")


def _modules_in(folder: str) -> set[str]:
    """What is imported from there by its name."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return set()
    names = {entry.name.partition(".")[0] for entry in entries if entry.name.endswith((".py", ".so", ".pyc"))}
    packages = (entry.name for entry in entries if os.path.exists(f"{entry.path}/__init__.py"))
    return names.union(packages)


def _own_entries(environment: Mapping[str, str]) -> list[str]:
    told = environment.get("PYTHONPATH", "")
    return [os.path.abspath(entry) for entry in told.split(os.pathsep)] if told else []


def _path(program: Program, environment: Mapping[str, str], loaded: Loaded) -> list[str]:
    found = dict.fromkeys([*_own_entries(environment), *loaded.path])
    return [*filter(None, [program.folder]), *found]


def _above(number: int, highest: int) -> int:
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, highest + 1)
    os.close(number)
    return moved


def _take_files(given: list[int], wanted: list[int]) -> None:
    if not {0, 1, 2} <= set(wanted):
        raise RefusedError("its standard files are not all open")
    highest = max(wanted)
    for number, place in zip([_above(number, highest) for number in given], wanted, strict=True):
        os.dup2(number, place)
        os.close(number)


def _take_environment(environment: Mapping[str, str], program: Program, loaded: Loaded) -> None:
    # One by one: Ray finds what a process was started with by where the first of them stands.
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    time.tzset()
    tempfile.tempdir = None
    unbuffered = program.unbuffered or bool(environment.get("PYTHONUNBUFFERED"))
    for stream in (sys.stdout, sys.stderr):
        own: Any = stream
        by_line = not unbuffered and (stream is sys.stderr or stream.isatty())
        own.reconfigure(line_buffering=by_line, write_through=unbuffered)
    draw_anew(loaded.generators)
    for module, function in AT_START:
        if module in sys.modules:
            getattr(import_module(module), function)()
    hide(loaded.blas, loaded.torch_threads)


def draw_anew(generators: Iterable[random.Random]) -> None:
    """What was seeded once, as it was loaded, is seeded as if it were loaded now."""
    random.seed()
    for generator in generators:
        generator.seed()
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.seed()


def _show_arguments(arguments: list[str]) -> None:
    """What `ps` shows, written over what the fork server was started with, in as many strings.

    Ray looks for that many strings before the environment, to show what a worker does.
    """
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    strings = ctypes.string_at(begin, end - begin).count(b"\0")
    shown = [os.fsencode(argument) for argument in arguments][: strings - 1]
    while shown and len(b"\0".join(shown)) + strings - len(shown) > end - begin:
        shown.pop()
    shown += [b""] * (strings - 1 - len(shown))
    text = b"\0".join(shown) + b"\0"
    text += b" " * (end - begin - len(text) - 1) + b"\0"
    ctypes.memmove(begin, text, len(text))


def _print(error: BaseException) -> None:
    """Without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, _RUNPY):
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
