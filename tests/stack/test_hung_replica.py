"""Replicas that are killed, slow, broken or hang around a swap, on Serve itself: what serves goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import mlflow
import psutil
import pytest

from journeyman.client import Client, Service
from journeyman.cluster.settings import Settings

from .test_candidates import MODEL, ROW, Versions, replicas

LIMIT_S = 240.0
SLOW_AND_HANGS = """
import time
import mlflow


class Slow(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        time.sleep(5)

    def predict(self, context, model_input, params=None):
        if model_input[0, 0] == 13:
            time.sleep(3600)
        return model_input[:, :3]


mlflow.models.set_model(Slow())
"""
BREAKS = """
import sys
import mlflow


class Breaks(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        sys.exit("no such device")

    def predict(self, context, model_input, params=None):
        return model_input[:, :3]


mlflow.models.set_model(Breaks())
"""


@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_replica_that_is_killed_slow_broken_or_hangs_costs_no_swap_and_is_replaced(
    stack: Settings,
    asked: Callable[[str], AbstractContextManager[list[tuple[int, str]]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.mlflow_url)
    mlflow.set_tracking_uri(stack.mlflow_url)
    versions = Versions(stack.mlflow_url, tmp_path)
    versions.moved(first := versions.good())
    order = {
        "kind": "service",
        "name": MODEL,
        "model": f"models:/{MODEL}@champion",
        "limits": {"time": "2s"},
        "allow_code": True,
    }

    with closing(Client(stack)) as client:

        def until(wanted: Callable[[Service], bool]) -> Service:
            deadline = time.monotonic() + LIMIT_S
            while not wanted(service := client.service(MODEL)):
                assert time.monotonic() < deadline, f"it did not happen: {service}"
                time.sleep(0.2)
            return service

        client.deploy(order)
        url = until(lambda service: service.phase == "healthy").url
        before = {process.pid for process in replicas(stack)}
        with asked(url) as answers:
            # One that breaks its process as it is loaded.
            versions.moved(broken := versions.python(BREAKS))
            told = until(lambda service: f"version {broken}:" in service.reason)
            assert "no such device" in told.reason, told.reason
            # One that is slow, and whose new replica is killed meanwhile.
            versions.moved(second := versions.python(SLOW_AND_HANGS))
            for process in new_replicas(stack, before):
                process.kill()
            until(lambda service: service.phase == "healthy" and service.serving_version == second)
            time.sleep(1)
        assert {status for status, _ in answers} == {200}
        assert list(dict.fromkeys(version for _, version in answers)) == [first, second]

        # One that hangs: whoever asks is answered in time, and Serve has another in its place a minute later.
        thirteen = {"inputs": [[13.0, 2.0, 3.0, 4.0]]}
        assert httpx.post(f"{url}/invocations", json=thirteen, timeout=30).status_code == 504
        told = until(lambda service: "replaced" in service.reason)
        why = "since a call has been computing for more than 60 s"
        assert f"1 replica was replaced in the last ten minutes, {why}" in told.reason, told.reason
        until(lambda service: service.phase == "healthy")
        assert (
            httpx.post(f"{url}/invocations", json=ROW, timeout=30).headers["x-journeyman-version"] == second
        )
        client.undeploy(MODEL)


def new_replicas(stack: Settings, before: set[int]) -> list[psutil.Process]:
    deadline = time.monotonic() + LIMIT_S
    while not (new := [process for process in replicas(stack) if process.pid not in before]):
        assert time.monotonic() < deadline, "no replica was started for the candidate"
        time.sleep(0.1)
    return new
