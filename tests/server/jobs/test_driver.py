"""What a driver does last: how its attempt ended is written before it lets go of the cluster."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import ray

from journeyman.jobs.driver import main as driver
from journeyman.jobs.environment import CLAIMANT
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.testing import FakeMlflow
from journeyman.tracking import records
from journeyman.tracking.job_store import environment


@pytest.mark.parametrize(("cause", "code"), [(Cause.FINISHED, 0), (Cause.USER, 1)])
def test_outcome_is_there_before_the_cluster_is_let_go(
    cause: Cause, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = FakeMlflow(lambda: 1_000_000.0)
    spec = '{"name": "a", "entrypoint": "a:b"}'
    tags = {records.SPEC: spec, records.ATTEMPT: "1", records.PHASE: "running", records.KIND: records.JOB}
    run = mlflow.create_run(mlflow.experiment_id("default"), "a", tags)
    mlflow.update_run(run.run_id, "RUNNING")
    mlflow.claim(run.run_id, f"{records.CLAIM_PARAM}.1", "control-1")
    for name, value in {
        environment.RUN_ID: run.run_id,
        environment.ATTEMPT: "1",
        CLAIMANT: "control-1",
    }.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []

    def let_go() -> None:
        written = mlflow.run(run.run_id).tags[f"{records.OUTCOME}.1"]
        told.append(f"let go, {Outcome.from_json(written).cause.value} is written")

    def attempted(*_: Any) -> Outcome:
        told.append("trains")
        return Outcome(cause=cause, message="it ended")

    monkeypatch.setattr(driver, "job_client", lambda environ: mlflow)
    monkeypatch.setattr(driver, "LogShipper", lambda *_: nullcontext())
    monkeypatch.setattr(driver, "own_output_files", list)
    monkeypatch.setattr(driver, "_attempted", attempted)
    monkeypatch.setattr(ray, "init", lambda **_: told.append("joins"))
    monkeypatch.setattr(ray, "shutdown", let_go)
    assert driver.main() == code
    assert told == ["joins", "trains", f"let go, {cause.value} is written"]
