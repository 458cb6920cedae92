"""Clients that nobody here wrote, on a real service: MLflow's deployments and Triton's client."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.deployments import BaseDeploymentClient, get_deploy_client
from mlflow.exceptions import MlflowException
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from journeyman.client import Client
from journeyman.cluster.settings import Settings

from .conftest import registered

NAME = "spoken"
LIMIT_S = 120.0
ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(scope="module")
def deployments(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> BaseDeploymentClient:
    """MLflow's client of the plugin, and a registered model."""
    doubles = torch.nn.Linear(4, 4)
    doubles.load_state_dict({"weight": 2 * torch.eye(4), "bias": torch.zeros(4)})
    folder = tmp_path_factory.mktemp("model") / "1"
    registered(stack.mlflow_url, NAME, doubles, torch.ones(2, 4), folder, "champion")
    return get_deploy_client("journeyman")


@pytest.fixture(scope="module")
def url(stack: Settings, deployments: BaseDeploymentClient) -> Iterator[str]:
    """The address of the service that MLflow's client made."""
    created = deployments.create_deployment(NAME, f"models:/{NAME}@champion", config={"replicas": "1..2"})
    assert (created["name"], created["version"], created["phase"]) == (NAME, "1", "healthy")
    yield created["url"]
    deployments.delete_deployment(NAME)
    deadline = time.monotonic() + LIMIT_S
    while any(each["name"] == NAME for each in deployments.list_deployments()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    # As MLflow has it, what is not there is deleted already.
    deployments.delete_deployment(NAME)


@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_mlflow_deploys_asks_and_changes_a_service(
    stack: Settings, deployments: BaseDeploymentClient, url: str, tmp_path: Path
) -> None:
    listed = [each for each in deployments.list_deployments() if each["name"] == NAME]
    assert listed == [deployments.get_deployment(NAME)]
    doubled = (2 * ROWS).tolist()
    for inputs in (ROWS, pd.DataFrame(ROWS), ROWS.tolist()):
        assert deployments.predict(NAME, inputs)["predictions"] == doubled
    with pytest.raises(MlflowException, match=r"has shape \[1, 1\], and this model takes \[any, 4\]"):
        deployments.predict(NAME, [[1.0]])
    with pytest.raises(MlflowException, match="there is a service 'spoken'"):
        deployments.create_deployment(NAME, f"models:/{NAME}/1")
    with pytest.raises(MlflowException, match="unknown key 'replica'"):
        deployments.update_deployment(NAME, config={"replica": "3"})
    with pytest.raises(MlflowException, match="models:/nothing/1 is not registered"):
        deployments.create_deployment("other", "models:/nothing/1")
    updated = deployments.update_deployment(NAME, f"models:/{NAME}/1")
    assert (updated["model"], updated["replicas"], updated["phase"]) == (
        f"models:/{NAME}/1",
        "1..2",
        "healthy",
    )

    # At a prompt, with the file that MLflow's CLI reads.
    (tmp_path / "input.json").write_text(json.dumps(ROWS.tolist()))
    asked = ["predict", "-t", "journeyman", "--name", NAME, "-I", str(tmp_path / "input.json")]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "deployments", *asked], check=False, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == {"predictions": doubled}, done.stderr
    with closing(Client(stack)) as client:
        assert client.service(NAME).spec["replicas"] == "1..2"


@pytest.mark.filterwarnings("ignore")
def test_client_of_triton_asks_a_service(url: str) -> None:
    client = InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(NAME, "1")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata(NAME)
    [tensor] = metadata["inputs"]
    assert (metadata["versions"], tensor["datatype"], tensor["shape"]) == (["1"], "FP32", [-1, 4])
    for binary in (True, False):
        rows = InferInput(tensor["name"], ROWS.shape, "FP32")
        rows.set_data_from_numpy(ROWS, binary_data=binary)
        answer = client.infer(NAME, [rows], request_id="42")
        assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("42", "1")
        output = answer.get_response()["outputs"][0]["name"]
        np.testing.assert_array_equal(answer.as_numpy(output), 2 * ROWS)
    # Megabytes go through the thread that is for them.
    many = np.ones((100_000, 4), np.float32)
    rows = InferInput(tensor["name"], many.shape, "FP32")
    rows.set_data_from_numpy(many)
    assert client.infer(NAME, [rows]).as_numpy(output).sum() == 8 * len(many)

    wrong = InferInput(tensor["name"], [1, 4], "FP64")
    wrong.set_data_from_numpy(np.ones((1, 4)))
    with pytest.raises(InferenceServerException, match="is FP64, and this input is FP32"):
        client.infer(NAME, [wrong])
    with pytest.raises(InferenceServerException, match="answers with version 1"):
        client.get_model_metadata(NAME, "2")
    with pytest.raises(InferenceServerException, match="This service is 'spoken'"):
        client.get_model_metadata("another")
    client.close()


