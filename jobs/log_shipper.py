"""The logs of a job, shipped to its run in pieces while it runs.

A piece is `logs/pieces/<source>/<attempt>-<offset>.log`; when its process ends in good order, the pieces
become one file, `logs/<source>.log`. Reading needs MLflow alone, so it works with Ray gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from journeyman.errors import JourneymanError
from journeyman.jobs.log_files import PIECES_ARTIFACT, whole_path
from journeyman.jobs.terminal import last_state
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run

_READ_INTERVAL_S = 0.5
"""Several files are read one after the other: their order is that of what was written to them meanwhile."""
_FIRST_INTERVAL_S = 1.0
_LAST_INTERVAL_S = 30.0
# Ray marks the beginning of a worker's output for its own log monitor.
_RAY_MARKS = re.compile(rb"^:(?:job_id:[0-9a-f]{8}|actor_name:RayTrainWorker\S*)\r?\n", re.MULTILINE)
_MAX_WHOLE_BYTES = 16 * 1024**2
"""A longer log stays in its pieces, and this process keeps no more of it than its end."""
_MAX_PIECE_BYTES = 4 * 1024**2
"""So that its end is read without its beginning."""
_TAIL_BYTES = 64 * 1024
_CAUSE_LINES = 200
_ERASE = b"\r\x1b[K"


def own_output_files() -> list[Path]:
    """The files this process's output and errors go to; Ray redirects both."""
    files = []
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            path = Path(os.readlink(f"/proc/self/fd/{stream}"))
            if path.is_file() and path not in files:
                files.append(path)
    return files


class _Output:
    """One file that is written to, and the line of it that is not ended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        # A worker process of Ray may have served another job before: its output is not ours.
        self._file.seek(0, os.SEEK_END)
        self.line = b""
        """As it was written."""
        self.shown = b""
        """As it stands in the log; empty where it does not."""

    @property
    def written_s(self) -> float:
        """When it was written to last."""
        return os.fstat(self._file.fileno()).st_mtime

    @property
    def position(self) -> int:
        """How much is in the file: read or not."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()

    def read(self) -> bytes:
        return self._file.read(_MAX_PIECE_BYTES)


class OutputText:
    """The text of several files as a log: each line once, as a terminal would show it.

    A line that is drawn again and again stands there in the state that it has whenever the log is shipped,
    each behind a return to its beginning.
    """

    def __init__(self, outputs: Sequence[_Output]) -> None:
        self._outputs = outputs
        self._open: _Output | None = None
        """Whose line is the last one, which is not ended."""
        self.text = bytearray()

    def read(self) -> bool:
        """Take what was written since; whether there may be more."""
        more = False
        # Which of them was written to last is not told otherwise.
        for output in sorted(self._outputs, key=lambda output: output.written_s):
            if written := output.read():
                self._take(output, _RAY_MARKS.sub(b"", written) if b":" in written else written)
                more = more or len(written) == _MAX_PIECE_BYTES
        return more

    def show_open_lines(self) -> None:
        """Let lines that are drawn again and again stand there as they are now."""
        for output in self._outputs:
            if output.line and _is_redrawn(output.line):
                state = _last_state(output.line)
                if state != output.shown:
                    self._write(output, state, ended=False)
                # Where it goes on does not depend on what it was before.
                output.line = state + (b"\r" if output.line.endswith(b"\r") else b"")
                output.line = output.line if _is_redrawn(output.line) else b"\r" + output.line

    def _take(self, output: _Output, written: bytes) -> None:
        ended, newline, rest = written.rpartition(b"\n")
        if newline:
            self._take_lines(output, output.line + ended)
            output.line = b""
        output.line += rest
        if output.line and not _is_redrawn(output.line):
            self._write(output, output.line, ended=False)
            if len(output.line) > _TAIL_BYTES:
                # Nothing so long is drawn again.
                output.line, output.shown, self._open = b"", b"", None

    def _take_lines(self, output: _Output, text: bytes) -> None:
        first, *others = text.split(b"\n") if _is_redrawn(text) else text.split(b"\n", 1)
        self._write(output, _last_state(first), ended=True)
        if others:
            self.text += b"\n".join(map(_last_state, others)) + b"\n"

    def _write(self, output: _Output, state: bytes, ended: bool) -> None:
        """Let the line of this file stand at the end of the log in that state."""
        if self._open is not None and self._open is not output:
            redrawn = _is_redrawn(self._open.line)
            self.text += _ERASE if redrawn else b"\n"
            if not redrawn:
                self._open.line = b""
            self._open.shown = b""
        if output.shown and not state.startswith(output.shown):
            self.text += _ERASE + state
        else:
            self.text += state[len(output.shown) :]
        output.shown = b"" if ended else state
        self._open = None if ended else output
        if ended:
            self.text += b"\n"


