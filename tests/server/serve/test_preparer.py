"""What control does about engines."""

from __future__ import annotations

import dataclasses

import pytest

from journeyman.cluster.resources import Resources
from journeyman.serve.control.preparer import Preparer, Serving
from journeyman.serve.preparation import ATTEMPTS, Preparation
from journeyman.serve.records import Rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.serve.verdict import Verdict, read_verdict, write_verdict
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking.records import ENGINES

HARDWARE = "a1b2c3"
SPEC = ServiceSpec(name="prepared", model="models:/prepared@champion")


@pytest.fixture
def mlflow() -> FakeMlflow:
    mlflow = FakeMlflow(lambda: 1_000_000.0)
    mlflow.register("prepared", "s3://nowhere/at-all")
    return mlflow


@pytest.fixture
def ray() -> FakeRay:
    """Two nodes, with no GPU free and half a one."""
    ray = FakeRay()
    for ip, used in (("10.0.0.7", 1.0), ("10.0.0.8", 0.5)):
        ray.use(ray.add_node({"GPU": 1.0}, ip), {"GPU": used})
    return ray


ROLLOUT = Rollout(model="prepared", serving="1", proven=True)
SERVING = [Serving(SPEC, ROLLOUT, HARDWARE, ("10.0.0.7", "10.0.0.8"))]


def test_race_is_ordered_once_on_a_node_that_serves_and_its_verdict_is_heard_of(
    mlflow: FakeMlflow, ray: FakeRay
) -> None:
    preparer = Preparer(mlflow, ray, None)
    assert preparer.verdicts(ROLLOUT) == ""
    for _ in range(3):
        preparer.step(SERVING, 0.0)
    [job] = ray.submissions
    assert job.node == {"node:10.0.0.7": 0.001}
    entrypoint = job.entrypoint
    assert entrypoint.startswith(
        "python -m journeyman.cluster.priority journeyman.serve.benchmark.prepare_job "
    )
    told = Preparation.model_validate_json(entrypoint.split("prepare_job ", 1)[1].strip("'"))
    assert (told.model, told.version, told.hardware) == ("prepared", "1", HARDWARE)

    verdict = Verdict(hardware="a machine", times_us={}, rejected={}, failed="whatever")
    mlflow.set_version_tag("prepared", "1", f"{ENGINES}.{HARDWARE}", write_verdict(verdict))
    preparer.step(SERVING, 0.0)
    assert preparer.verdicts(ROLLOUT) == HARDWARE
    # A control that is started anew knows it at once.
    assert Preparer(mlflow, ray, None).verdicts(ROLLOUT) == HARDWARE
    assert len(ray.submissions) == 1


def test_race_on_gpus_waits_for_a_node_that_has_them_free(mlflow: FakeMlflow, ray: FakeRay) -> None:
    preparer = Preparer(mlflow, ray, None)
    spec = SPEC.model_copy(update={"resources": Resources(gpus=1)})
    ips = ("10.0.0.7", "10.0.0.8", "10.0.0.9")
    on_gpus = [dataclasses.replace(each, spec=spec, node_ips=ips) for each in SERVING]
    preparer.step(on_gpus, 0.0)
    assert list(ray.submissions) == []
    ray.add_node({"GPU": 1.0}, "10.0.0.9")
    preparer.step(on_gpus, 0.0)
    [job] = ray.submissions
    assert job.node == {"node:10.0.0.9": 0.001}


def test_race_that_fails_again_and_again_ends_as_a_verdict_that_says_so(
    mlflow: FakeMlflow, ray: FakeRay
) -> None:
    preparer = Preparer(mlflow, ray, None)
    for _ in range(ATTEMPTS + 3):
        preparer.step(SERVING, 0.0)
        for submission_id, job in ray.jobs().items():
            if not job.ended:
                ray.end_job(submission_id, "FAILED", output="at first\nit could not\n")
    assert len(ray.submissions) == ATTEMPTS
    tags = {tag["key"]: tag["value"] for tag in mlflow.model_version("prepared", "1")["tags"]}
    assert read_verdict(tags[f"{ENGINES}.{HARDWARE}"]).failed.endswith("failed: it could not")
    assert preparer.verdicts(ROLLOUT) == HARDWARE


def test_version_that_is_registered_no_more_is_left_alone(mlflow: FakeMlflow, ray: FakeRay) -> None:
    mlflow.delete_model("prepared")
    preparer = Preparer(mlflow, ray, None)
    assert preparer.verdicts(ROLLOUT) == ""
    preparer.step(SERVING, 0.0)
    assert list(ray.submissions) == []
