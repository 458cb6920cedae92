"""Where things are: the home folder, the servers to talk to, tokens and secrets.

The environment wins over what the local stack wrote down, and its variables keep their owners' names:
MLFLOW_TRACKING_URI, RAY_ADDRESS, RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH. JOURNEYMAN_HOME moves the home folder.
Who asks MLflow is said in `tracking/access.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from journeyman.cluster.capacity import Growth
from journeyman.cluster.contexts import context_folder, current_context
from journeyman.errors import NotFoundError, StackDownError, UsageError
from journeyman.home import endpoints_file, home_folder

SERVE_PORT = 8000
"""Ray Serve's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The servers one process of Journeyman talks to."""

    home: Path
    """The folder of the context: of the stack on this machine, or of a cluster that is attached."""
    context: str
    """What the cluster is called here; empty where the environment alone names it."""
    attached: bool
    """Whether something else started the cluster: then its nodes need not have Journeyman, nor this home."""
    cluster: str
    """Whose records are ours: written on every job and service, read by one control."""
    mlflow_url: str
    ray_url: str
    """Ray's dashboard, which carries the REST APIs of Ray Jobs and Ray Serve."""
    ray_token: str | None = field(repr=False)
    serve_url: str
    """Where services answer: `<serve_url>/<name>`. A balancer may be there: Serve listens elsewhere then."""
    grpc_address: str | None
    """Where services answer gRPC; None where their cluster was started without it."""
    storage: str | None
    """Where checkpoints go unless a spec says; None where every spec must."""
    serve_listens: str = f"127.0.0.1:{SERVE_PORT}"
    """The address and port that Serve's proxies are told to listen on, on each node that has one."""
    growth: tuple[Growth, ...] | None = ()
    """What the cluster's autoscaler may add: nothing on the local stack, None where nobody said."""


def context_home(environ: Mapping[str, str]) -> Path:
    """The folder of the context in force."""
    root = home_folder(environ)
    return context_folder(root, current_context(root))


def make_home(home: Path) -> None:
    """Make the home folder, for its owner alone, where it is not there. Raises UsageError."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the home folder {home} cannot be made: {error.strerror}", "Name another one in JOURNEYMAN_HOME."
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise UsageError(
            f"the home folder {home} cannot be written",
            "Make it writable, or name another one in JOURNEYMAN_HOME.",
        )


def read_endpoints(home: Path) -> dict[str, Any]:
    """What is written there; nothing where there never was a stack. Raises UsageError."""
    path = endpoints_file(home)
    try:
        written = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise UsageError(f"the home folder {home} is a file", "Name a folder in JOURNEYMAN_HOME.") from None
    except ValueError:
        written = None
    ports = written.get("ports", {}) if isinstance(written, dict) else None
    whole = isinstance(ports, dict) and all(isinstance(port, int) for port in ports.values())
    if not whole or not isinstance(written.get("cluster"), str):
        raise UsageError(
            f"{path} cannot be read: it is damaged, or another version of Journeyman wrote it",
            "Use that version, or move the file away: `journeyman up` then begins with an empty cluster.",
        )
    return dict(written)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Of the context in force, unless the environment names another cluster.

    Raises StackDownError when neither says where the servers are.
    """
    root = home_folder(environ)
    context = current_context(root)
    home = context_folder(root, context)
    written = read_endpoints(home)
    ray_url = environ.get("RAY_ADDRESS") or written.get("ray_url")
    if ray_url != written.get("ray_url"):
        # Another cluster: what was written down of this one does not hold there.
        context, home, written = "", root, {}
    mlflow_url = environ.get("MLFLOW_TRACKING_URI") or written.get("mlflow_url")
    if not mlflow_url or not ray_url:
        raise StackDownError(
            f"no stack is running (home folder {root})",
            "Start one with `journeyman up`, attach to a cluster with `journeyman up --address …`, or set "
            "MLFLOW_TRACKING_URI and RAY_ADDRESS=http://<head>:8265.",
        )
    for name, url in (("MLFLOW_TRACKING_URI", mlflow_url), ("RAY_ADDRESS", ray_url)):
        check_address(name, url)
    attached = bool(written.get("attached", not written))
    return Settings(
        home=home,
        context=context,
        attached=attached,
        cluster=written.get("cluster", cluster_of(ray_url)),
        mlflow_url=mlflow_url,
        ray_url=ray_url,
        ray_token=read_token(environ, home),
        serve_url=written.get("serve_url") or serve_address(ray_url),
        serve_listens=read_listens(written, ray_url),
        grpc_address=written.get("grpc_address"),
        storage=written.get("storage") if attached else str(home / "runs"),
        growth=read_growth(written) if attached else (),
    )


