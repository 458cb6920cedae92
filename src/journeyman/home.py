"""The home folder, and what every process of its owner finds there of the stack: addresses and a token.

Its MLflow server lets in only its owner's processes (`tracking/guard`). Where the kernel does not tell whose
a process is, the token in the home folder does, which is read only by whoever may read the folder. The other
way round its owner's processes ask only what the owner's processes answer: a port is anybody's once the part
that listened there has ended.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from journeyman.sockets import NOBODY, uid_of_listener

_ROOT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMlflow:
    """The MLflow server of the stack that this home folder runs."""

    url: str
    token: str = field(repr=False)

    def is_at(self, url: str) -> bool:
        """Whether an address is this server's: of the same scheme, host and port, as they are written."""
        return _is_same_server(url, self.url)


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
    """Make a token, another one than before, for its owner alone."""
    path = mlflow_token_file(home)
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
    token = read_mlflow_token(home)
    url = _own_addresses(home).get("mlflow_url")
    return OwnMlflow(url=url, token=token) if isinstance(url, str) and token else None


def trusts_proxies(url: str) -> bool:
    """Whether what the environment says of proxies holds for it: of an address of this machine it does not.

    A proxy is elsewhere, where 127.0.0.1 is another machine, and would be shown the token.
    """
    return urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost")


def why_not_asked(url: str, home: Path) -> str:
    """Why a part of the stack that this home folder runs is not asked, in words: what listens there is none.

    Whoever took the port of a part that died would be sent the token and what is asked, and its answers would
    be carried out. Empty where the kernel does not tell, and for every other address.
    """
    # The stack writes the number, people the name, which leads to IPv6's, too.
    numbered = url.replace("://localhost:", "://127.0.0.1:", 1)
    own = _own_addresses(home)
    names = ("mlflow_url", "ray_url", "serve_url")
    if not any(_is_same_server(numbered, str(own.get(name))) for name in names):
        return ""
    asked = urlsplit(numbered)
    hosts = [asked.hostname or ""] if numbered == url else [asked.hostname or "", "::1"]
    uids = {uid_of_listener((host, asked.port or 0)) for host in hosts}
    if others := uids - {None, NOBODY, _ROOT, os.getuid(), home.stat().st_uid}:
        return f"a process of another user (uid {others.pop()}) listens there"
    return "nothing listens there" if uids == {NOBODY} else ""


def _own_addresses(home: Path) -> Mapping[str, object]:
    """What the stack that the home folder runs wrote down; nothing where it is down, or is control alone."""
    try:
        written = json.loads(endpoints_file(home).read_text())
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) and not written.get("attached") else {}


def _is_same_server(url: str, other: str) -> bool:
    try:
        ours, theirs = urlsplit(url), urlsplit(other)
        same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
        return same and ours.hostname is not None
    except ValueError:
        return False
