"""Which checkpoint an attempt goes on from: as Ray Train writes them, in a folder and on S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pyarrow.fs import FileSystem, LocalFileSystem
from ray.train import Checkpoint, CheckpointConfig
from ray.train._internal.session import _TrainingResult
from ray.train.v2._internal.constants import CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
from ray.train.v2._internal.execution.checkpoint.checkpoint_manager import CheckpointManager
from ray.train.v2._internal.execution.storage import StorageContext

from journeyman.jobs.driver.checkpoints import Committed, committed, newest_committed
from journeyman.jobs.driver.keep import prune
from journeyman.jobs.driver.trainer import run_config

# Ray Train writes its state by what Pydantic means to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RUN = "f00"


def commit(
    folder: Path, attempt: str, name: str, metrics: Mapping[str, object], reports: int = 1, run: str = RUN
) -> None:
    """As Ray Train's own manager leaves it."""
    context = StorageContext(storage_path=str(folder), experiment_dir_name=f"{run}/{attempt}".rstrip("/"))
    path = Path(context.build_checkpoint_path_from_name(name))
    path.mkdir()
    manager = CheckpointManager(CheckpointConfig(), context)
    checkpoint = Checkpoint(str(path), context.storage_filesystem)
    checkpoint.set_metadata({"journeyman_reports": reports})
    result = _TrainingResult(checkpoint=checkpoint, metrics=dict(metrics))
    manager._checkpoint_results.append(result)
    manager._checkpoint_to_report_index[checkpoint] = reports
    manager._latest_checkpoint_result = result
    manager._write_state_to_storage()


def newest(folder: Path, attempt: int) -> Committed | None:
    return newest_committed(LocalFileSystem(), str(folder / RUN), attempt)


def test_newest_checkpoint_of_the_newest_attempt_that_has_one_counts(tmp_path: Path) -> None:
    assert newest(tmp_path, 3) is None
    commit(tmp_path, "", "checkpoint_0", {"loss": 1.0}, reports=4)
    assert newest(tmp_path, 3) == Committed(
        place="checkpoint_0", path=str(tmp_path / RUN / "checkpoint_0"), step=4
    )
    commit(tmp_path, "1", "checkpoint_1", {"epoch": 7})
    commit(tmp_path, "1", "checkpoint_2", {"epoch": 8})
    # An attempt that died before its first checkpoint.
    run_config(RUN, 2, str(tmp_path), 3).storage_context  # noqa: B018
    found = newest(tmp_path, 3)
    assert found is not None
    assert (found.place, found.step) == ("1/checkpoint_2", 8)
    # Nothing of its own, and nothing of who comes after it.
    commit(tmp_path, "3", "checkpoint_3", {"epoch": 9})
    assert newest(tmp_path, 3) == found
    own = committed(LocalFileSystem(), str(tmp_path / RUN), "3")
    assert own is not None and own.step == 9


def test_snapshot_that_is_cut_leaves_the_checkpoint_before_the_newest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        commit(tmp_path, "1", f"checkpoint_{number}", {"loss": 1.0}, reports=number)
    (tmp_path / RUN / "1" / CHECKPOINT_MANAGER_SNAPSHOT_FILENAME).write_text('{"ray_version": ')
    found = newest(tmp_path, 2)
    assert found is not None
    assert (found.place, found.step) == ("1/checkpoint_2", 2)
    assert "1/checkpoint_manager_snapshot.json cannot be read" in capsys.readouterr().err


def test_checkpoint_that_somebody_deleted_is_not_resumed_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(tmp_path, "1", "checkpoint_1", {"loss": 1.0})
    commit(tmp_path, "2", "checkpoint_2", {"loss": 1.0})
    for each in (tmp_path / RUN / "2" / "checkpoint_2").iterdir():
        each.unlink()
    (tmp_path / RUN / "2" / "checkpoint_2").rmdir()
    found = newest(tmp_path, 3)
    assert found is not None and found.place == "1/checkpoint_1"
    assert "is not there any more" in capsys.readouterr().err


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / RUN)) for path in folder.glob(f"{RUN}/*/checkpoint_[0-9]*"))


