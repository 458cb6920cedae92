"""Contexts: the clusters that a home folder knows by name, and which of them commands talk to.

The stack on this machine is the context `local`, and the home folder is its own. Every other context is a
cluster that something else started, with a folder under `contexts/` that is laid out alike.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from journeyman.errors import NotFoundError, UsageError

LOCAL = "local"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_CLUSTER = re.compile(r"[A-Za-z0-9._:/\[\]-]{1,200}")
"""Among them the addresses that clusters are called by where nobody names them."""


def context_folder(home: Path, name: str) -> Path:
    return home if name == LOCAL else home / "contexts" / name


def check_name(name: str) -> None:
    """Raises UsageError."""
    if name == LOCAL or _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of a context",
            f"Use lowercase letters, digits, dots and dashes; `{LOCAL}` is the stack on this machine.",
        )


def check_cluster(name: str) -> None:
    """Raises UsageError."""
    if _CLUSTER.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of a cluster",
            "Use letters, digits and any of . _ - : / [ ], at most 200 of them.",
        )


def contexts(home: Path) -> list[str]:
    """The names there are, `local` first."""
    return [LOCAL, *sorted(entry.name for entry in (home / "contexts").glob("*") if entry.is_dir())]


def current_context(home: Path) -> str:
    file = _current_file(home)
    name = file.read_text().strip() if file.exists() else LOCAL
    return name if name in contexts(home) else LOCAL


def use_context(home: Path, name: str) -> None:
    """Have commands talk to this one from now on. Raises NotFoundError."""
    check_known(home, name)
    partial = _current_file(home).with_suffix(".partial")
    partial.write_text(f"{name}\n")
    partial.replace(_current_file(home))


def forget_context(home: Path, name: str) -> None:
    """Remove what is known of a cluster, which itself is left alone."""
    if current_context(home) == name:
        _current_file(home).unlink(missing_ok=True)
    shutil.rmtree(context_folder(home, name))


def check_known(home: Path, name: str) -> None:
    """Raises NotFoundError."""
    if name not in contexts(home):
        raise NotFoundError(f"there is no context {name!r}", f"Those there are: {', '.join(contexts(home))}.")


def _current_file(home: Path) -> Path:
    return home / "context"
