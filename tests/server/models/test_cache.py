"""A node's cache of versions, whose content is loaded: whose it must be, and what its folders are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from journeyman.errors import NotFoundError
from journeyman.models.cache import cache_folder, fetch
from journeyman.models.cached import InUse, clean, model_folder
from journeyman.models.model import ModelError
from journeyman.tracking.mlflow_rest import Mlflow

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mlflow:
    """An MLflow that has no such version any more: what was fetched last is used."""
    monkeypatch.delenv("JOURNEYMAN_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mlflow = Mlflow(AWAY, {})

    def gone(name: str, version: str) -> dict[str, object]:
        raise NotFoundError(f"no version {version} of {name}")

    monkeypatch.setattr(mlflow, "model_version", gone)
    return mlflow


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for part in (folder, *folder.parents[:3]):
        part.chmod(0o700)
    return folder


def test_version_that_this_user_fetched_is_found_again_without_mlflow(away: Mlflow) -> None:
    there = put(cache_folder(AWAY) / "digits" / "3-1700000000000")
    assert fetch(away, "digits", "3", InUse()).folder == there


def test_folder_that_another_user_made_before_is_not_loaded(
    away: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache_folder(AWAY) / "digits" / "3-zzz")
    root = cache_folder(AWAY).parent
    mine = os.getuid()
    # Its path names whose it should be: that stays, and its owner is another.
    monkeypatch.setattr("journeyman.models.cache._cache_root", lambda: root)
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(
        ModelError, match=f"the cache of versions is not used: {root} belongs to another user"
    ):
        fetch(away, "digits", "3", InUse())


@pytest.mark.parametrize("open_part", ["", "digits", "digits/3-zzz"])
def test_version_is_not_loaded_from_a_folder_that_others_may_write_to(away: Mlflow, open_part: str) -> None:
    put(cache_folder(AWAY) / "digits" / "3-zzz")
    (cache_folder(AWAY) / open_part).chmod(0o777)
    with pytest.raises(ModelError, match="can be written by others than its owner"):
        fetch(away, "digits", "3", InUse())


def test_version_is_not_loaded_through_a_link(away: Mlflow, tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere" / "model" / "3-zzz")
    put(cache_folder(AWAY) / "digits" / "2-1")
    (cache_folder(AWAY) / "digits" / "3-zzz").symlink_to(elsewhere)
    with pytest.raises(ModelError, match="is a link"):
        fetch(away, "digits", "3", InUse())


@pytest.mark.parametrize(
    "name", ["..", ".", ".machine-code", "a\x00b", "a\nb", "模型" * 128, "m" * 256, "~", "é", "a~b", "C:"]
)
def test_name_that_is_none_for_a_folder_gets_a_folder_of_its_own(name: str, tmp_path: Path) -> None:
    folder = tmp_path / model_folder(name)
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert not folder.name.startswith(".")


def test_plain_names_are_their_folders_and_no_two_names_share_one() -> None:
    names = ["digits", "a model.v2", "Été", "Ete", "ete~1", "..", ".", "模型", "模形", "m" * 100, "m" * 101]
    assert [model_folder(name) for name in names[:2]] == names[:2]
    assert len({model_folder(name) for name in names}) == len(names)


def test_version_of_any_name_that_a_service_names_is_not_cleaned_away(tmp_path: Path) -> None:
    for name in ("..", "digits"):
        old = tmp_path / model_folder(name) / "1-17"
        old.mkdir(parents=True)
        os.utime(old, (1.0, 1.0))
    assert clean(tmp_path, {("..", "1")}) == ["digits/1-17"]
