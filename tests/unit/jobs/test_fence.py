"""An attempt that was replaced ends itself, and one that was not is let alone."""

from __future__ import annotations

from journeyman.errors import UnreachableError
from journeyman.jobs.worker.fence import Fence
from journeyman.testing import FakeMlflow
from journeyman.tracking import records
from journeyman.tracking.records import Run


class Away(FakeMlflow):
    def run(self, run_id: str) -> Run:
        raise UnreachableError("MLflow does not answer")


def left(mlflow: FakeMlflow, run_id: str, attempt: int) -> list[str]:
    said: list[str] = []
    Fence(mlflow, run_id, attempt, said.append).look()
    return said


def test_attempt_ends_itself_once_another_is_there() -> None:
    mlflow = FakeMlflow(lambda: 1_000_000.0)
    run = mlflow.create_run(mlflow.experiment_id("default"), "digits", {records.ATTEMPT: "2"})
    assert left(mlflow, run.run_id, 2) == []
    assert left(mlflow, run.run_id, 3) == []
    assert left(mlflow, run.run_id, 1) == ["attempt 1 was replaced by attempt 2, and ends itself\n"]


def test_attempt_goes_on_while_nobody_can_tell() -> None:
    mlflow = FakeMlflow(lambda: 1_000_000.0)
    run = mlflow.create_run(
        mlflow.experiment_id("default"), "digits", {records.ATTEMPT: "of another version"}
    )
    assert left(mlflow, run.run_id, 1) == []
    assert left(Away(lambda: 1_000_000.0), run.run_id, 1) == []
