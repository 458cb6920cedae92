"""Who asks MLflow, and whose certificate is believed: MLflow's own variables and its file of credentials.

Read as MLflow's client reads them, by every process where it runs. Nothing hands credentials on: what Ray's
REST shows and what MLflow keeps must not hold them.
"""

from __future__ import annotations

import base64
import configparser
import os
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from journeyman.errors import UsageError
from journeyman.home import own_mlflow

HOW_TO_SET = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or write the first "
    "two to ~/.mlflow/credentials."
)


@dataclass(frozen=True, slots=True)
class Credentials:
    asker: str
    """Who asks, for people to read."""
    authorization: str | None = field(repr=False)
    """The header that says so; None where there is nothing to say."""


def credentials_file() -> Path:
    """Where MLflow's client looks: an INI file with a section [mlflow]."""
    return Path.home() / ".mlflow" / "credentials"


def read_credentials(environ: Mapping[str, str], url: str) -> Credentials:
    """The variables win over the file, a name with its password over a token. Raises UsageError.

    None of them is for the server of the stack that the home folder runs, which knows its owner.
    """
    own = own_mlflow(environ)
    if own is not None and own.is_at(url):
        return Credentials(f"user {os.getuid()} of this machine", f"Bearer {own.token}")
    written = _read_file(credentials_file())
    name, password = (
        environ.get(variable) or written.get(variable.lower())
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    )
    if name and password:
        encoded = base64.b64encode(f"{name}:{password}".encode()).decode()
        return Credentials(f"user {name}", f"Basic {encoded}")
    if token := environ.get("MLFLOW_TRACKING_TOKEN"):
        return Credentials("the owner of MLFLOW_TRACKING_TOKEN", f"Bearer {token}")
    return Credentials(f"user {name} without a password" if name else "anonymous requests", None)


def _read_file(path: Path) -> Mapping[str, str]:
    parser = configparser.ConfigParser()
    try:
        parser.read(path)
        return dict(parser["mlflow"]) if "mlflow" in parser else {}
    except (configparser.Error, UnicodeDecodeError):
        # What the parser says holds the line it stumbled over.
        raise UsageError(
            f"{path} is no credentials file of MLflow",
            "It has a section [mlflow] with mlflow_tracking_username and mlflow_tracking_password; "
            "a % in a value is written %%.",
        ) from None


class Access(httpx.Auth):
    """Tells MLflow with each request who asks. Threads may share it."""

    def __init__(self, environ: Mapping[str, str], url: str) -> None:
        self._environ = environ
        self._url = url
        self.credentials = read_credentials(environ, url)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        answer = yield _signed(request, self.credentials)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            # A password changes while a service or a long job runs, and only the file can change with it; the
            # token of the stack is another one each time that it is started.
            now = read_credentials(self._environ, self._url)
            if now != self.credentials:
                self.credentials = now
                yield _signed(request, now)


def _signed(request: httpx.Request, credentials: Credentials) -> httpx.Request:
    if credentials.authorization is not None:
        request.headers["Authorization"] = credentials.authorization
    return request


def certificates(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """What httpx is to believe of a server behind https. Raises UsageError."""
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return False
    path = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    if not path:
        return True
    try:
        folder = Path(path).is_dir()
        return ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(
            f"MLFLOW_TRACKING_SERVER_CERT_PATH names {path}, which cannot be read: {reason}"
        ) from None
