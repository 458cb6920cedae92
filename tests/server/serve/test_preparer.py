"""What control does about engines, with a real registry and a Ray that only remembers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from mlflow import MlflowClient

from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.ray_state import RayJob
from journeyman.cluster.resources import Resources
from journeyman.serve.control.preparer import Preparer, Serving
from journeyman.serve.preparation import ATTEMPTS, Preparation
from journeyman.serve.records import Rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.serve.verdict import Verdict, read_verdict, write_verdict
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ENGINES

HARDWARE = "a1b2c3"
SPEC = ServiceSpec(name="prepared", model="models:/prepared@champion")


class Remembering(Ray):
    """Runs nothing."""

    def __init__(self) -> None:
        self.known: dict[str, RayJob] = {}
        self.submitted: list[tuple[str, Mapping[str, float] | None]] = []
        self.free = {"10.0.0.7": 0.0, "10.0.0.8": 0.5}

    def free_gpus(self) -> dict[str, float]:
        return self.free

    def jobs(self) -> dict[str, RayJob]:
        return self.known

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
        node: Mapping[str, float] | None = None,
        gpus: float = 0,
    ) -> None:
        self.submitted.append((entrypoint, node))
        self.end(submission_id, "RUNNING")

    def end(self, submission_id: str, status: str) -> None:
        self.known[submission_id] = RayJob(
            submission_id=submission_id, status=status, message="", exit_code=None
        )

    def job_output(self, submission_id: str) -> str:
        return "at first\nit could not\n"


@pytest.fixture
def registry(mlflow_url: str) -> Iterator[MlflowClient]:
    client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
    client.create_registered_model("prepared")
    client.create_model_version("prepared", "s3://nowhere/at-all")
    yield client
    client.delete_registered_model("prepared")


@pytest.fixture
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, os.environ)
    yield client
    client.close()


ROLLOUT = Rollout(model="prepared", serving="1", proven=True)
SERVING = [Serving(SPEC, ROLLOUT, HARDWARE, ("10.0.0.7", "10.0.0.8"))]


def test_race_is_ordered_once_on_a_node_that_serves_and_its_verdict_is_heard_of(
    registry: MlflowClient, mlflow: Mlflow
) -> None:
    ray = Remembering()
    preparer = Preparer(mlflow, ray, None)
    assert preparer.verdicts(ROLLOUT) == ""
    for _ in range(3):
        preparer.step(SERVING)
    [(entrypoint, node)] = ray.submitted
    assert node == {"node:10.0.0.7": 0.001}
    assert entrypoint.startswith(
        "python -m journeyman.cluster.priority journeyman.serve.benchmark.prepare_job "
    )
    told = Preparation.model_validate_json(entrypoint.split("prepare_job ", 1)[1].strip("'"))
    assert (told.model, told.version, told.hardware) == ("prepared", "1", HARDWARE)

    verdict = Verdict(hardware="a machine", times_us={}, rejected={}, failed="whatever")
    registry.set_model_version_tag("prepared", "1", f"{ENGINES}.{HARDWARE}", write_verdict(verdict))
    preparer.step(SERVING)
    assert preparer.verdicts(ROLLOUT) == HARDWARE
    # A control that is started anew knows it at once.
    assert Preparer(mlflow, ray, None).verdicts(ROLLOUT) == HARDWARE
    assert len(ray.submitted) == 1


def test_race_on_gpus_waits_for_a_node_that_has_them_free(registry: MlflowClient, mlflow: Mlflow) -> None:
    ray = Remembering()
    preparer = Preparer(mlflow, ray, None)
    spec = SPEC.model_copy(update={"resources": Resources(gpus=1)})
    on_gpus = [dataclasses.replace(each, spec=spec) for each in SERVING]
    preparer.step(on_gpus)
    assert ray.submitted == []
    ray.free["10.0.0.8"] = 1.0
    preparer.step(on_gpus)
    [(_, node)] = ray.submitted
    assert node == {"node:10.0.0.8": 0.001}


def test_race_that_fails_again_and_again_ends_as_a_verdict_that_says_so(
    registry: MlflowClient, mlflow: Mlflow
) -> None:
    ray = Remembering()
    preparer = Preparer(mlflow, ray, None)
    for _ in range(ATTEMPTS + 3):
        preparer.step(SERVING)
        for submission_id in list(ray.known):
            ray.end(submission_id, "FAILED")
    assert len(ray.submitted) == ATTEMPTS
    tags = registry.get_model_version("prepared", "1").tags
    assert read_verdict(tags[f"{ENGINES}.{HARDWARE}"]).failed.endswith("failed: it could not")
    assert preparer.verdicts(ROLLOUT) == HARDWARE


def test_version_that_is_registered_no_more_is_left_alone(mlflow: Mlflow) -> None:
    ray = Remembering()
    preparer = Preparer(mlflow, ray, None)
    assert preparer.verdicts(ROLLOUT) == ""
    preparer.step(SERVING)
    assert ray.submitted == []
