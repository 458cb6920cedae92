"""The files of registered versions on this node: fetched once, kept, and found again without MLflow."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from journeyman.cluster.owned import make_owned, why_not_owned
from journeyman.errors import NotFoundError, UnreachableError, described
from journeyman.home import home_folder
from journeyman.models.cached import InUse, model_folder
from journeyman.models.model import ModelError
from journeyman.tracking.mlflow_rest import Mlflow

_AWAY = re.compile(
    r"Connect(ion)?(Error|Timeout)|ReadTimeout|Max retries exceeded|Connection refused|Could not connect"
    r"|timed out|too many 50\d|failed with error code 50\d|50[234] Server Error"
)
"""Words of requests, urllib3, botocore and MLflow, which puts those of several files into one message."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A version's files here, and what the registry says of it."""

    folder: Path
    run_id: str
    """That it was registered for; empty where that is not known."""
    tags: Mapping[str, str]


def fetch(mlflow: Mlflow, name: str, version: str, in_use: InUse) -> Fetched:
    """The version's files, from this node's cache where it has them; they stay while `in_use` holds them.

    A model that was deleted and made anew counts its versions from 1 again: the time of creation tells them
    apart. Where MLflow is away or has it no more, the files that were fetched last are used, and nothing else
    is known. Raises ModelError, also where another user of this machine may have written to them, and
    UnreachableError and NotFoundError where there are none.
    """
    model = cache_folder(mlflow.url) / model_folder(name)
    try:
        body = mlflow.model_version(name, version)
    except (UnreachableError, NotFoundError):
        cached = sorted(model.glob(f"{version}-*"))
        if not cached or not in_use.hold(cached[-1]):
            raise
        _check(why_not_owned(cached[-1], _cache_root()))
        return Fetched(cached[-1], "", {})
    folder = model / f"{version}-{body['creation_timestamp']}"
    _check(make_owned(model, _cache_root()))
    # It may be removed between the two, where nobody has used it for long.
    while not in_use.hold(download_version(mlflow.url, name, version, folder)):
        pass
    _check(why_not_owned(folder, _cache_root()))
    tags = {tag["key"]: tag["value"] for tag in body.get("tags", ())}
    return Fetched(folder, str(body.get("run_id") or ""), tags)


def download_version(mlflow_url: str, name: str, version: str, folder: Path) -> Path:
    """The files of a version in `folder`, from MLflow unless they are there already: versions do not change.

    Whole or not there: several processes may ask for the same folder at once. Raises ModelError.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    try:
        # `models:/` addresses are looked up at the process's own MLflow, whatever address is passed along.
        client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
        source = client.get_model_version_download_uri(name, version)
        downloaded = download_artifacts(artifact_uri=source, dst_path=partial, tracking_uri=mlflow_url)
        # Loaders run what is in it: a umask may leave it open to a group.
        os.chmod(downloaded, 0o700)
        os.rename(downloaded, folder)
    except MlflowException as error:
        message = f"version {version} of model '{name}' cannot be downloaded: {described(error)}"
        if _is_away(error):
            raise UnreachableError(message, "It is tried again.") from error
        raise ModelError(message, f"Look at the version's files on MLflow's page: {mlflow_url}.") from error
    except OSError as error:
        if _is_away(error):
            message = f"version {version} of model '{name}' cannot be downloaded: {described(error)}"
            raise UnreachableError(message, "It is tried again.") from error
        # Another process was faster, and its folder holds the same version.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _is_away(error: BaseException | None) -> bool:
    """Whether a download failed since a server does not answer, and not for what it answered."""
    while error is not None:
        if isinstance(error, (ConnectionError, TimeoutError)):
            return True
        if _AWAY.search(f"{type(error).__name__}: {error}"):
            return True
        error = error.__cause__ or error.__context__
    return False


def cache_folder(mlflow_url: str) -> Path:
    """Of this node, for the versions of one MLflow server."""
    return _cache_root() / hashlib.sha256(mlflow_url.encode()).hexdigest()[:12]


def _cache_root() -> Path:
    """The first folder that is made here, and must be nobody else's; what is above it is the machine's."""
    if os.environ.get("JOURNEYMAN_HOME"):
        return home_folder(os.environ) / "models"
    return Path(tempfile.gettempdir()) / f"journeyman-{os.getuid()}"


def _check(why: str) -> None:
    """Raises ModelError where another user may have written to what is to be loaded, which runs code."""
    if why:
        raise ModelError(
            f"the cache of versions is not used: {why}",
            f"Remove {_cache_root()}: what is needed of it is downloaded anew.",
        )
