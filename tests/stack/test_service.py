"""A registered model answers over HTTP, follows its alias without losing a request, and is taken down."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import torch
from mlflow import MlflowClient

from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings
from journeyman.models.packages import save_package
from journeyman.models.registry import log_package, register
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import (
    CLUSTER,
    KIND,
    MODEL_RUN,
    NAME,
    NOTE,
    SCHEMA,
    SCHEMA_VERSION,
    SERVICE,
    SERVING,
    SPEC,
    UNDEPLOY_MS,
    URL,
    Run,
)

LIMIT_S = 300.0
NAME_OF_ALL = "follower"
ROW = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}


def publish(client: MlflowClient, features: int, folder: Path, alias: str | None = None) -> str:
    """A version of a model of that many inputs; its run's id."""
    run_id: str = client.create_run("0").info.run_id
    package = save_package(torch.nn.Linear(features, 3), torch.rand(2, features), folder)
    register(client, log_package(client, package, run_id, NAME_OF_ALL), NAME_OF_ALL, run_id, {}, alias)
    client.set_terminated(run_id)
    return run_id


def eventually(look: Callable[[], Run], wanted: Callable[[Run], bool]) -> Run:
    deadline = time.monotonic() + LIMIT_S
    while not wanted(run := look()):
        assert time.monotonic() < deadline, f"it did not happen: {dict(run.tags)}"
        time.sleep(0.2)
    return run


@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_service_follows_its_alias_without_losing_a_request(stack: Settings, tmp_path: Path) -> None:
    mlflow, ray = Mlflow(stack.mlflow_url, os.environ), Ray(stack.ray_url, stack.ray_token)
    client = MlflowClient(tracking_uri=stack.mlflow_url, registry_uri=stack.mlflow_url)
    trained = [
        publish(client, 4, tmp_path / "1", "champion"),
        publish(client, 4, tmp_path / "2"),
        publish(client, 5, tmp_path / "3"),
    ]
    spec = ServiceSpec(name=NAME_OF_ALL, model=f"models:/{NAME_OF_ALL}@champion")
    tags = {SCHEMA: SCHEMA_VERSION, KIND: SERVICE, CLUSTER: stack.cluster, NAME: spec.name}
    tags[SPEC] = spec.model_dump_json()
    run_id = mlflow.create_run(mlflow.experiment_id("default"), spec.name, tags).run_id

    def look() -> Run:
        return mlflow.run(run_id)

    run = eventually(look, lambda run: run.phase == "healthy")
    url = run.tags[URL]
    assert (run.tags[SERVING], run.tags[MODEL_RUN]) == ("1", trained[0])
    assert f"{url}/invocations" in run.tags[NOTE]

    # What it is, whether it is well, and what it refuses.
    described = httpx.get(url).json()
    assert (described["model"], described["version"], described["run"]) == (spec.name, "1", trained[0])
    assert httpx.post(f"{url}/invocations", json=described["example"]).status_code == 200
    assert httpx.get(f"{url}/ping").status_code == 200
    wrong = httpx.post(f"{url}/invocations", json={"inputs": [[1.0]]})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    get = httpx.get(f"{url}/invocations")
    assert (get.status_code, get.headers["allow"]) == (405, "POST")
    assert httpx.get(f"{url}/nothing").status_code == 404

    answers: list[tuple[int, str, str]] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=60) as http:
            while not done.is_set():
                answer = http.post(f"{url}/invocations", json=ROW)
                headers = answer.headers
                version = headers.get("x-journeyman-version", answer.text[:200])
                answers.append((answer.status_code, version, headers.get("x-journeyman-run", "")))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        mlflow.set_alias(spec.name, "champion", "2")
        eventually(look, lambda run: run.tags[SERVING] == "2" and run.phase == "healthy")
        # Another signature would break those who ask: it is refused, and told.
        mlflow.set_alias(spec.name, "champion", "3")
        refused = eventually(look, lambda run: "version 3" in run.reason and run.phase == "healthy")
        assert "keeps version 2" in refused.reason
        client.delete_registered_model_alias(spec.name, "champion")
        lost = eventually(look, lambda run: run.reason.startswith("order lost"))
        assert lost.tags[SERVING] == "2"
        time.sleep(1)
    finally:
        done.set()
        asking.join()
    assert {answer for answer in answers if answer[0] != 200} == set()
    assert list(dict.fromkeys(answers)) == [(200, "1", trained[0]), (200, "2", trained[1])]

    mlflow.set_tags(run_id, {UNDEPLOY_MS: str(int(time.time() * 1000))})
    ended = eventually(look, lambda run: run.status == "FINISHED")
    assert ended.phase == "undeployed"
    assert spec.name not in {application.name for application in ray.applications()}
    mlflow.close()
    ray.close()
