"""A service with requirements: replicas in an environment of their own, and what pip says where it fails."""

from __future__ import annotations

import http.server
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import mlflow
import pytest

from journeyman.client import Client, Service
from journeyman.cluster.settings import Settings

PACKAGE = "tiny_words_of_a_test"
DISTRIBUTION = "tiny-words-of-a-test"
NAME = "wordy"
LIMIT_S = 300.0
"""Ray copies its whole environment for another one, and tries several times where that fails."""
MODEL = f"""
import mlflow
import {PACKAGE}


class Louder(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str], params=None) -> list[str]:
        return [{PACKAGE}.louder(text) for text in model_input]


mlflow.models.set_model(Louder())
"""


def wheel(folder: Path) -> str:
    """The name of a wheel with one module, as any index would have it."""
    name = f"{PACKAGE}-1.0-py3-none-any.whl"
    about = f"{PACKAGE}-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr(f"{PACKAGE}.py", "def louder(text):\n    return text.upper() + '!'\n")
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return name


@contextmanager
def an_index(folder: Path) -> Iterator[str]:
    """An address with a wheel below it."""
    folder.mkdir()
    wheel(folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def registered(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model from code, logged where its package is."""
    there = folder / "there"
    there.mkdir()
    (there / f"{PACKAGE}.py").write_text("def louder(text):\n    return text.upper() + '!'\n")
    (folder / "louder.py").write_text(MODEL)
    monkeypatch.syspath_prepend(there)
    mlflow.set_tracking_uri(url)
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(folder / "louder.py"),
            pip_requirements=["mlflow", f"{DISTRIBUTION}==1.0", DISTRIBUTION],
            registered_model_name=NAME,
        )
    version = str(logged.registered_model_version)
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", version)


@contextmanager
def asked_always(url: str) -> Iterator[list[int]]:
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=60, limits=httpx.Limits(keepalive_expiry=2)) as http:
            while not done.is_set():
                statuses.append(http.post(f"{url}/invocations", json={"inputs": ["hey"]}).status_code)
                time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield statuses
    finally:
        done.set()
        asking.join()


# Ray copies its environment for each of three tries: minutes.
@pytest.mark.parametrize("then_fails", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.filterwarnings("ignore")  # MLflow's own, while it logs.
def test_service_has_what_it_requires_and_says_what_pip_says(
    stack: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then_fails: bool,
) -> None:
    registered(stack.mlflow_url, tmp_path, monkeypatch)
    spec = tmp_path / "service.yaml"
    written = f"kind: service\nname: {NAME}\nmodel: models:/{NAME}@champion\nallow_code: true\n"
    spec.write_text(written)

    with an_index(tmp_path / "index") as index, closing(Client(stack)) as client:
        package = f"{DISTRIBUTION} @ {index}/{PACKAGE}-1.0-py3-none-any.whl"
        nothing = f"{DISTRIBUTION} @ {index}/nowhere/{PACKAGE}-1.0-py3-none-any.whl"

        def until(wanted: Callable[[Service], bool]) -> Service:
            deadline = time.monotonic() + LIMIT_S
            while not wanted(found := client.service(NAME)):
                assert time.monotonic() < deadline, found
                time.sleep(0.2)
            return found

        def says(text: str) -> Callable[[Service], bool]:
            return lambda found: found.order_seen and text in found.reason

        def answer() -> tuple[int, object]:
            got = httpx.post(f"{client.service(NAME).url}/invocations", json={"inputs": ["hey"]}, timeout=60)
            return got.status_code, got.json().get("predictions")

        client.deploy(spec)
        lacking = until(says("not installed here"))
        assert lacking.reason.count(f"{DISTRIBUTION}==1.0") == 1
        assert PACKAGE not in lacking.reason
        assert "List what it needs under `requirements` of the service" in lacking.reason

        # A file, as people keep it, and the replicas are those of the service that could not begin.
        (tmp_path / "requirements.txt").write_text(f"# what it needs\n{package}\n")
        spec.write_text(f"{written}requirements: requirements.txt\n")
        [told] = client.plan_deploy(spec)
        assert told.startswith(f"requirements: [] → ['{package}'] (by new replicas")
        client.deploy(spec)
        until(lambda found: found.phase == "healthy")
        assert answer() == (200, ["HEY!"])
        assert client.plan_deploy(spec) == []

        if then_fails:
            # What cannot be installed is told in pip's words, and what answers goes on answering.
            with asked_always(client.service(NAME).url) as statuses:
                (tmp_path / "requirements.txt").write_text(f"{nothing}\n")
                client.deploy(spec)
                failed = until(says("its requirements cannot be installed: "))
                assert "404" in failed.reason
                assert failed.phase in ("deploying", "unhealthy")
                client.rollback(NAME)
                until(lambda found: found.order_seen and found.phase == "healthy")
            assert set(statuses) == {200}
            assert answer() == (200, ["HEY!"])
        client.undeploy(NAME)
        while NAME in {service.name for service in client.services()}:
            time.sleep(0.2)
