"""How a log is kept within its size."""

from __future__ import annotations

from pathlib import Path

from journeyman.cluster.local.logs import KEPT, rotate


def test_log_within_its_size_and_log_that_is_not_there_are_left(tmp_path: Path) -> None:
    log = tmp_path / "ray.log"
    assert not rotate(log, limit_bytes=4)
    log.write_text("four")
    assert not rotate(log, limit_bytes=4)
    assert [path.name for path in tmp_path.iterdir()] == ["ray.log"]


def test_log_is_copied_aside_and_emptied_and_the_latest_copies_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "ray.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(KEPT + 2):
            writer.write(f"line {number}".encode())
            assert rotate(log, limit_bytes=4)
        # The writer goes on at the beginning of the file.
        writer.write(b"last")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "ray.log": "last",
        "ray.log.1": "line 4",
        "ray.log.2": "line 3",
        "ray.log.3": "line 2",
    }