@pytest.mark.parametrize(
    ("metric", "values", "keep", "kept"),
    [
        ("loss", [5, 1, 4, 3, 2], 3, [2, 4, 5]),
        ("val_accuracy", [0.1, 0.9, 0.3, 0.2, 0.4], 3, [2, 4, 5]),
        # The best is among the newest, or nothing tells it.
        ("loss", [5, 4, 3, 2, 1], 3, [3, 4, 5]),
        ("lr", [5, 1, 4, 3, 2], 3, [3, 4, 5]),
        ("loss", [float("nan"), 1, float("nan"), 3, 2], 2, [2, 5]),
        ("loss", [1, 2, 3, 4, 5], 1, [5]),
        ("loss", [3, 2, 1], 5, [1, 2, 3]),
    ],
)
def test_the_newest_checkpoints_and_the_best_are_kept(
    tmp_path: Path, metric: str, values: list[float], keep: int, kept: list[int]
) -> None:
    context = StorageContext(storage_path=str(tmp_path), experiment_dir_name=f"{RUN}/1")
    manager = CheckpointManager(CheckpointConfig(), context)
    for number, value in enumerate(values, start=1):
        path = Path(context.build_checkpoint_path_from_name(f"checkpoint_{number}"))
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "weights").write_text("x")
        checkpoint = Checkpoint(str(path), context.storage_filesystem)
        result = _TrainingResult(checkpoint=checkpoint, metrics={metric: value, "epoch": number})
        manager._checkpoint_results.append(result)
        manager._checkpoint_to_report_index[checkpoint] = number
        manager._latest_checkpoint_result = result
        manager._write_state_to_storage()
        prune(LocalFileSystem(), str(tmp_path / RUN / "1"), keep)
    assert names(tmp_path) == [f"1/checkpoint_{number}" for number in kept]
    newest_kept = committed(LocalFileSystem(), str(tmp_path / RUN), "1")
    assert newest_kept is not None and newest_kept.place == f"1/checkpoint_{len(values)}"


def test_of_what_cannot_be_read_nothing_is_removed(tmp_path: Path) -> None:
    commit(tmp_path, "1", "checkpoint_1", {"epoch": 1})
    commit(tmp_path, "1", "checkpoint_2", {"epoch": 2})
    (tmp_path / RUN / "1" / CHECKPOINT_MANAGER_SNAPSHOT_FILENAME).write_text("{")
    prune(LocalFileSystem(), str(tmp_path / RUN / "1"), 1)
    prune(LocalFileSystem(), str(tmp_path / RUN / "2"), 1)
    assert names(tmp_path) == ["1/checkpoint_1", "1/checkpoint_2"]


def test_checkpoint_on_s3_is_found(s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    files, folder = FileSystem.from_uri("s3://journeyman/checkpoints")
    with files.open_output_stream(f"{folder}/{RUN}/1/checkpoint_1/state.pt") as file:
        file.write(b"weights")
    told = {"latest_checkpoint_result": {"checkpoint_dir_name": "checkpoint_1", "metrics": {"step": 3}}}
    with files.open_output_stream(f"{folder}/{RUN}/1/{CHECKPOINT_MANAGER_SNAPSHOT_FILENAME}") as file:
        file.write(json.dumps(told).encode())
    found = newest_committed(files, f"{folder}/{RUN}", 2)
    assert found is not None
    assert (found.place, found.step) == ("1/checkpoint_1", 3)


def test_attempt_writes_below_a_folder_of_its_own_and_ray_train_retries_nothing(tmp_path: Path) -> None:
    config = run_config(RUN, 2, str(tmp_path), 3)
    assert config.storage_context.experiment_fs_path == str(tmp_path / RUN / "2")
    failure = config.failure_config
    assert (failure.max_failures, failure.max_preemption_failures) == (0, 0)
    assert failure.controller_failure_limit == 3
