"""The code of a job: which files of a folder travel, and the archive they travel in."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from journeyman.cluster.archive import Archive, archive
from journeyman.errors import SpecError

MAX_CODE_BYTES = 100 * 1000**2
MAX_LINKED_BYTES = 20 * 1000**2
MAX_LINKED_FILES = 2_000
"""What is behind a link is code, such as a package that projects share; more is data."""
_NEVER = GitIgnoreSpec.from_lines([".git/", "__pycache__/", "*.pyc", ".venv/", ".DS_Store"])


_ATTEMPT = re.compile(r"(^|/)[0-9a-f]{32}/[0-9]+/")
"""What an attempt of some job wrote, where its storage is below the code."""


@dataclass(frozen=True, slots=True)
class GitState:
    """Where the code stood in git."""

    commit: str
    dirty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelling:
    """What of a folder goes to the cluster."""

    files: tuple[str, ...]
    """Relative paths, in order."""
    stays: tuple[str, ...]
    """What one might miss there, each with its reason; not what .gitignore files leave out."""


def pack(folder: Path, files: Sequence[str]) -> Archive:
    """These files of a folder as an archive.

    A zip and no tarball: it is what Ray's store of packages takes, so that it goes there unchanged.
    Raises SpecError naming the five largest files when they are over 100 MB together.
    """
    sizes = {path: (folder / path).stat().st_size for path in files}
    if sum(sizes.values()) > MAX_CODE_BYTES:
        largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:5]
        table = "\n".join(f"  {sizes[path] / 1e6:8.1f} MB  {path}" for path in largest)
        raise SpecError(
            f"the code in {folder} is {sum(sizes.values()) / 1e6:.0f} MB, over 100 MB; largest:\n{table}",
            "Leave data out with a line in .gitignore, and name it under `data:` instead.",
        )
    try:
        return archive((path, (folder / path).stat().st_mode, (folder / path).read_bytes()) for path in files)
    except OSError as error:
        raise SpecError(f"the code in {folder} cannot be read: {error}") from None


def travelling(folder: Path, apart: Iterable[Path | None] = ()) -> Travelling:
    """What git would give to a colleague: what it tracks, and what it would track unless it is ignored.

    And what is linked: a colleague has the same links, a cluster has not what they lead to. `apart` are
    places that are no code, such as where checkpoints are written.
    """
    found, stays = dict[str, None](), list[str]()
    root = folder.resolve()
    # One that the folder itself lies in, or is, says nothing of what is in the folder.
    held = [real for place in apart if place is not None and root in (real := place.resolve()).parents]
    for path, why in _found(folder, "", (root,), held):
        if why:
            stays.append(f"{_shown(path)} {why}")
        else:
            found[path] = None
    return Travelling(files=tuple(sorted(found)), stays=tuple(sorted(stays)))


def _found(folder: Path, at: str, above: Sequence[Path], apart: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Each path, with why it stays where it does; `at` is what stands before each, `above` the way there."""
    names = _tracked(folder)
    for name in _walked(folder) if names is None else names:
        path, told = folder / name, at + name
        if _NEVER.match_file(name) or _ATTEMPT.search(told) or _is_below(path, apart):
            continue
        if path.is_symlink() and not path.exists():
            yield told, f"stays here: it links to {os.readlink(path)}, which is not there"
            continue
        if path.is_dir():
            yield from _folder(path, told.rstrip("/") + "/", above, apart)
        elif not _travels(told):
            yield told, "stays here: its name is not UTF-8"
        elif path.is_file() and not os.access(path, os.R_OK):
            yield told, "stays here: it cannot be read"
        elif path.is_file():
            yield told, ""


def _is_below(path: Path, places: Sequence[Path]) -> bool:
    return any(place == real or place in real.parents for place in places for real in (path.resolve(),))


def _folder(path: Path, at: str, above: Sequence[Path], apart: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """A link to a folder, or a repository below this one."""
    real, name = path.resolve(), at.rstrip("/")
    if real in above or any(real in each.parents for each in above):
        yield name, f"stays here: it leads back to {real}"
        return
    if not path.is_symlink():
        yield from _found(path, at, (*above, real), apart)
        return
    linked, size_bytes = list[tuple[str, str]](), 0
    for file, why in _found(path, at, (*above, real), apart):
        linked.append((file, why))
        size_bytes += 0 if why else (path / file.removeprefix(at)).stat().st_size
        if size_bytes > MAX_LINKED_BYTES or len(linked) > MAX_LINKED_FILES:
            most = f"{MAX_LINKED_BYTES // 10**6} MB or {MAX_LINKED_FILES:,} files"
            yield name, f"stays here: it links to {real}, which is more than {most}; name it under `data`"
            return
    yield from linked


def _travels(path: str) -> bool:
    """Whether the name can be written into a zip."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _tracked(folder: Path) -> list[str] | None:
    """What git tracks or would track there; None where there is no git, or no repository."""
    listed = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if listed is None else sorted({name for name in listed.split("\0") if name})


def _walked(folder: Path) -> Iterator[str]:
    """The same by the .gitignore files alone."""
    rules = [(parent, _ignored(parent)) for parent in reversed(_up_to_repository(folder))]
    yield from _walk(folder, folder, rules)


def _walk(folder: Path, root: Path, rules: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[str]:
    own = [*rules, (folder, _ignored(folder))] if folder != root else rules
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        is_folder = entry.is_dir()
        if _is_ignored(path, is_folder, own) or _NEVER.match_file(_relative(path, root, is_folder)):
            continue
        if is_folder and not entry.is_symlink():
            if os.access(path, os.R_OK | os.X_OK):
                yield from _walk(path, root, own)
        else:
            yield path.relative_to(root).as_posix()


def _is_ignored(path: Path, is_folder: bool, rules: Sequence[tuple[Path, GitIgnoreSpec]]) -> bool:
    """The deepest .gitignore that says anything of it decides."""
    for base, spec in reversed(rules):
        said = spec.check_file(_relative(path, base, is_folder)).include
        if said is not None:
            return said
    return False


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
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout)
