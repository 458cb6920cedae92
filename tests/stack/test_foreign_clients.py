"""Programs of others against a real service, in environments of their own: Triton's gRPC, schemathesis."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from journeyman.client import Client, Service
from journeyman.cluster.settings import Settings

from .conftest import registered

NAMES = ("first", "second")
LIMIT_S = 300.0

TRITON = """
import sys
import numpy as np
import tritonclient.grpc as triton

address, application, factor = sys.argv[1:]
client = triton.InferenceServerClient(address)
headers = {"application": application} if application else None
name = application or "first"
assert client.is_server_live(headers) and client.is_server_ready(headers)
assert client.is_model_ready(name, headers=headers)
assert client.get_server_metadata(headers).name == "journeyman"
model = client.get_model_metadata(name, headers=headers)
[tensor] = model.inputs
rows = np.arange(8, dtype=np.float32).reshape(2, 4)
asked = triton.InferInput(tensor.name, rows.shape, tensor.datatype)
asked.set_data_from_numpy(rows)
answer = client.infer(name, [asked], headers=headers)
np.testing.assert_allclose(answer.as_numpy("output"), float(factor) * rows)
try:
    client.infer("nobody", [asked], headers=headers)
except triton.InferenceServerException as error:
    assert error.status() == "StatusCode.NOT_FOUND", error
else:
    raise SystemExit("a model that is not there answered")
print("answered", model.versions)
"""

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a virtual environment with packages that do not go together with ours; its folder of programs."""

    def make(*packages: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(pip, check=True)
        return folder / "bin"

    return make


@pytest.fixture(scope="module")
def services(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    """Deploys one that multiplies by its place in NAMES, from 2 on."""
    folder = tmp_path_factory.mktemp("models")
    with closing(Client(stack)) as client:
        deployed: list[str] = []

        def deploy(name: str) -> Service:
            if name in deployed:
                return client.service(name)
            model = torch.nn.Linear(4, 4, bias=False)
            model.load_state_dict({"weight": (2 + NAMES.index(name)) * torch.eye(4)})
            registered(stack.mlflow_url, name, model, torch.ones(2, 4), folder / name, "champion")
            client.deploy({"kind": "service", "name": name, "model": f"models:/{name}@champion"})
            deployed.append(name)
            return client.wait_until_healthy(name, LIMIT_S, lambda seen: None)

        yield deploy
        for name in deployed:
            client.undeploy(name)


def test_tritons_grpc_client_needs_no_metadata_for_one_service_and_names_one_of_two(
    services: Callable[[str], Service], environment: Callable[..., Path]
) -> None:
    python = environment("tritonclient[grpc]==2.73.0") / "python"

    def asked(application: str, factor: int) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-c", TRITON, str(service.grpc_address), application, str(factor)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    service = services("first")
    alone = asked("", 2)
    assert alone.stdout == "answered ['1']\n", alone.stderr
    services("second")
    for application, factor in (("first", 2), ("second", 3)):
        named = asked(application, factor)
        assert named.stdout == "answered ['1']\n", named.stderr
    assert "Application metadata not set" in asked("", 2).stderr


def test_schemathesis_finds_nothing_against_the_description(
    services: Callable[[str], Service], environment: Callable[..., Path]
) -> None:
    service = services("first")
    schemathesis = environment("schemathesis==4.32.5") / "schemathesis"
    command = [
        str(schemathesis),
        "run",
        f"{service.url}/openapi.json",
        "--max-examples",
        "200",
        "--seed",
        "1",
    ]
    # A schema can tell neither that the values are as many as the shape says, nor what a table in CSV is.
    command += ["--exclude-checks", "positive_data_acceptance"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