def test_limits_of_a_service_hold_and_change_while_it_answers(stack: Settings, url: str) -> None:
    many = json.dumps({"inputs": np.ones((50_000, 4)).tolist()}).encode()

    def ask(body: bytes = many) -> httpx.Response:
        return httpx.post(f"{url}/invocations", content=body, timeout=60)

    def until(status: int, body: bytes = many) -> httpx.Response:
        deadline = time.monotonic() + LIMIT_S
        while (answer := ask(body)).status_code != status:
            assert time.monotonic() < deadline, answer.text[:200]
        return answer

    with closing(Client(stack)) as client:
        spec = client.service(NAME).spec
        client.deploy(spec, ["limits.time=1ms"])
        assert until(504).json()["message"] == "There was no answer within 0.001 s."
        client.deploy(spec, ["limits={queue: 1, body: 4MiB}"])
        until(200)
        with ThreadPoolExecutor(8) as askers:
            answers = list(askers.map(lambda _: ask(), range(16)))
        assert {answer.status_code for answer in answers} == {200, 503}
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert (refused.json()["error_code"], refused.headers["retry-after"]) == ("RESOURCE_EXHAUSTED", "1")
        large = b"[" * (4 * 2**20 + 1)
        assert "larger than 4 MiB" in until(413, large).json()["message"]
        client.deploy(spec)
        # No JSON, and no longer too large.
        until(400, large)


def test_each_answer_has_the_id_of_its_request(url: str) -> None:
    named = httpx.get(f"{url}/ping", headers={"x-request-id": "mine"})
    assert named.headers.get_list("x-request-id") == ["mine"]
    # Serve's own have hyphens: this one was not led through Serve.
    made = [httpx.get(f"{url}{path}").headers["x-request-id"] for path in ("/ping", "/nothing")]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in made)
    assert made[0] != made[1]


def test_service_with_many_requests_at_once_gets_another_replica(stack: Settings, url: str) -> None:
    address = urlsplit(url)
    body = json.dumps({"inputs": [[1, 2, 3, 4]]}).encode()
    head = f"POST {address.path}/invocations HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: {len(body)}\r\n\r\n"
    with ExitStack() as opened:
        client = opened.enter_context(closing(Client(stack)))
        # Requests that take their time, and no processor's: the rest of them comes later.
        asking = [
            opened.enter_context(socket.create_connection((address.hostname, address.port), LIMIT_S))
            for _ in range(60)
        ]
        for each in asking:
            each.sendall(head.encode() + body[:10])
        deadline = time.monotonic() + LIMIT_S
        while client.service(NAME).running_replicas < 2:
            assert time.monotonic() < deadline, client.service(NAME)
            time.sleep(0.2)
        for each in asking:
            each.sendall(body[10:])
        assert {each.recv(4096).split(b"\r\n")[0] for each in asking} == {b"HTTP/1.1 200 OK"}


def test_refusals_have_the_shape_of_the_protocol(url: str) -> None:
    for method, path, headers, status, told in (
        ("GET", f"/v2/models/{NAME}/infer", {}, 405, "Use POST here, not GET."),
        ("POST", f"/v2/models/{NAME}", {}, 405, "Use GET here, not POST."),
        ("GET", "/v2/models", {}, 404, "POST to /v2/models/<name>/infer."),
        ("POST", f"/v2/models/{NAME}/infer", {"content-encoding": "gzip"}, 415, "without Content-Encoding"),
        ("POST", f"/v2/models/{NAME}/infer", {}, 400, "not valid JSON"),
    ):
        answer = httpx.request(method, url + path, headers=headers, content=b"" if method == "POST" else None)
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), path
        assert told in answer.json()["error"]
    assert httpx.get(f"{url}/v2/models/{NAME}/infer").headers["allow"] == "POST, OPTIONS"
    # The one beside it keeps its own.
    assert set(httpx.get(f"{url}/invocations").json()) == {"error_code", "message"}
