"""The logs of a job: shipped to its run in pieces while it runs, and read back from there.

A piece is `logs/pieces/<source>/<attempt>-<offset>.log`; when its process ends in good order, the pieces
become one file, `logs/<source>.log`. Reading needs MLflow alone, so it works with Ray gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from journeyman.errors import JourneymanError, NotFoundError
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import LOGS_ARTIFACT, Run

DRIVER = "driver"
_PIECES = f"{LOGS_ARTIFACT}/pieces"
_FIRST_INTERVAL_S = 1.0
_LAST_INTERVAL_S = 30.0
# Ray marks the beginning of a worker's output for its own log monitor.
_RAY_MARKS = (b":job_id:", b":actor_name:", b":task_name:")
_MAX_WHOLE_BYTES = 64 * 1024**2
"""A longer log stays in its pieces, and this process keeps no more of it than its end."""
_TAIL_BYTES = 64 * 1024


def rank_source(rank: int) -> str:
    return f"rank-{rank}"


def own_output_files() -> list[Path]:
    """The files this process's output and errors go to; Ray redirects both."""
    files = []
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            path = Path(os.readlink(f"/proc/self/fd/{stream}"))
            if path.is_file() and path not in files:
                files.append(path)
    return files


class LogShipper:
    """Follows the output of its own process and ships it to the run, off the step path."""

    def __init__(self, mlflow: Mlflow, run: Run, source: str, attempt: int, files: Sequence[Path]) -> None:
        self._mlflow = mlflow
        self._run = run
        self._source = source
        self._attempt = attempt
        self._files = [path.open("rb") for path in files]
        for file in self._files:
            # A worker process of Ray may have served another job before: its output is not ours.
            file.seek(0, os.SEEK_END)
        self._reading = threading.Lock()
        self._text = bytearray()
        self._dropped = 0
        """Bytes that came before the text kept here; they are shipped."""
        self._shipped = 0
        self._pieces: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="journeyman-logs", daemon=True)

    def __enter__(self) -> LogShipper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._stop.set()
        self._thread.join()
        self._read()
        with contextlib.suppress(JourneymanError):
            self._finish()
        for file in self._files:
            file.close()

    def tail(self, lines: int = 20) -> str:
        self._read()
        return "\n".join(bytes(self._text[-_TAIL_BYTES:]).decode(errors="replace").splitlines()[-lines:])

    def _follow(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(self._interval_s(time.monotonic() - began)):
            self._read()
            # MLflow may be away: what could not be shipped goes with the next piece.
            with contextlib.suppress(JourneymanError):
                self._ship()

    @staticmethod
    def _interval_s(elapsed_s: float) -> float:
        """Short while someone watches the start, longer later: a week must not make 300,000 pieces."""
        return min(_LAST_INTERVAL_S, max(_FIRST_INTERVAL_S, elapsed_s / 60))

    def _read(self) -> None:
        with self._reading:
            for file in self._files:
                for line in file.read().splitlines(keepends=True):
                    if not line.startswith(_RAY_MARKS):
                        self._text += line

    def _ship(self) -> None:
        piece = bytes(self._text[self._shipped - self._dropped :])
        if not piece:
            return
        path = f"{_PIECES}/{self._source}/{self._attempt}-{self._shipped:012d}.log"
        self._mlflow.upload(self._run, path, piece)
        self._pieces.append(path)
        self._shipped += len(piece)
        if self._shipped > _MAX_WHOLE_BYTES:
            with self._reading:
                past = max(0, self._shipped - self._dropped - _TAIL_BYTES)
                del self._text[:past]
                self._dropped += past

    def _finish(self) -> None:
        if self._dropped + len(self._text) > _MAX_WHOLE_BYTES or not self._text:
            self._ship()
            return
        self._mlflow.upload(self._run, _whole_path(self._source, self._attempt), bytes(self._text))
        for path in self._pieces:
            self._mlflow.delete_artifact(self._run, path)


def _whole_path(source: str, attempt: int) -> str:
    suffix = "" if attempt == 1 else f".attempt-{attempt}"
    return f"{LOGS_ARTIFACT}/{source}{suffix}.log"


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Text that one process printed."""

    source: str
    """`driver` or `rank 0`."""
    text: str


@dataclass(slots=True)
class LogReader:
    """Reads what is stored of a job's logs, each byte once however often it is asked."""

    mlflow: MlflowApi
    run: Run
    source: str
    """`all`, `driver` or `rank-0`."""
    _read: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self) -> Iterator[LogChunk]:
        """What has been stored since the last call."""
        stored = self.mlflow.artifacts(self.run.run_id, LOGS_ARTIFACT)
        folders = self.mlflow.artifacts(self.run.run_id, _PIECES) if _PIECES in stored else {}
        pieces: list[tuple[str, int, int, str]] = []
        for folder in folders:
            source = folder.rpartition("/")[2]
            if not self._wanted(source):
                continue
            for path in self.mlflow.artifacts(self.run.run_id, folder):
                attempt, _, start = path.rpartition("/")[2].removesuffix(".log").partition("-")
                pieces.append((source, int(attempt), int(start), path))
        for path, size in stored.items():
            name = path.rpartition("/")[2]
            if size is None or not name.endswith(".log"):
                continue
            source, _, attempt_text = name.removesuffix(".log").partition(".attempt-")
            if self._wanted(source):
                pieces.append((source, int(attempt_text or 1), 0, path))
        for source, number, offset, path in sorted(pieces, key=lambda p: (p[1], _order(p[0]), p[2])):
            done = self._read.get((source, number), 0)
            whole = offset == 0 and not path.startswith(_PIECES)
            if offset < done and not whole:
                continue
            try:
                content = self.mlflow.download(self.run, path)
            except NotFoundError:
                # The pieces became one file between the listing and now: it is read next time.
                continue
            fresh = content[max(0, done - offset) :]
            self._read[source, number] = max(done, offset + len(content))
            if fresh:
                yield LogChunk(source=source.replace("-", " "), text=fresh.decode(errors="replace"))

    def _wanted(self, source: str) -> bool:
        return self.source in ("all", source)


def _order(source: str) -> tuple[int, int]:
    rank = source.removeprefix("rank-")
    return (1, int(rank)) if rank.isdigit() else (0, 0)
