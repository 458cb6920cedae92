"""Real servers that the tests share."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

START_TIMEOUT_S = 120.0


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
