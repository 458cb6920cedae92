"""One real stack for all integration tests that do not break one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from journeyman.cluster.parts import ray_folder
from journeyman.cluster.settings import Settings, load_settings, write_secret
from journeyman.cluster.stack import start, stop

SECRET = "swordfish-5f2d9c"


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
