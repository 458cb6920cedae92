"""A service follows its alias under load: what cannot serve and lost orders never end what serves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from itertools import groupby
from pathlib import Path

import httpx
import mlflow.pytorch
import numpy as np
import psutil
import pytest
import torch
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from journeyman.client import Client, Service
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import NOTE

from .conftest import registered

LIMIT_S = 180.0
MODEL = "strict"
ROW = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}
ROWS = torch.ones(2, 4)
TENSORS = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 4))]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
)

RAISES = """
import mlflow


class Raises(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        raise ArithmeticError("it never learned to count")


mlflow.models.set_model(Raises())
"""
NEVER_LOADS = """
import time
import mlflow


class NeverLoads(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        time.sleep(3600)

    def predict(self, context, model_input, params=None):
        return model_input[:, :3]


mlflow.models.set_model(NeverLoads())
"""


class Versions:
    """Registers versions, each for a reason of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self._url = url
        self._folder = folder
        self._count = 0

    def good(self) -> str:
        return self._exported(torch.nn.Linear(4, 3), ROWS)

    def deep(self, features: int) -> str:
        """One whose graph is too large to be read beside another."""
        layers = [layer for _ in range(60) for layer in (torch.nn.Linear(3, 3), torch.nn.ReLU())]
        return self._exported(
            torch.nn.Sequential(torch.nn.Linear(features, 3), *layers), torch.ones(2, features)
        )

    def _exported(self, module: torch.nn.Module, rows: torch.Tensor) -> str:
        return registered(self._url, MODEL, module, rows, self._next(), None)

    def torch(self, module: torch.nn.Module, serialization_format: str) -> str:
        folder = self._next()
        mlflow.pytorch.save_model(
            module.eval(),
            folder,
            signature=TENSORS,
            input_example=ROWS.numpy(),
            pip_requirements=[],
            serialization_format=serialization_format,
        )
        return self._registered(folder)

    def python(self, source: str) -> str:
        folder = self._next()
        code = folder.with_suffix(".py")
        code.write_text(source)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(code),
            signature=TENSORS,
            input_example=ROWS.numpy(),
            pip_requirements=[],
        )
        return self._registered(folder)

    def moved(self, version: str) -> None:
        self.client.set_registered_model_alias(MODEL, "champion", version)

    def _next(self) -> Path:
        self._count += 1
        return self._folder / f"version-{self._count}"

    def _registered(self, folder: Path) -> str:
        run_id = self.client.create_run("0").info.run_id
        self.client.log_artifacts(run_id, str(folder), "model")
        source = f"{self.client.get_run(run_id).info.artifact_uri}/model"
        return str(self.client.create_model_version(MODEL, source, run_id).version)


@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_what_cannot_serve_or_is_lost_never_ends_what_serves(
    stack: Settings,
    asked: Callable[[str], AbstractContextManager[list[tuple[int, str]]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.mlflow_url)
    mlflow.set_tracking_uri(stack.mlflow_url)
    versions = Versions(stack.mlflow_url, tmp_path)
    first = versions.good()
    versions.moved(first)
    spec = tmp_path / "service.yaml"
    spec.write_text(f"kind: service\nname: {MODEL}\nmodel: models:/{MODEL}@champion\n")
    with torch.no_grad():
        (nan := torch.nn.Linear(4, 3)).weight.fill_(float("nan"))

    with (
        closing(Client(stack)) as client,
        closing(Mlflow(stack.mlflow_url, os.environ)) as server,
        closing(Ray(stack.ray_url, stack.ray_token, os.environ)) as ray,
    ):

        def trained(version: str) -> str:
            """The run that the answers name."""
            return str(versions.client.get_model_version(MODEL, version).run_id)

        def until(wanted: Callable[[Service], bool]) -> Service:
            deadline = time.monotonic() + LIMIT_S
            while not wanted(service := client.service(MODEL)):
                assert time.monotonic() < deadline, f"it did not happen: {service}"
                time.sleep(0.2)
            return service

        client.deploy(spec)
        healthy = until(lambda service: service.phase == "healthy")
        run_id, url = healthy.run_id, healthy.url
        assert f"{url}/invocations" in server.run(run_id).tags[NOTE]
        described = httpx.get(url).json()
        assert (described["model"], described["version"], described["run"]) == (MODEL, first, trained(first))
        with asked(url) as answers:

            def refuses(version: str, why: str) -> None:
                versions.moved(version)
                held = f"keeps version {first}: version {version}:"
                kept = until(lambda service: service.reason.startswith(held))
                assert why in kept.reason, kept.reason
                settled = until(lambda service: service.phase == "healthy")
                assert (settled.serving_version, settled.reason) == (first, kept.reason)

            refuses(versions.torch(nan, "pt2"), "holds NaN on its own input example")
            refuses(versions.torch(torch.nn.Linear(4, 3), "pickle"), "stored as pickle")
            refuses(versions.python(RAISES), "is a model from code")
            refuses(versions.deep(5), "takes input float32[-1, 5], where version 1 takes")
            # What runs code that it brings is served where that is ordered.
            versions.moved(first)
            until(lambda service: service.phase == "healthy" and service.reason == "")
            spec.write_text(f"{spec.read_text()}allow_code: true\n")
            client.deploy(spec)
            client.wait_until_healthy(MODEL, LIMIT_S, lambda seen: None)
            refuses(versions.python(RAISES), "it never learned to count")

            # One that never finishes loading holds up neither the answers nor the one that comes after it.
            versions.moved(stuck := versions.python(NEVER_LOADS))
            until(lambda service: service.phase == "swapping" and service.candidate_version == stuck)
            versions.moved(second := versions.good())
            until(lambda service: service.phase == "healthy" and service.serving_version == second)
            trained_second = trained(second)

            # Orders that are lost: the alias, then the version, then the model's very name.
            versions.client.delete_registered_model_alias(MODEL, "champion")
            lost = until(lambda service: service.reason.startswith("order lost"))
            assert lost.reason == (
                f"order lost: model {MODEL} has no alias champion; version {second} goes on serving"
            )
            versions.moved(second)
            until(lambda service: service.reason == "")
            versions.client.rename_registered_model(MODEL, f"{MODEL}-renamed")
            until(lambda service: service.reason.startswith("order lost"))
            versions.client.rename_registered_model(f"{MODEL}-renamed", MODEL)
            until(lambda service: service.reason == "")
            versions.client.delete_model_version(MODEL, second)
            until(lambda service: service.reason.startswith("order lost"))
            versions.client.delete_registered_model(MODEL)
            assert until(lambda service: "not found" in service.reason).serving_version == second
            time.sleep(1)
        assert {status for status, _ in answers} == {200}
        assert list(dict.fromkeys(version for _, version in answers)) == [first, second]

        # A replica that dies now has its files, though MLflow has them no more.
        for process in replicas(stack):
            process.kill()
        deadline = time.monotonic() + LIMIT_S
        while not answers_again(url):
            assert time.monotonic() < deadline, "the service never answered again"
            time.sleep(0.2)
        headers = httpx.post(f"{url}/invocations", json=ROW).headers
        lineage = (headers["x-journeyman-version"], headers["x-journeyman-run"])
        assert lineage == (second, trained_second)
        client.undeploy(MODEL)
        while server.run(run_id).status != "FINISHED":
            assert time.monotonic() < deadline + LIMIT_S
            time.sleep(0.2)
        assert server.run(run_id).phase == "undeployed"
        assert MODEL not in {service.name for service in client.services()}
        assert MODEL not in {application.name for application in ray.applications()}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_two_aliases_that_change_places_at_once_are_followed_each(
    stack: Settings,
    asked: Callable[[str], AbstractContextManager[list[tuple[int, str]]]],
    tmp_path: Path,
) -> None:
    versions = Versions(stack.mlflow_url, tmp_path)
    ordered = {"champion": versions.good(), "challenger": versions.good()}
    with closing(Client(stack)) as client:
        for alias, version in ordered.items():
            versions.client.set_registered_model_alias(MODEL, alias, version)
            client.deploy({"kind": "service", "name": alias, "model": f"models:/{MODEL}@{alias}"})
        for alias in ordered:
            client.wait_until_healthy(alias, LIMIT_S, lambda seen: None)
        with (
            asked(client.service("champion").url) as of_champion,
            asked(client.service("challenger").url) as of_challenger,
        ):
            for _ in range(3):
                ordered = dict(zip(ordered, reversed(ordered.values()), strict=True))
                for alias, version in ordered.items():
                    versions.client.set_registered_model_alias(MODEL, alias, version)
                deadline = time.monotonic() + LIMIT_S
                while {alias: client.service(alias).serving_version for alias in ordered} != ordered:
                    assert time.monotonic() < deadline, client.services()
                    time.sleep(0.2)
                time.sleep(0.5)
        one, two = ordered["challenger"], ordered["champion"]
        for answers, expected in ((of_champion, [one, two, one, two]), (of_challenger, [two, one, two, one])):
            assert {status for status, _ in answers} == {200}
            assert [version for version, _ in groupby(version for _, version in answers)] == expected
        for alias in ordered:
            client.undeploy(alias)


def replicas(stack: Settings) -> list[psutil.Process]:
    owned = [each.process for each in owned_processes(mark_of(stack.cluster, "ray"))]
    found = [process for process in owned if f"ServeReplica:{MODEL}" in " ".join(process.cmdline())]
    assert found, "the service has a replica"
    return found


def answers_again(url: str) -> bool:
    try:
        return httpx.post(f"{url}/invocations", json=ROW, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
