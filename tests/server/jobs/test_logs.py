"""The logs of a process, from its output to a reader: with an MLflow server between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from journeyman.cli.following import log_lines
from journeyman.client.log_reader import LogReader
from journeyman.jobs import log_shipper
from journeyman.jobs.log_shipper import LogShipper
from journeyman.testing import FakeMlflow
from journeyman.tracking.records import Run

Out = IO[bytes]


class Stored(FakeMlflow):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__(lambda: 1000.0)
        self.downloaded: list[str] = []

    def download(self, run: Run, path: str) -> bytes:
        self.downloaded.append(path)
        return super().download(run, path)

    def delete_artifact(self, run: Run, path: str) -> None:
        del self._server.files[run.artifact_uri][path]


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Stored:
    monkeypatch.setattr(log_shipper, "_READ_INTERVAL_S", 3600.0)
    return Stored()


@pytest.fixture
def run(mlflow: Stored) -> Run:
    return mlflow.create_run(mlflow.experiment_id("logs"), "logs", {})


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[tuple[Out, Out]]:
    with (tmp_path / "out").open("wb", buffering=0) as out, (tmp_path / "err").open("wb", buffering=0) as err:
        yield out, err


def shipper(mlflow: Any, run: Run, tmp_path: Path, attempt: int = 1) -> LogShipper:
    return LogShipper(mlflow, run, "rank-0", attempt, [tmp_path / "out", tmp_path / "err"])


def lines(reader: LogReader, tail: int | None = None) -> list[str]:
    return [line for _, line in log_lines(reader.read() if tail is None else reader.tail(tail))]


def reader(mlflow: Stored, run: Run) -> LogReader:
    return LogReader(mlflow=mlflow, run=run, source="all")


def test_a_bar_is_one_line_with_its_last_state_however_often_it_was_read(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path
) -> None:
    out, err = outputs
    following, seen = reader(mlflow, run), list[str]()
    with shipper(mlflow, run, tmp_path) as shipping:
        for step in range(400):
            err.write(f"\rtrain: {step / 4:3.0f}%|{'█' * (step // 10):40}| {step}/400".encode())
            if step % 100 == 50:
                shipping._take()
                shipping._ship()
                seen += lines(following)
        err.write(b"\n")
        shipping._take()
        out.write("grüße, 你好\n".encode() + b"bytes \xff\xfe\x00 end\n:job_id: is mine\n:actor_name: too\n")
    bar, *others = lines(reader(mlflow, run))
    assert bar.startswith("train: 100%|") and bar.endswith("399/400")
    assert others == ["grüße, 你好", "bytes \ufffd\ufffd\x00 end", ":job_id: is mine", ":actor_name: too"]
    [stored] = [size for size in mlflow.artifacts(run.run_id, "logs").values() if size is not None]
    assert stored < 1500


def test_prints_between_the_states_of_a_bar_are_whole_lines(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path
) -> None:
    out, err = outputs
    with shipper(mlflow, run, tmp_path) as shipping:
        for step in range(5):
            err.write(f"\rbar {step}".encode())
            shipping._take()
            out.write(f"step {step} is done\n".encode())
            shipping._take()
        err.write(b"\rbar done\n")
        shipping._take()
        out.write(b"no newline")
        shipping._take()
        err.write(b"\rnext bar 1\rnext bar 2")
    assert lines(reader(mlflow, run)) == [
        *(f"step {step} is done" for step in range(5)), "bar done", "no newline", "next bar 2"
    ]  # fmt: skip


def test_open_lines_are_read_as_they_grow_and_no_character_is_cut(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_shipper, "_MAX_PIECE_BYTES", 7)
    out, _ = outputs
    following, seen = reader(mlflow, run), ""
    with shipper(mlflow, run, tmp_path) as shipping:
        for part in ("語" * 5, "語\nmore ", "and more"):
            out.write(part.encode())
            shipping._take()
            shipping._ship()
            seen += "".join(chunk.text for chunk in following.read())
    assert seen == "語語語語語語\nmore and more"
    assert not list(following.read())


@pytest.mark.parametrize("whole", [True, False])
def test_the_tail_reads_the_end_alone_and_following_goes_on_from_there(
    mlflow: Stored,
    run: Run,
    outputs: tuple[Out, Out],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
) -> None:
    monkeypatch.setattr(log_shipper, "_MAX_PIECE_BYTES", 1000)
    monkeypatch.setattr(log_shipper, "_MAX_WHOLE_BYTES", 10**6 if whole else 2000)
    out, _ = outputs
    expected = [f"line {number} {'x' * 80}" for number in range(200)]
    following = reader(mlflow, run)
    with shipper(mlflow, run, tmp_path):
        out.write("\n".join(expected).encode())
    assert lines(reader(mlflow, run)) == expected
    mlflow.downloaded.clear()
    assert lines(following, tail=3) == expected[-3:]
    assert len(mlflow.downloaded) == 1
    assert lines(reader(mlflow, run), tail=0) == []
    assert len(mlflow.downloaded) == 1
    with shipper(mlflow, run, tmp_path, attempt=2):
        out.write(b"again\n")
    # The line before had no end.
    assert lines(following) == ["", "again"]
    assert len(mlflow.downloaded) == 2
    assert lines(reader(mlflow, run), tail=2) == [expected[-1], "again"]
    # Nothing is new: nothing is read.
    mlflow.downloaded.clear()
    assert lines(following) == []
    assert mlflow.downloaded == []


def test_much_at_once_is_there_to_the_byte_in_pieces_of_bounded_size(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path
) -> None:
    out, _ = outputs
    line = b"rank 0 says the same thing over and over, " + b"a" * 80 + b"\n"
    with shipper(mlflow, run, tmp_path):
        out.write(line * 200_000)
        out.write(b"x" * 300_000)
    folder = mlflow.artifacts(run.run_id, "logs/pieces/rank-0")
    assert sum(size or 0 for size in folder.values()) == len(line) * 200_000 + 300_000
    assert max(size or 0 for size in folder.values()) <= 4 * 1024**2


@pytest.mark.parametrize("last", [0, 1])
def test_what_was_written_last_stands_last(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path, last: int
) -> None:
    with shipper(mlflow, run, tmp_path):
        outputs[1 - last].write(b"first\n")
        outputs[last].write(b"the last words")
        for number, name in enumerate(("out", "err")):
            os.utime(tmp_path / name, (1000, 2000 if number == last else 1000))
    assert lines(reader(mlflow, run)) == ["first", "the last words"]


def test_end_of_the_output_is_told_as_a_terminal_shows_it(
    mlflow: Stored, run: Run, outputs: tuple[Out, Out], tmp_path: Path
) -> None:
    out, err = outputs
    with shipper(mlflow, run, tmp_path) as shipping:
        out.write(b"begun\n")
        err.write(b"\rbar 1\rbar 2")
        assert shipping.tail(2) == "begun\nbar 2"
        assert shipping.tail(2) == "begun\nbar 2"
