"""The code of a job: which files of a folder travel, and the archive they travel in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from journeyman.cluster.archive import Archive, archive
from journeyman.errors import SpecError

MAX_CODE_BYTES = 100 * 1000**2
_NEVER = GitIgnoreSpec.from_lines([".git/", "__pycache__/", "*.pyc", ".venv/", ".DS_Store"])


@dataclass(frozen=True, slots=True)
class GitState:
    """Where the code stood in git."""

    commit: str
    dirty: bool


def pack(folder: Path) -> Archive:
    """The files of a folder that git would track, as an archive.

    A zip and no tarball: it is what Ray's store of packages takes, so that it goes there unchanged.
    Raises SpecError naming the five largest files when they are over 100 MB together.
    """
    paths = sorted(travelling(folder))
    sizes = {path: (folder / path).stat().st_size for path in paths}
    if sum(sizes.values()) > MAX_CODE_BYTES:
        largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:5]
        table = "\n".join(f"  {sizes[path] / 1e6:8.1f} MB  {path}" for path in largest)
        raise SpecError(
            f"the code in {folder} is {sum(sizes.values()) / 1e6:.0f} MB, over 100 MB; largest:\n{table}",
            "Leave data out with a line in .gitignore, and name it under `data:` instead.",
        )
    return archive((path, (folder / path).stat().st_mode, (folder / path).read_bytes()) for path in paths)


def travelling(folder: Path) -> Iterator[str]:
    """Relative paths of the files that travel: all but what .gitignore files leave out."""
    rules = [(parent, _ignored(parent)) for parent in reversed(_up_to_repository(folder))]
    yield from _walk(folder, folder, rules)


def _walk(folder: Path, root: Path, rules: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[str]:
    own = [*rules, (folder, _ignored(folder))] if folder != root else rules
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        is_folder = entry.is_dir()
        if any(spec.match_file(_relative(path, base, is_folder)) for base, spec in own):
            continue
        if _NEVER.match_file(_relative(path, root, is_folder)):
            continue
        if is_folder and not entry.is_symlink():
            yield from _walk(path, root, own)
        elif entry.is_file():
            yield path.relative_to(root).as_posix()


def _relative(path: Path, base: Path, is_folder: bool) -> str:
    return path.relative_to(base).as_posix() + ("/" if is_folder else "")


def _ignored(folder: Path) -> GitIgnoreSpec:
    path = folder / ".gitignore"
    # As git does, bytes of another encoding are taken as they come.
    return GitIgnoreSpec.from_lines(path.read_text(errors="replace").splitlines() if path.is_file() else [])


def _up_to_repository(folder: Path) -> list[Path]:
    """The folder and its parents up to the root of its git repository; the folder alone outside of one."""
    chain = [folder, *folder.parents]
    for position, parent in enumerate(chain):
        if (parent / ".git").exists():
            return chain[: position + 1]
    return [folder]


def git_state(folder: Path) -> GitState | None:
    """None outside a git repository, before its first commit, or where there is no git."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", "--", ".")
    if commit is None or status is None:
        return None
    return GitState(commit=commit.strip(), dirty=bool(status.strip()))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
