"""Archives in Ray's store of packages: a job's code, and what of Journeyman itself a cluster is sent."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "journeyman"
_METADATA = ("METADATA", "entry_points.txt")
"""What tells importlib, and with it MLflow, that the package is installed."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip, the same bytes for the same files."""

    content: bytes
    sha256: str

    @property
    def package(self) -> str:
        return package_name(self.sha256)


def package_name(sha256: str) -> str:
    """What Ray's store calls an archive."""
    return f"_ray_pkg_{sha256[:32]}.zip"


def package_uri(name: str) -> str:
    """How a runtime environment names it."""
    return f"gcs://{name}"


def archive(files: Iterable[tuple[str, int, bytes]]) -> Archive:
    """Of files by path, mode and content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, mode, content in files:
            # A fixed time: the archive's hash is its name, and must say what the files hold alone.
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = (mode & 0xFFFF) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, content)
    content = buffer.getvalue()
    return Archive(content=content, sha256=hashlib.sha256(content).hexdigest())


def own_archive() -> Archive:
    """This very Journeyman, as it would lie in site-packages.

    A zip and no wheel: Ray puts a zip on the path as it is, and would install a wheel with all it depends on.
    """
    root = Path(__file__).parents[1]
    files = [(f"{PACKAGE}/{path.relative_to(root).as_posix()}", path) for path in _sources(root)]
    told = distribution(PACKAGE)
    metadata = [(f"{PACKAGE}-{told.version}.dist-info/{name}", told.read_text(name)) for name in _METADATA]
    return archive(
        [
            *((name, path.stat().st_mode, path.read_bytes()) for name, path in files),
            *((name, 0o644, text.encode()) for name, text in metadata if text),
        ]
    )


def _sources(folder: Path) -> list[Path]:
    """The package's files; in a checkout some of its folders are links."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            found += _sources(Path(entry.path))
        elif entry.is_file() and not entry.name.endswith(".pyc"):
            found.append(Path(entry.path))
    return found
