"""Which files of a folder go to the cluster: those that git would give to a colleague, and what is linked."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from journeyman.jobs.submit import code
from journeyman.jobs.submit.code import pack, travelling


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(params=["repository", "folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    if request.param == "repository":
        git(folder, "init", "-q")
    return folder


def test_a_deeper_rule_takes_back_what_one_above_leaves_out(folder: Path) -> None:
    rules = {".gitignore": "*.csv\nvocab/*\n!vocab/keep.txt\nbuild/\n", "data/.gitignore": "!labels.csv\n"}
    names = ("data/labels.csv", "data/huge.csv", "vocab/keep.txt", "vocab/drop.txt", "build/keep.csv", "a.py")
    # What lies in a folder that is left out cannot be taken back: git does not look there.
    write(folder, rules | dict.fromkeys(names, "x") | {"build/.gitignore": "!keep.csv\n"})
    there = travelling(folder)
    assert there.files == (".gitignore", "a.py", "data/.gitignore", "data/labels.csv", "vocab/keep.txt")
    assert there.stays == ()


def test_what_git_tracks_by_force_travels_and_what_was_deleted_does_not(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*.csv\n", "forced.csv": "1", "other.csv": "2", "gone.py": "3"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "forced.csv", "gone.py")
    (tmp_path / "gone.py").unlink()
    write(tmp_path, {"new.py": "4"})
    assert travelling(tmp_path).files == (".gitignore", "forced.csv", "new.py")


def test_rules_of_the_person_hold_as_in_git(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {".git/info/exclude": "notes.md\n", "sub/a.py": "", "sub/notes.md": ""})
    assert travelling(tmp_path / "sub").files == ("a.py",)


def test_a_repository_below_this_one_travels_by_its_own_rules(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {"a.py": "", "library/b.py": "", "library/c.log": "", "library/.gitignore": "*.log\n"})
    git(tmp_path / "library", "init", "-q")
    assert travelling(tmp_path).files == ("a.py", "library/.gitignore", "library/b.py")
    git(tmp_path / "library", "add", "-A")
    git(tmp_path / "library", "commit", "-qm", "first")
    git(tmp_path, "add", "-A")
    assert travelling(tmp_path).files == ("a.py", "library/.gitignore", "library/b.py")


def test_what_is_behind_a_link_travels_under_its_name(folder: Path) -> None:
    write(folder.parent, {"shared/common/__init__.py": "", "shared/common/x.pyc": ""})
    (folder / "common").symlink_to("../shared/common")
    write(folder, {"data/a.csv": "1"})
    (folder / "link.csv").symlink_to("data/a.csv")
    (folder / "inner").symlink_to("data")
    there = travelling(folder)
    assert there.files == ("common/__init__.py", "data/a.csv", "inner/a.csv", "link.csv")
    with zipfile.ZipFile(io.BytesIO(pack(folder, there.files).content)) as archive:
        assert archive.read("link.csv") == archive.read("inner/a.csv") == b"1"


def test_links_that_cannot_be_followed_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder.parent, {"datasets/a.bin": "x" * 60, "datasets/b.bin": "x" * 60})
    monkeypatch.setattr(code, "MAX_LINKED_BYTES", 100)
    (folder / "data").symlink_to(folder.parent / "datasets")
    (folder / "up").symlink_to("..")
    (folder / "self").symlink_to(".")
    (folder / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    write(folder, {"a.py": ""})
    there = travelling(folder)
    assert there.files == ("a.py",)
    assert [told.partition(":")[0] for told in there.stays] == [
        f"{name} stays here" for name in ("broken", "data", "self", "up")
    ]
    assert f"it links to {folder.parent / 'datasets'}, which is more than" in there.stays[1]


def test_a_name_that_no_zip_can_hold_is_named_and_all_others_travel(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.txt")).touch()
    names = ["-rf", "a b.py", "größe.py", "语.py", "new\nline.txt", "back\\slash", "q\"uote's"]
    for name in names:
        (folder / name).touch()
    there = travelling(folder)
    assert there.stays == (r"caf\xe9.txt stays here: its name is not UTF-8",)
    assert there.files == tuple(sorted(names))
    with zipfile.ZipFile(io.BytesIO(pack(folder, there.files).content)) as archive:
        assert archive.namelist() == sorted(names)


def test_where_checkpoints_are_written_is_no_code(folder: Path) -> None:
    run = "0123456789abcdef" * 2
    write(folder, {"runs/x/1/w": "", "a.py": "", f"old/{run}/1/checkpoint_1/w": "", "home/token": ""})
    there = travelling(folder, apart=(folder / "runs", folder / "home", None))
    assert there.files == ("a.py",)
    # A home above the code, or at it, is no reason to leave everything out.
    assert "runs/x/1/w" in travelling(folder, apart=(folder.parent, folder)).files
