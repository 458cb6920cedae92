"""Folders and files whose content is executed: this user's, and nobody else's to write.

On a shared machine a path below `/tmp` may be there before its owner comes: as a folder of somebody else, as
a link, or open to a group. Whoever runs what lies there asks here first.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def why_not_owned(path: Path, root: Path) -> str:
    """Why another user may have written to `path`, in words; empty where none can have.

    Every part of the way counts, from `root`, the first that is ours, to `path` itself: who may write to a
    folder may put another one in its place. Raises FileNotFoundError where there is no such path.
    """
    return next(filter(None, map(_why_not, _way(path, root))), "")


def make_owned(folder: Path, root: Path) -> str:
    """Make the folder, and what lacks of the way to it from `root`, for this user alone.

    What is there already stays as it is. Why another user may have written to it; empty where none can have.
    Raises OSError.
    """
    for part in _way(folder, root):
        with contextlib.suppress(FileExistsError):
            # Its mode is said: what a umask leaves to a group would be refused.
            part.mkdir(mode=0o700)
        if why := _why_not(part):
            return why
    return ""


def is_open(folder: Path) -> bool:
    """Whether it is a folder of this user's that others may write to."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return own and bool(status.st_mode & _OTHERS_WRITE)


def _way(path: Path, root: Path) -> Iterator[Path]:
    yield from reversed([part for part in path.parents if part.is_relative_to(root)])
    yield path


def _why_not(part: Path) -> str:
    # Not followed: a link is where whoever made it wants it to be.
    status = part.lstat()
    if stat.S_ISLNK(status.st_mode):
        return f"{part} is a link"
    if status.st_uid != os.getuid():
        return f"{part} belongs to another user"
    if status.st_mode & _OTHERS_WRITE:
        return f"{part} can be written by others than its owner"
    return ""
