"""What tests share: a real MLflow server, the files of the checkout and the wheel made of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 120.0


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
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server on SQLite, artifacts proxied, empty at the start of the session."""
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    command += ["--serve-artifacts", "--artifacts-destination", str(home / "artifacts")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with open(home / "server.log", "wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    try:
        _wait_for_health(server, url, str(home / "server.log"))
        yield url
    finally:
        _stop(server)


def _wait_for_health(server: subprocess.Popen[bytes], url: str, log_path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
        if server.poll() is not None:
            break
    with open(log_path) as log:
        pytest.fail(f"the MLflow server did not start:\n{log.read()}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """The server and its workers, each by its own id."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.terminate()
    server.wait(timeout=10)
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        process.kill()
