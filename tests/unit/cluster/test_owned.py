"""What a folder is refused for whose content would be executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from journeyman.cluster.owned import make_owned, why_not_owned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "root" / "model" / "3-1"
    assert make_owned(made, tmp_path / "root") == ""
    return made


def test_folders_that_are_made_here_are_this_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        make_owned(tmp_path / "root" / "model", tmp_path / "root")
    finally:
        os.umask(before)
    assert [
        oct(each.stat().st_mode & 0o777) for each in (tmp_path / "root", tmp_path / "root" / "model")
    ] == [
        "0o700",
        "0o700",
    ]
    assert why_not_owned(tmp_path / "root" / "model", tmp_path / "root") == ""


@pytest.mark.parametrize("part", ["root", "root/model", "root/model/3-1"])
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_folder_that_others_may_write_to_is_named_anywhere_on_the_way(
    folder: Path, tmp_path: Path, part: str, mode: int
) -> None:
    (tmp_path / part).chmod(mode)
    assert why_not_owned(folder, tmp_path / "root") == (
        f"{tmp_path / part} can be written by others than its owner"
    )


@pytest.mark.parametrize("part", ["root", "root/model", "root/model/3-1"])
def test_link_is_not_followed_anywhere_on_the_way(folder: Path, tmp_path: Path, part: str) -> None:
    (tmp_path / part).rename(tmp_path / "elsewhere")
    (tmp_path / part).symlink_to(tmp_path / "elsewhere")
    assert why_not_owned(folder, tmp_path / "root") == f"{tmp_path / part} is a link"


def test_nothing_is_made_in_a_folder_that_others_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o777)
    told = make_owned(tmp_path / "root" / "model", tmp_path / "root")
    assert told == f"{tmp_path / 'root'} can be written by others than its owner"
    assert list((tmp_path / "root").iterdir()) == []


def test_file_is_looked_at_as_its_folders_are(folder: Path, tmp_path: Path) -> None:
    code = folder / "code.pt2"
    code.touch()
    code.chmod(0o600)
    assert why_not_owned(code, tmp_path / "root") == ""
    code.chmod(0o666)
    assert why_not_owned(code, tmp_path / "root") == f"{code} can be written by others than its owner"


def test_folder_of_another_user_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert why_not_owned(folder, tmp_path / "root") == f"{tmp_path / 'root'} belongs to another user"


def test_what_is_above_the_root_is_not_ours_to_judge(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert why_not_owned(folder, tmp_path / "root") == ""


def test_what_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        why_not_owned(tmp_path / "root" / "model", tmp_path / "root")
