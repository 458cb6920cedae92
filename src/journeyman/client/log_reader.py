"""The logs of a job, read back from its run: each byte once, with MLflow alone"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from journeyman.errors import NotFoundError
from journeyman.jobs.log_files import PIECES_ARTIFACT
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import LOGS_ARTIFACT, Run


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
        folders = self.mlflow.artifacts(self.run.run_id, PIECES_ARTIFACT) if PIECES_ARTIFACT in stored else {}
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
            whole = offset == 0 and not path.startswith(PIECES_ARTIFACT)
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
