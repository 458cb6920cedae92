"""How much memory this process may still take: of its container where that has a limit, else of its node."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import psutil

ROOT = Path("/")


def available_bytes(root: Path = ROOT) -> int:
    """The least that the machine and any control group of this process have left."""
    left = [psutil.virtual_memory().available]
    for folder, limit, used in _groups(root):
        try:
            limit_text = (folder / limit).read_text().strip()
            # Files that the kernel keeps in memory are given back where memory is needed.
            left.append(int(limit_text) - int((folder / used).read_text()) + _cached_bytes(folder))
        except (OSError, ValueError):
            # No such group, as at the root of all, or one without a limit, which is `max`.
            continue
    return max(0, min(left))


def _groups(root: Path) -> list[tuple[Path, str, str]]:
    """The control groups this process may be in, its own and those around it, with the names of two files."""
    found: list[tuple[Path, str, str]] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers not in ("", "memory"):
            continue
        mount, limit, used = (
            ("sys/fs/cgroup", "memory.max", "memory.current")
            if not controllers
            else ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        # A container sees its own group as the root, or under the name that it has outside.
        inner = PurePosixPath(path.lstrip("/"))
        groups = [group for group in (inner, *inner.parents) if ".." not in group.parts]
        found += [(root / mount / group, limit, used) for group in groups]
    return found


def _cached_bytes(folder: Path) -> int:
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
