"""A node's cache of versions as files: who uses one, when it was used last, and removing what nobody does.

    <cache>/<model>/<version>-<created>     a version
    <cache>/<model>/.<...>                  one that is being downloaded or removed
    <cache>/.machine-code/                  what is compiled for versions
    <cache>/.machine-code/inductor/         what the compiler keeps for those after

A process that uses a version holds a shared lock on its folder, which goes with the process. Whoever removes
one needs the lock alone; where a file system has no locks nothing is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Set
from pathlib import Path

from journeyman.models.unneeded import FRESH_S, Cached, KeptFile, orphaned, outdated, unneeded, version_of

MACHINE_CODE = ".machine-code"
COMPILER = "inductor"
"""The folder below it of what the compiler keeps."""
DAY_S = 24 * 3600.0
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,99}", re.ASCII)
_SHOWN_CHARACTERS = 40


def model_folder(name: str) -> str:
    """What a model's folder is called in the cache: its name, where that is a name for a folder as it is.

    A registry takes `..`, a name of ours and 256 characters of any language, which are no file system's.
    """
    if _PLAIN_NAME.fullmatch(name):
        return name
    shown = re.sub(r"[^A-Za-z0-9_-]", "_", name[:_SHOWN_CHARACTERS])
    # A plain name holds no `~`: none is another model's.
    return f"{shown}~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"


class InUse:
    """The versions that this process uses. Threads may share it."""

    def __init__(self) -> None:
        self._locks: dict[Path, int] = {}
        self._guard = threading.Lock()

    def hold(self, folder: Path) -> bool:
        """Whether the folder is there, and stays until it is let go."""
        with self._guard:
            with contextlib.suppress(OSError):
                os.utime(folder)
            if folder in self._locks:
                return True
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                return False
            # A file system without locks: whoever removes does not get one either.
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_SH)
            if not _is_same(lock, folder):
                # It was removed before the lock was there.
                os.close(lock)
                return False
            self._locks[folder] = lock
            return True

    def only(self, folders: Collection[Path]) -> None:
        """Let the others go."""
        with self._guard:
            for folder in [folder for folder in self._locks if folder not in folders]:
                os.close(self._locks.pop(folder))

    @property
    def folders(self) -> frozenset[Path]:
        with self._guard:
            return frozenset(self._locks)


def clean(cache: Path, named: Set[tuple[str, str]]) -> list[str]:
    """Remove what is not needed any more; what was removed, as `<model>/<folder>`.

    `named` are the models and versions that someone counts on, whether or not they are used on this node.
    Raises OSError where the cache cannot be read.
    """
    now_s = time.time()
    named = {(model_folder(model), version) for model, version in named}
    cached = [_cached(folder) for folder in _versions(cache)]
    removed = [
        f"{each.model}/{each.folder}"
        for each in unneeded(cached, named, now_s)
        if _remove(cache / each.model / each.folder)
    ]
    for partial in cache.glob("*/.*"):
        # Whoever downloaded or removed it has ended amid that.
        if partial.is_dir() and partial.parent.name != MACHINE_CODE and _age_s(partial, now_s) > DAY_S:
            shutil.rmtree(partial, ignore_errors=True)
    _clean_machine_code(cache, now_s)
    _clean_compiler(cache / MACHINE_CODE / COMPILER, now_s)
    return removed


def _clean_machine_code(cache: Path, now_s: float) -> None:
    versions = {(folder.parent.name, folder.name) for folder in _versions(cache)}
    code = cache / MACHINE_CODE
    files = [path.name for path in code.iterdir() if path.is_file()] if code.is_dir() else []
    for name in orphaned(files, versions):
        model, folder = version_of(name) or ("", "")
        # Its version may have come meanwhile.
        if _age_s(code / name, now_s) > FRESH_S and not (cache / model / folder).exists():
            (code / name).unlink(missing_ok=True)


def _clean_compiler(folder: Path, now_s: float) -> None:
    # Links are followed nowhere: whatever they lead to is not the compiler's.
    for each in outdated([_kept_file(path) for path in _files(folder)], now_s):
        with contextlib.suppress(OSError):
            Path(each.path).unlink()
    for path, _, _ in os.walk(folder, topdown=False):
        # One that still holds something refuses, and one that a compiler has just made is young.
        if Path(path) != folder and _age_s(Path(path), now_s) > FRESH_S:
            with contextlib.suppress(OSError):
                Path(path).rmdir()


def _files(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        for name in names:
            if (file := Path(path) / name).is_file() and not file.is_symlink():
                yield file


def _kept_file(path: Path) -> KeptFile:
    told = path.stat()
    # Most file systems note once a day that a file is read, which is exact enough.
    used_s = max(told.st_atime, told.st_mtime)
    return KeptFile(path=str(path), size_bytes=told.st_size, used_s=used_s)


def _versions(cache: Path) -> list[Path]:
    models = [path for path in cache.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [
        folder
        for model in models
        for folder in model.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and "-" in folder.name
    ]


def _cached(folder: Path) -> Cached:
    return Cached(
        model=folder.parent.name,
        version=folder.name.partition("-")[0],
        folder=folder.name,
        size_bytes=sum(path.lstat().st_size for path in folder.rglob("*")),
        used_s=folder.stat().st_mtime,
    )


def _remove(folder: Path) -> bool:
    """Whether it was removed; False where a process uses it, or that cannot be told."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # At once, so that nobody finds half of it.
        gone = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        folder.rename(gone)
    except OSError as error:
        if isinstance(error, BlockingIOError):
            with contextlib.suppress(OSError):
                os.utime(folder)
        return False
    finally:
        os.close(lock)
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _age_s(path: Path, now_s: float) -> float:
    try:
        return now_s - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_same(opened: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), folder.stat())
    except FileNotFoundError:
        return False
