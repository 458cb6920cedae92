"""Control on an MLflow server as in production: it runs jobs there, and goes on where it is not let in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from journeyman.cluster.settings import Settings
from journeyman.control import Heartbeat, run_loop
from journeyman.errors import DeniedError
from journeyman.jobs.attempt import ADMITTED, ENDED_MS, STARTED_MS, moment
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.submit.submission import read_order, submit
from journeyman.serve.control.controller import ServiceController
from journeyman.serve.orders import create_service
from journeyman.serve.spec import ServiceSpec
from journeyman.testing import FakeRay
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow

LIMIT_S = 60


@pytest.fixture
def ray() -> FakeRay:
    """A cluster with room."""
    ray = FakeRay()
    ray.add_node({"CPU": 8.0})
    return ray


@pytest.fixture
def mlflow(production_mlflow: Mapping[str, str]) -> Iterator[Mlflow]:
    with closing(Mlflow(production_mlflow["MLFLOW_TRACKING_URI"], production_mlflow)) as mlflow:
        yield mlflow


@pytest.fixture
def settings(mlflow: Mlflow, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        context="",
        attached=False,
        cluster=f"cluster-{tmp_path.name}",
        mlflow_url=mlflow.url,
        ray_url="http://127.0.0.1:9",
        ray_token=None,
        serve_url="",
        grpc_address=None,
        storage=str(tmp_path / "runs"),
    )


def submitted(mlflow: Mlflow, ray: FakeRay, settings: Settings, folder: Path, name: str, project: str) -> str:
    """Its code is on the cluster already: it starts in control's first turn."""
    folder.mkdir()
    (folder / "train.py").write_text("def loop(config):\n    pass\n")
    (folder / "train.yaml").write_text(
        f"kind: train\nname: {name}\nproject: {project}\nentrypoint: train:loop\nconfig: {{lr: 0.1}}\n"
    )
    order = read_order(folder / "train.yaml", (), settings.home, settings.storage)
    ray.upload_package(order.code.package, order.code.content)
    return submit(order, mlflow, settings, key=name).run_id


