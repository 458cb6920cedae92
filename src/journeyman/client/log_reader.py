"""The logs of a job, read back from its run: each byte once, with MLflow alone"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A part of the log of one process, as it is listed."""

    source: str
    attempt: int
    start: int
    size: int
    path: str
    is_whole: bool

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(slots=True)
class LogReader:
    """Reads what is stored of a job's logs, each byte once however often it is asked."""

    mlflow: MlflowApi
    run: Run
    source: str
    """`all`, `driver` or `rank-0`."""
    _read: dict[tuple[str, int], int] = field(default_factory=dict)
    _decoders: dict[str, codecs.IncrementalDecoder] = field(default_factory=dict)
    _attempts: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Of each source the attempt that was read last, and whether its text ended with a line."""

    def read(self) -> Iterator[LogChunk]:
        """What has been stored since the last call."""
        for part in self._listed():
            done = self._read.get((part.source, part.attempt), 0)
            if part.end <= done or (part.start < done and not part.is_whole):
                continue
            try:
                content = self.mlflow.download(self.run, part.path)
            except NotFoundError:
                # The pieces became one file between the listing and now: it is read next time.
                continue
            self._read[part.source, part.attempt] = max(done, part.start + len(content))
            if text := self._decoded(part, content[max(0, done - part.start) :]):
                yield LogChunk(source=part.source.replace("-", " "), text=text)

    def tail(self, lines: int) -> Iterator[LogChunk]:
        """The last so many lines of each source; what came before is passed over unread."""
        parts = self._listed()
        for source in dict.fromkeys(part.source for part in parts):
            own = [part for part in parts if part.source == source]
            wholes = {part.attempt: part.end for part in own if part.is_whole}
            found: list[bytes] = []
            for part in reversed(own):
                if not part.is_whole and part.start < wholes.get(part.attempt, 0):
                    continue
                if sum(content.count(b"\n") for content in found) > lines or lines == 0:
                    break
                content = self.mlflow.download(self.run, part.path)
                ended = not found or content.endswith(b"\n") or part.attempt == own[-1].attempt
                found.insert(0, content if ended else content + b"\n")
            for part in own:
                done = self._read.get((source, part.attempt), 0)
                self._read[source, part.attempt] = max(done, part.end)
            if text := _last_lines(b"".join(found), lines):
                yield LogChunk(source=source.replace("-", " "), text=self._decoded(own[-1], text))

    def _decoded(self, part: _Stored, content: bytes) -> str:
        """A character may be cut in two where a part ends; the next attempt begins on a line of its own."""
        decoder = self._decoders.get(part.source)
        if decoder is None:
            decoder = self._decoders[part.source] = codecs.getincrementaldecoder("utf-8")(errors="replace")
        attempt, ended = self._attempts.get(part.source, (part.attempt, True))
        begin = ""
        if attempt != part.attempt:
            begin = decoder.decode(b"", final=True) + ("" if ended else "\n")
            decoder.reset()
        self._attempts[part.source] = (part.attempt, content.endswith(b"\n"))
        return begin + decoder.decode(content)

    def _listed(self) -> Sequence[_Stored]:
        """Oldest attempt first, and in the order in which they were written."""
        stored = self.mlflow.artifacts(self.run.run_id, LOGS_ARTIFACT)
        folders = self.mlflow.artifacts(self.run.run_id, PIECES_ARTIFACT) if PIECES_ARTIFACT in stored else {}
        parts: list[_Stored] = []
        for folder in folders:
            source = folder.rpartition("/")[2]
            if not self._wanted(source):
                continue
            for path, size in self.mlflow.artifacts(self.run.run_id, folder).items():
                attempt, _, start = path.rpartition("/")[2].removesuffix(".log").partition("-")
                parts.append(_part(source, int(attempt), int(start), size or 0, path, is_whole=False))
        for path, size in stored.items():
            name = path.rpartition("/")[2]
            if size is None or not name.endswith(".log"):
                continue
            source, _, attempt = name.removesuffix(".log").partition(".attempt-")
            if self._wanted(source):
                parts.append(_part(source, int(attempt or 1), 0, size, path, is_whole=True))
        return sorted(parts, key=lambda p: (p.attempt, _order(p.source), p.start, p.is_whole))

    def _wanted(self, source: str) -> bool:
        return self.source in ("all", source)


def _part(source: str, attempt: int, start: int, size: int, path: str, is_whole: bool) -> _Stored:
    return _Stored(source=source, attempt=attempt, start=start, size=size, path=path, is_whole=is_whole)


def _last_lines(content: bytes, lines: int) -> bytes:
    """A last line without its end counts as one."""
    at = len(content) - content.endswith(b"\n")
    for _ in range(lines):
        at = content.rfind(b"\n", 0, at)
        if at < 0:
            return content
    return content[at + 1 :] if lines else b""


def _order(source: str) -> tuple[int, int]:
    rank = source.removeprefix("rank-")
    return (1, int(rank)) if rank.isdigit() else (0, 0)