def read_growth(written: Mapping[str, Any]) -> tuple[Growth, ...] | None:
    """What a context's endpoints file says of it."""
    growth = written.get("growth")
    if growth is None:
        return None
    return tuple(Growth(total=each["total"], nodes=each["nodes"]) for each in growth)


def read_listens(written: Mapping[str, Any], ray_url: str) -> str:
    """What a context's endpoints file says Serve listens on."""
    if "serve_listens" in written:
        return str(written["serve_listens"])
    local = not written.get("attached", not written)
    # Written by an earlier version: the stack on this machine has always said the port that it chose.
    port = urlsplit(written.get("serve_url", "")).port if local else None
    return f"127.0.0.1:{port}" if port else default_listens(ray_url)


def default_listens(ray_url: str) -> str:
    """What Serve listens on unless it is said: loopback where the head is there, else every address."""
    loopback = urlsplit(ray_url).hostname in ("127.0.0.1", "localhost", "::1")
    return f"{'127.0.0.1' if loopback else '0.0.0.0'}:{SERVE_PORT}"


def check_listens(name: str, address: str) -> None:
    """Raises UsageError where it is no address with a port."""
    try:
        parts = urlsplit(f"//{address}")
        whole = parts.hostname is not None and parts.port and parts.netloc == address and "@" not in address
    except ValueError:
        whole = False
    if not whole:
        raise UsageError(
            f"{name} is {address!r}, which is no address with a port",
            "Say what Serve is to listen on, on each node, such as `0.0.0.0:8000`.",
        )


def check_address(name: str, url: str) -> None:
    """Raises UsageError where it is no http address, or holds a password."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{name} is {url!r}, which is no http address",
            "Journeyman talks to MLflow's server and to Ray's dashboard, such as http://127.0.0.1:8265.",
        )
    if "@" in urlsplit(url).netloc:
        # Addresses are shown, recorded and handed to the processes of jobs.
        raise UsageError(
            f"{name} holds a name or a password",
            "Take them out of the address: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and "
            "RAY_AUTH_TOKEN are for them.",
        )


def cluster_of(ray_url: str) -> str:
    """What records call a cluster that something else started: its address, the same from everywhere."""
    return ray_url.rstrip("/").lower()


def serve_address(ray_url: str, port: int = SERVE_PORT) -> str:
    """Where Serve answers unless it is said: on the head, at its own port."""
    host = urlsplit(ray_url).hostname or ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ray_token_file(home: Path) -> Path:
    return home / "ray_token"


def write_token(home: Path, token: str) -> None:
    """Keep Ray's token for its owner alone."""
    with os.fdopen(os.open(ray_token_file(home), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token)


def read_token(environ: Mapping[str, str], home: Path) -> str | None:
    """Ray's token, where it wants one."""
    if token := environ.get("RAY_AUTH_TOKEN"):
        return token
    path = Path(environ.get("RAY_AUTH_TOKEN_PATH") or ray_token_file(home))
    return path.read_text().strip() if path.exists() else None


# -- secrets -----------------------------------------------------------------------------------------


def secrets_file(home: Path) -> Path:
    """One JSON object, name to value, readable by its owner alone."""
    return home / "secrets.json"


def read_secrets(home: Path) -> dict[str, str]:
    path = secrets_file(home)
    if not path.exists():
        return {}
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(
            f"{path} can be read by others than its owner",
            f"Close it with `chmod 600 {path}`, then try again.",
        )
    try:
        secrets: dict[str, str] = json.loads(path.read_text())
        return dict(secrets)
    except ValueError:
        raise UsageError(
            f"{path} cannot be read: it is damaged",
            "Move it away, and set the secrets again with `journeyman secret set NAME`.",
        ) from None


def write_secret(home: Path, name: str, value: str | None) -> None:
    """Store a secret, or remove it where `value` is None; of two at once neither undoes the other."""
    path = secrets_file(home)
    make_home(home)
    # The lock has a file of its own, which stays: the secrets' is another one after each write.
    with os.fdopen(os.open(path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        secrets = read_secrets(home)
        if value is None:
            if name not in secrets:
                raise NotFoundError(f"no secret {name}", "`journeyman secret list` shows those there are.")
            del secrets[name]
        else:
            secrets[name] = value
        partial = path.with_suffix(".partial")
        # Born closed: a file that is created open and closed later can be read in between.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(secrets, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
