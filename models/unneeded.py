"""Decides what of a node's cache of versions, and of the machine code made for them, is to be removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

UNUSED_S = 30 * 24 * 3600.0
"""What no process of this node has used for longer is removed."""
MOST_BYTES = 20 * 2**30
"""Beyond it the versions that were used least lately are removed before that."""
MOST_COMPILER_BYTES = 5 * 2**30
"""Of what the compiler keeps for the versions after."""
FRESH_S = 3600.0
"""What was used since is left alone: a process may be about to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """One version in the cache."""

    model: str
    version: str
    folder: str
    """Its name: the version's number and when it was created."""
    size_bytes: int
    used_s: float
    """Epoch seconds: when a process of this node last used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that the compiler keeps."""

    path: str
    size_bytes: int
    used_s: float
    """Epoch seconds: when it was last read or written, as far as the file system tells."""


_Kept = TypeVar("_Kept", Cached, KeptFile)


def unneeded(cached: Sequence[Cached], named: Set[tuple[str, str]], now_s: float) -> list[Cached]:
    """Those to remove, the least lately used first; never one whose model and version are `named`."""
    free = [each for each in cached if (each.model, each.version) not in named]
    oldest_first = sorted(free, key=lambda each: (each.used_s, each.model, each.folder))
    return _beyond(oldest_first, sum(each.size_bytes for each in cached) - MOST_BYTES, now_s)


def outdated(files: Sequence[KeptFile], now_s: float) -> list[KeptFile]:
    """Of what the compiler keeps, the files to remove, the least lately used first: it makes them anew."""
    oldest_first = sorted(files, key=lambda each: (each.used_s, each.path))
    return _beyond(oldest_first, sum(each.size_bytes for each in files) - MOST_COMPILER_BYTES, now_s)


def _beyond(oldest_first: Sequence[_Kept], over_bytes: int, now_s: float) -> list[_Kept]:
    """What was not used for long, and as much of the rest as is too much, but for what was used just now.

    A time of use that lies ahead, as after a clock was set back, counts as now.
    """
    removed = []
    for each in oldest_first:
        age_s = now_s - each.used_s
        if age_s > UNUSED_S or (over_bytes > 0 and age_s > FRESH_S):
            removed.append(each)
            over_bytes -= each.size_bytes
    return removed


def orphaned(code: Collection[str], versions: Set[tuple[str, str]]) -> list[str]:
    """Of the files of machine code, `<model>.<folder>.<hardware>.<ending>`, those whose version is not there.

    `versions` are models with their folders. What has another name is none of them.
    """
    return sorted(name for name in code if (of := version_of(name)) is not None and of not in versions)


def version_of(code: str) -> tuple[str, str] | None:
    """The model and the folder that a file of machine code is for; None where it is none."""
    model_and_folder, _, rest = code.rpartition(".")[0].rpartition(".")
    model, _, folder = model_and_folder.rpartition(".")
    return (model, folder) if model and folder and rest else None