def _is_redrawn(line: bytes) -> bool:
    return b"\r" in line or b"\b" in line


def _last_state(line: bytes) -> bytes:
    """Any bytes stay what they are."""
    if not _is_redrawn(line):
        return line
    return last_state(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")


class LogShipper:
    """Follows the output of its own process and ships it to the run, off the step path."""

    def __init__(self, mlflow: Mlflow, run: Run, source: str, attempt: int, files: Sequence[Path]) -> None:
        self._mlflow = mlflow
        self._run = run
        self._source = source
        self._attempt = attempt
        self._outputs = [_Output(path) for path in files]
        self._log = OutputText(self._outputs)
        self._reading = threading.Lock()
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
        with contextlib.suppress(JourneymanError):
            self._take()
        with contextlib.suppress(JourneymanError):
            self._finish()
        for output in self._outputs:
            output.close()

    def written_bytes(self) -> int:
        """How much its processes have written so far."""
        return sum(output.position for output in self._outputs)

    def tail(self, lines: int = _CAUSE_LINES) -> str:
        """The last lines so far, each as a terminal would show it."""
        with self._reading:
            while self._log.read():
                pass
            self._log.show_open_lines()
            end = bytes(self._log.text[-_TAIL_BYTES:]).decode(errors="replace")
        return "\n".join(last_state(line) for line in end.split("\n")[-lines:])

    def _follow(self) -> None:
        began = shipped = time.monotonic()
        while not self._stop.wait(_READ_INTERVAL_S):
            # MLflow may be away: what could not be shipped goes with the next piece.
            with contextlib.suppress(JourneymanError):
                self._take()
                if (now := time.monotonic()) - shipped >= self._interval_s(now - began):
                    shipped = now
                    self._ship()

    @staticmethod
    def _interval_s(elapsed_s: float) -> float:
        """Short while someone watches the start, longer later: a week must not make 300,000 pieces."""
        return min(_LAST_INTERVAL_S, max(_FIRST_INTERVAL_S, elapsed_s / 60))

    def _take(self) -> None:
        """Read all there is, and ship meanwhile what is enough for pieces."""
        more = True
        while more:
            with self._reading:
                more = self._log.read()
            while self._unshipped() >= _MAX_PIECE_BYTES:
                self._ship_piece()

    def _unshipped(self) -> int:
        return self._dropped + len(self._log.text) - self._shipped

    def _ship(self) -> None:
        with self._reading:
            self._log.show_open_lines()
        while self._unshipped():
            self._ship_piece()

    def _ship_piece(self) -> None:
        start = self._shipped - self._dropped
        piece = bytes(self._log.text[start : start + _MAX_PIECE_BYTES])
        path = f"{PIECES_ARTIFACT}/{self._source}/{self._attempt}-{self._shipped:012d}.log"
        self._mlflow.upload(self._run, path, piece)
        self._pieces.append(path)
        self._shipped += len(piece)
        if self._shipped > _MAX_WHOLE_BYTES:
            with self._reading:
                past = max(0, self._shipped - self._dropped - _TAIL_BYTES)
                del self._log.text[:past]
                self._dropped += past

    def _finish(self) -> None:
        self._log.show_open_lines()
        if self._dropped + len(self._log.text) > _MAX_WHOLE_BYTES or not self._log.text:
            self._ship()
            return
        self._mlflow.upload(self._run, whole_path(self._source, self._attempt), bytes(self._log.text))
        for path in self._pieces:
            self._mlflow.delete_artifact(self._run, path)
