"""The layout: real folders at the root, linked into the package, all of it in the wheel."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import journeyman.errors
from journeyman.errors import JourneymanError

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "journeyman"
FOLDERS = {"cluster", "jobs", "serve", "tracking"}


def test_package_links_are_the_four_folders_at_the_root() -> None:
    links = {path.name for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == FOLDERS
    for name in FOLDERS:
        assert (PACKAGE / name).resolve() == ROOT / name
        assert not (PACKAGE / name).readlink().is_absolute()
        assert (ROOT / name / "__init__.py").is_file()


def test_importing_journeyman_loads_no_framework() -> None:
    # In a process of its own: this one has loaded them for other tests.
    code = "import journeyman, sys; print(sorted({'torch', 'ray', 'mlflow'} & sys.modules.keys()))"
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


def _checkout() -> list[Path]:
    """Every file of the checkout that git does not ignore, links as links, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in sorted(set(listed.split("\0")) - {""}) if (ROOT / name).exists()]


def _names_in_wheel(source: Path, output: Path) -> set[str]:
    """As for a release: the wheel is built from the sdist, not from the checkout."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = output.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_wheel_built_from_the_sdist_holds_every_file(tmp_path: Path) -> None:
    files = _checkout()
    # A copy, since a build writes beside its source.
    for file in files:
        copy = tmp_path / "source" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, copy, follow_symlinks=False)
    package = Path("src/journeyman")
    expected = {
        str("journeyman" / (file.relative_to(package) if file.is_relative_to(package) else file))
        for file in files
        if (file.is_relative_to(package) and not (ROOT / file).is_symlink()) or file.parts[0] in FOLDERS
    }
    packed = {
        name for name in _names_in_wheel(tmp_path / "source", tmp_path / "dist") if "dist-info" not in name
    }
    assert packed == expected
