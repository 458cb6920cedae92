"""A node's cache of versions on a file system, with processes that use it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from journeyman.models.cached import COMPILER, MACHINE_CODE, InUse, clean
from journeyman.models.unneeded import FRESH_S, UNUSED_S

OLD_S = UNUSED_S + 3600
USES = """
import sys
from pathlib import Path
from journeyman.models.cached import InUse
in_use = InUse()
print(in_use.hold(Path(sys.argv[1])), flush=True)
input()
"""


def put(cache: Path, path: str, *, unused_s: float = 0.0) -> Path:
    """A version, of a file, or a file of machine code."""
    made = cache / path
    if path.startswith(MACHINE_CODE):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("code")
    else:
        made.mkdir(parents=True)
        (made / "MLmodel").write_text("flavors: {}")
    then_s = time.time() - unused_s
    os.utime(made, (then_s, then_s))
    return made


def left(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.glob("*/*")}


def test_clean_removes_what_was_not_used_for_long_and_its_machine_code(tmp_path: Path) -> None:
    put(tmp_path, "digits/1-17", unused_s=OLD_S)
    put(tmp_path, "digits/2-18", unused_s=OLD_S)
    put(tmp_path, "digits/3-19")
    for code in ("digits.1-17.aa.pt2", "digits.2-18.aa.pt2", "digits.3-19.aa.pt2", "digits.9-9.aa.lock"):
        put(tmp_path, f"{MACHINE_CODE}/{code}", unused_s=OLD_S)
    put(tmp_path, f"{MACHINE_CODE}/digits.8-8.aa.lock", unused_s=FRESH_S / 2)
    assert clean(tmp_path, {("digits", "2")}) == ["digits/1-17"]
    assert left(tmp_path) == {
        "digits/2-18",
        "digits/3-19",
        f"{MACHINE_CODE}/digits.2-18.aa.pt2",
        f"{MACHINE_CODE}/digits.3-19.aa.pt2",
        f"{MACHINE_CODE}/digits.8-8.aa.lock",
    }


def test_clean_removes_what_processes_that_ended_left_half_done(tmp_path: Path) -> None:
    put(tmp_path, "digits/.1-17.abc", unused_s=2 * 24 * 3600)
    put(tmp_path, "digits/.2-18.abc")
    assert clean(tmp_path, frozenset()) == []
    assert left(tmp_path) == {"digits/.2-18.abc"}


def test_version_that_a_process_uses_is_never_removed_and_counts_as_used(tmp_path: Path) -> None:
    folder = put(tmp_path, "digits/1-17", unused_s=OLD_S)
    command = [sys.executable, "-c", USES, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        # It has been using it for longer than a version is kept.
        then_s = time.time() - OLD_S
        os.utime(folder, (then_s, then_s))
        assert clean(tmp_path, frozenset()) == []
        assert (folder / "MLmodel").exists()
        assert folder.stat().st_mtime > then_s + UNUSED_S
        os.utime(folder, (then_s, then_s))
        # The lock goes with its process, whichever way that ends.
        process.kill()
        process.wait()
    assert clean(tmp_path, frozenset()) == ["digits/1-17"]


def test_what_is_let_go_may_be_removed_and_what_is_held_stays(tmp_path: Path) -> None:
    folders = [put(tmp_path, f"digits/{n}-17") for n in (1, 2)]
    in_use = InUse()
    assert [in_use.hold(folder) for folder in folders] == [True, True]
    then_s = time.time() - OLD_S
    for folder in folders:
        os.utime(folder, (then_s, then_s))
    in_use.only([folders[1]])
    assert in_use.folders == {folders[1]}
    assert clean(tmp_path, frozenset()) == ["digits/1-17"]
    in_use.only([])


def test_using_a_version_keeps_it_from_growing_old(tmp_path: Path) -> None:
    folder = put(tmp_path, "digits/1-17", unused_s=OLD_S)
    in_use = InUse()
    assert in_use.hold(folder)
    in_use.only([])
    assert clean(tmp_path, frozenset()) == []


def test_folder_that_is_not_there_cannot_be_held(tmp_path: Path) -> None:
    in_use = InUse()
    assert not in_use.hold(tmp_path / "digits" / "1-17")
    assert in_use.folders == frozenset()


def keep(cache: Path, path: str, *, unused_s: float = 0.0, read_s: float | None = None) -> Path:
    """A file of the compiler's, and the folder it lies in."""
    made = cache / MACHINE_CODE / COMPILER / path
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text("header")
    then_s = time.time() - unused_s
    os.utime(made, (then_s if read_s is None else time.time() - read_s, then_s))
    os.utime(made.parent, (then_s, then_s))
    return made


def test_clean_removes_what_the_compiler_kept_and_has_not_used_for_long(tmp_path: Path) -> None:
    old = keep(tmp_path, "ab/old.h", unused_s=OLD_S)
    read = keep(tmp_path, "cd/read.h", unused_s=OLD_S, read_s=10)
    new = keep(tmp_path, "ef/new.h")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not the compiler's")
    then_s = time.time() - OLD_S
    os.utime(elsewhere, (then_s, then_s))
    link = tmp_path / MACHINE_CODE / COMPILER / "link"
    link.symlink_to(elsewhere)
    clean(tmp_path, frozenset())
    assert not old.exists()
    # A folder goes once it has been empty for a while.
    os.utime(old.parent, (then_s, then_s))
    clean(tmp_path, frozenset())
    assert not old.parent.exists()
    assert read.exists() and new.exists() and elsewhere.exists() and link.is_symlink()
