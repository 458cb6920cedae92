"""The home folder, and what every process of its owner finds there of the MLflow server of its stack.

That server lets in only its owner's processes (`tracking/guard`). Where the kernel does not tell whose a
process is, the token in the home folder does, which is read only by whoever may read the folder.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMlflow:
    """The MLflow server of the stack that this home folder runs."""

    url: str
    token: str = field(repr=False)

    def is_at(self, url: str) -> bool:
        """Whether an address is this server's: of the same scheme, host and port, as they are written."""
        try:
            theirs, ours = urlsplit(url), urlsplit(self.url)
            return (theirs.scheme, theirs.hostname, theirs.port) == (ours.scheme, ours.hostname, ours.port)
        except ValueError:
            return False


def home_folder(environ: Mapping[str, str]) -> Path:
    configured = environ.get("JOURNEYMAN_HOME")
    return Path(configured).expanduser().absolute() if configured else Path.home() / ".journeyman"


def endpoints_file(home: Path) -> Path:
    """What the local stack wrote down about where its parts listen."""
    return home / "endpoints.json"


def mlflow_token_file(home: Path) -> Path:
    return home / "mlflow_token"


def read_mlflow_token(home: Path) -> str | None:
    try:
        return mlflow_token_file(home).read_text().strip() or None
    except OSError:
        return None


def make_mlflow_token(home: Path) -> None:
    """Keep the token there is, or make one, for its owner alone: another one where others could read it."""
    path = mlflow_token_file(home)
    try:
        found = path.stat()
        if read_mlflow_token(home) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return
    except FileNotFoundError:
        pass
    partial = path.with_suffix(".partial")
    # Born closed, and not through a link that somebody may have put there.
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    partial.replace(path)


def own_mlflow(environ: Mapping[str, str]) -> OwnMlflow | None:
    """The server of the stack that runs in the home folder; None where none does, or it asks for nothing.

    Nobody is told of a token while the stack is down: its port may be another user's by then.
    """
    home = home_folder(environ)
    try:
        written = json.loads(endpoints_file(home).read_text())
    except (OSError, ValueError):
        return None
    token = read_mlflow_token(home)
    url = written.get("mlflow_url") if isinstance(written, dict) and not written.get("attached") else None
    return OwnMlflow(url=url, token=token) if isinstance(url, str) and token else None