def test_job_goes_its_way_and_its_records_hold_no_password(
    mlflow: Mlflow,
    ray: FakeRay,
    settings: Settings,
    production_mlflow: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in production_mlflow.items():
        monkeypatch.setenv(name, value)
    run_id = submitted(mlflow, ray, settings, tmp_path / "code", "digits", "turns")
    seen = [mlflow.run(run_id).phase]
    controls = [JobController(mlflow, ray, settings, f"control-{number}", None) for number in (1, 2)]
    for turn in range(4):
        controls[turn % 2].step(time.time())
        seen.append(mlflow.run(run_id).phase)
        if seen[-1] == "starting":
            ray.start_job(f"{run_id}-1")
            mlflow.claim(run_id, moment(1, STARTED_MS), str(int(time.time() * 1000)))
        if seen[-1] == "running":
            outcome = Outcome(cause=Cause.FINISHED, message="a\x00b")
            mlflow.set_tags(run_id, {f"{records.OUTCOME}.1": outcome.to_json()})
            ray.end_job(f"{run_id}-1", "SUCCEEDED")
    for control in controls:
        control.close()
    assert seen == ["queued", "starting", "running", "finished", "finished"]
    run = mlflow.run(run_id)
    moments = {moment(1, event) for event in (ADMITTED, STARTED_MS, ENDED_MS)}
    assert (run.status, set(run.params)) == ("FINISHED", {"lr", "workers", "attempt.1", *moments})
    assert run.params["attempt.1"] == "control-1"
    password = production_mlflow["MLFLOW_TRACKING_PASSWORD"]
    [environment] = [submission.runtime_env for submission in ray.submissions]
    assert environment["env_vars"]["MLFLOW_TRACKING_URI"] == mlflow.url
    for told in (environment, run.tags, run.params, mlflow.download(run, records.SPEC_ARTIFACT)):
        assert password not in str(told) and "MLFLOW_TRACKING_USERNAME" not in str(told)


def test_run_that_control_may_not_write_to_holds_up_no_other(
    mlflow: Mlflow, ray: FakeRay, settings: Settings, tmp_path: Path
) -> None:
    name = "may-write-to-its-own"
    who = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": "and-to-no-other"}
    mlflow._post("users/create", {"username": name, "password": who["MLFLOW_TRACKING_PASSWORD"]})
    closed = submitted(mlflow, ray, settings, tmp_path / "closed", "closed", "of-the-admin")
    with closing(Mlflow(mlflow.url, who)) as restricted:
        open_to_it = submitted(restricted, ray, settings, tmp_path / "open", "open", "of-its-own")
        control = JobController(restricted, ray, settings, "control-1", None)
        with pytest.raises(DeniedError, match=f"does not allow user {name}"):
            control.step(time.time())
        control.close()
    assert (mlflow.run(closed).phase, mlflow.run(open_to_it).phase) == ("queued", "starting")


def test_service_that_control_may_not_write_to_holds_up_no_other(
    mlflow: Mlflow, ray: FakeRay, settings: Settings
) -> None:
    name = "serves-its-own"
    who = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": "and-to-no-other"}
    mlflow._post("users/create", {"username": name, "password": who["MLFLOW_TRACKING_PASSWORD"]})
    specs = [
        ServiceSpec(name=each, project=f"service-{each}", model="models:/nobody@champion")
        for each in ("closed", "open")
    ]
    closed = create_service(specs[0], mlflow, settings)
    with closing(Mlflow(mlflow.url, who)) as restricted:
        open_to_it = create_service(specs[1], restricted, settings)
        control = ServiceController(restricted, ray, settings, None)
        with pytest.raises(DeniedError, match=f"does not allow user {name}"):
            control.step(time.time())
        control.close()
    assert mlflow.run(closed.run_id).reason == closed.reason
    assert mlflow.run(open_to_it.run_id).reason != open_to_it.reason


def test_control_with_a_wrong_password_says_so_once_and_goes_on_when_it_is_put_right(
    mlflow: Mlflow,
    ray: FakeRay,
    settings: Settings,
    production_mlflow: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("journeyman.control._AWAY_TURN_S", 0.05)
    caplog.set_level(logging.INFO, logger="journeyman.control")
    file = tmp_path / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text("[mlflow]\nmlflow_tracking_username = journeyman\nmlflow_tracking_password = hunter2\n")
    run_id = submitted(mlflow, ray, settings, tmp_path / "code", "waits", "turns")
    turns = threading.Semaphore(0)
    stop = threading.Event()

    with closing(Mlflow(mlflow.url, {})) as outsider:
        control = JobController(outsider, ray, settings, "control-1", None)

        def turn() -> float:
            turns.release()
            control.step(time.time())
            return 0.05

        loop = threading.Thread(target=run_loop, args=("jobs", turn, stop, Heartbeat(tmp_path / "beat", 1)))
        loop.start()
        for _ in range(3):
            assert turns.acquire(timeout=LIMIT_S)
        password = production_mlflow["MLFLOW_TRACKING_PASSWORD"].replace("%", "%%")
        file.write_text(
            f"[mlflow]\nmlflow_tracking_username = journeyman\nmlflow_tracking_password = {password}\n"
        )
        deadline = time.monotonic() + LIMIT_S
        while mlflow.run(run_id).phase != "starting" and time.monotonic() < deadline:
            time.sleep(0.1)
        stop.set()
        loop.join()
        control.close()
    said = [record.getMessage() for record in caplog.records if record.name == "journeyman.control"]
    assert len(said) == 2, said
    assert said[0].startswith(f"jobs: MLflow at {mlflow.url} refuses user journeyman (401). Set MLFLOW_")
    assert said[1] == "jobs: recovered"
    assert "hunter2" not in caplog.text
