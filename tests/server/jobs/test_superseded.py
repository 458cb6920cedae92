"""Which checkpoints go at the end of an attempt: never one that something resumes from, or that is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pyarrow.fs import LocalFileSystem

from journeyman.jobs.attempt import ENDED_MS, RESUMED, Attempt, moment
from journeyman.jobs.driver.checkpoints import Committed
from journeyman.jobs.driver.superseded import remove_superseded, superseded
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow

from .test_checkpoints import commit

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

THERE = {1: ["checkpoint_a", "checkpoint_b"], 2: ["checkpoint_c"]}
ENDED = Outcome(cause=Cause.MACHINE, message="its node is gone")
ATTEMPTS = (
    Attempt(number=1, ended_ms=1),
    Attempt(number=2, resumed_step=20, outcome=ENDED),
    Attempt(number=3, resumed_step=30),
)


def own(step: int) -> Committed:
    return Committed(place="3/checkpoint_d", path="/runs/f00/3/checkpoint_d", step=step)


def test_what_no_attempt_resumed_from_goes_once_a_later_one_is_further_on() -> None:
    told = ["20 1/checkpoint_b", "30 2/checkpoint_c"]
    assert superseded(THERE, ATTEMPTS, own(31), told) == ["1/checkpoint_a"]
    # It has not got further than where it began.
    assert superseded(THERE, ATTEMPTS, own(30), told) == []
    assert superseded(THERE, ATTEMPTS, own(31), []) == ["1/checkpoint_a", "1/checkpoint_b", "2/checkpoint_c"]


def test_checkpoint_that_any_record_names_stays_in_whatever_form() -> None:
    for named in ("best: s3://b/runs/f00/1/checkpoint_a", '{"best": "checkpoint_a/model.pt"}'):
        assert superseded(THERE, ATTEMPTS, own(31), [named]) == ["1/checkpoint_b", "2/checkpoint_c"]


def test_attempt_that_may_still_run_keeps_its_own() -> None:
    running = (Attempt(number=1), *ATTEMPTS[1:])
    assert superseded(THERE, running, own(31), []) == ["2/checkpoint_c"]


class Job:
    """A job whose third attempt ends, with its record and its storage."""

    def __init__(self, mlflow: Mlflow, folder: Path) -> None:
        self.mlflow, self.folder = mlflow, folder
        tags = {records.KIND: records.JOB, records.ATTEMPT: "3", f"{records.OUTCOME}.2": ENDED.to_json()}
        self.run_id = mlflow.create_run(mlflow.experiment_id("superseded"), "job", tags).run_id
        mlflow.claim(self.run_id, moment(1, ENDED_MS), "1")
        mlflow.claim(self.run_id, moment(2, RESUMED), "2 1/checkpoint_2")
        mlflow.claim(self.run_id, moment(3, RESUMED), "2 1/checkpoint_2")
        for attempt, step in (("1", 1), ("1", 2), ("2", 1), ("3", 3)):
            commit(folder, attempt, f"checkpoint_{step}", {"step": step}, run=self.run_id)
        (folder / self.run_id / "1" / "weights.pt").write_text("weights")

    def end(self, attempt: int = 3) -> list[str]:
        folder = str(self.folder / self.run_id)
        return remove_superseded(self.mlflow, self.run_id, attempt, LocalFileSystem(), folder)

    def left(self) -> set[str]:
        kept = self.folder / self.run_id
        return {
            str(path.relative_to(kept))
            for path in kept.glob("*/*")
            if path.suffix != ".json" and not path.name.startswith(".")
        }


@pytest.fixture
def ending(mlflow_url: str, tmp_path: Path) -> Iterator[Job]:
    mlflow = Mlflow(mlflow_url, os.environ)
    yield Job(mlflow, tmp_path)
    mlflow.close()


ALL = {"1/checkpoint_1", "1/checkpoint_2", "1/weights.pt", "2/checkpoint_1", "3/checkpoint_3"}


def test_end_of_an_attempt_removes_what_is_superseded_and_nothing_else(ending: Job) -> None:
    assert ending.left() == ALL
    # Another attempt is the job's by now.
    assert ending.end(attempt=2) == []
    assert sorted(ending.end()) == ["1/checkpoint_1", "2/checkpoint_1"]
    assert ending.left() == ALL - {"1/checkpoint_1", "2/checkpoint_1"}
    assert ending.end() == []


def test_another_job_that_goes_on_from_there_keeps_all(ending: Job) -> None:
    start = f"s3://bucket/runs/{ending.run_id}/1/checkpoint_1"
    spec = TrainSpec(name="next", entrypoint="train:loop", config={"start": start})
    tags = {records.KIND: records.JOB, records.SPEC: spec.model_dump_json()}
    other = ending.mlflow.create_run(ending.mlflow.experiment_id("superseded"), "next", tags).run_id
    assert ending.end() == []
    assert ending.left() == ALL
    ending.mlflow.update_run(other, "FINISHED")
    assert len(ending.end()) == 2


def test_registered_version_that_was_made_from_a_checkpoint_keeps_all(ending: Job) -> None:
    base = f"{ending.mlflow.url}/api/2.0/mlflow"
    name = f"from-checkpoint-{ending.run_id[:8]}"
    httpx.post(f"{base}/registered-models/create", json={"name": name}).raise_for_status()
    source = f"s3://bucket/runs/{ending.run_id}/1/checkpoint_1/model"
    httpx.post(f"{base}/model-versions/create", json={"name": name, "source": source}).raise_for_status()
    assert ending.end() == []
    assert ending.left() == ALL


def test_storage_that_fails_ends_no_job(ending: Job, capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(LocalFileSystem):  # type: ignore[misc]
        def delete_dir(self, path: str) -> None:
            raise OSError("the bucket is away")

    folder = str(ending.folder / ending.run_id)
    assert remove_superseded(ending.mlflow, ending.run_id, 3, Failing(), folder) == []
    assert "not removed: " in capsys.readouterr().err
    assert ending.left() == ALL
