"""The layout: real folders at the root, linked into the package, all of it in the wheel."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import journeyman.errors
from journeyman.errors import JourneymanError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "journeyman"
FOLDERS = {"cluster", "jobs", "models", "serve", "tracking"}


def test_package_links_are_the_folders_at_the_root() -> None:
    links = {path.name for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == FOLDERS
    for name in FOLDERS:
        assert (PACKAGE / name).resolve() == ROOT / name
        assert not (PACKAGE / name).readlink().is_absolute()
        assert (ROOT / name / "__init__.py").is_file()


@pytest.mark.parametrize("module", ["journeyman", "journeyman.testing"])
def test_importing_journeyman_loads_no_framework(module: str) -> None:
    # In a process of its own: this one has loaded them for other tests.
    code = f"import {module}, sys; print(sorted({{'torch', 'ray', 'mlflow'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def _error_tree(error: type[JourneymanError]) -> list[type[JourneymanError]]:
    return [error, *(below for child in error.__subclasses__() for below in _error_tree(child))]


@pytest.mark.parametrize("error", _error_tree(JourneymanError))
def test_error_survives_pickling(error: type[JourneymanError]) -> None:
    original = error("what happened", "what to do next")
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is error
    assert (copy.message, copy.hint, str(copy)) == (original.message, original.hint, str(original))
    assert copy.exit_code == original.exit_code


def test_error_tree_in_the_docstring_names_every_error() -> None:
    drawn = journeyman.errors.__doc__ or ""
    defined_here = [e for e in _error_tree(JourneymanError) if e.__module__ == "journeyman.errors"]
    assert [e.__name__ for e in defined_here if e.__name__ not in drawn] == []


def test_wheel_built_from_the_sdist_holds_every_file(checkout: tuple[Path, ...], wheel: Path) -> None:
    package = Path("src/journeyman")
    expected = {
        str("journeyman" / (file.relative_to(package) if file.is_relative_to(package) else file))
        for file in checkout
        if (file.is_relative_to(package) and not (ROOT / file).is_symlink()) or file.parts[0] in FOLDERS
    }
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if "dist-info" not in name}
    assert packed == expected
