"""One real stack for all integration tests that do not break one."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import torch
from mlflow import MlflowClient

from journeyman.cluster.local.parts import ray_folder
from journeyman.cluster.local.stack import start, stop
from journeyman.cluster.settings import Settings, load_settings, write_secret
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import EXPORTED, graph_bytes, save_package
from journeyman.models.registry import log_package, register
from journeyman.tracking.records import GRAPH_BYTES

SECRET = "swordfish-5f2d9c"


def registered(
    mlflow_url: str, name: str, module: torch.nn.Module, rows: torch.Tensor, folder: Path, alias: str | None
) -> str:
    """The number of a new version: the module exported, and told of as a job's worker tells of its own."""
    client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
    run_id = client.create_run("0").info.run_id
    package = save_package(module, rows, folder)
    assert add_onnx(package) == ""
    told = {GRAPH_BYTES: str(graph_bytes(package.path / EXPORTED))}
    version = register(client, log_package(client, package, run_id, name), name, run_id, told, alias)
    client.set_terminated(run_id)
    return version


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start stacks of their own go first: two Rays at once are too much for two cores."""
    items.sort(key=lambda item: item.get_closest_marker("own_stack") is None)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """MLflow, Ray and control, as `journeyman up` starts them, in a home folder of their own."""
    home = tmp_path_factory.mktemp("home")
    write_secret(home, "TEST_TOKEN", SECRET)
    environ = {"JOURNEYMAN_HOME": str(home)}
    os.environ.update(environ)
    start(home, lambda part, text: None)
    try:
        yield load_settings(environ)
    finally:
        stop(home)
        del os.environ["JOURNEYMAN_HOME"]
        shutil.rmtree(ray_folder(home), ignore_errors=True)


ROW = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}
Answers = list[tuple[int, str]]
"""Status and version of each answer, as they come."""


@pytest.fixture
def asked() -> Callable[[str], AbstractContextManager[Answers]]:
    """Someone who asks the service at an address all the time."""
    return _asked


@contextmanager
def _asked(url: str) -> Iterator[Answers]:
    answers: Answers = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=60, limits=httpx.Limits(keepalive_expiry=2)) as http:
            while not done.is_set():
                answer = http.post(f"{url}/invocations", json=ROW)
                answers.append((answer.status_code, answer.headers.get("x-journeyman-version", answer.text)))
                time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()
