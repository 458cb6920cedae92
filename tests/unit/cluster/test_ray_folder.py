"""Where Ray keeps its sessions: ours alone, also after Ray has opened its part of it to everybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeyman.cluster.local.parts import ray_folder, ray_sessions
from journeyman.cluster.local.stack import prepare_ray_folder
from journeyman.errors import StackError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "logs").mkdir()
    yield tmp_path
    shutil.rmtree(ray_folder(tmp_path), ignore_errors=True)


def as_ray_does(folder: Path, *sessions: str) -> None:
    for made in (folder, *(folder / name for name in sessions)):
        made.mkdir(exist_ok=True)
        made.chmod(0o777)


def test_folder_is_closed_though_ray_opens_what_it_makes_and_the_last_session_stays(home: Path) -> None:
    prepare_ray_folder(home)
    sessions = ray_sessions(home)
    as_ray_does(sessions, "session_2026-11-27_1", "session_2026-11-28_1")
    prepare_ray_folder(home)
    assert ray_folder(home).stat().st_mode & 0o777 == 0o700
    assert [each.name for each in sessions.iterdir()] == ["session_2026-11-28_1"]
    assert (home / "logs" / "ray-session").readlink() == sessions / "session_latest" / "logs"


def test_folder_that_an_earlier_version_gave_to_ray_is_made_anew(home: Path) -> None:
    as_ray_does(ray_folder(home), "session_2026-11-27_1")
    prepare_ray_folder(home)
    assert ray_folder(home).stat().st_mode & 0o777 == 0o700
    assert [each.name for each in ray_folder(home).iterdir()] == ["ha"]


def test_link_in_its_place_is_refused_and_what_it_leads_to_stays(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    as_ray_does(elsewhere, "kept")
    ray_folder(home).symlink_to(elsewhere)
    with pytest.raises(StackError, match="is a link"):
        prepare_ray_folder(home)
    ray_folder(home).unlink()
    assert [each.name for each in elsewhere.iterdir()] == ["kept"]
