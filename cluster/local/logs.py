"""Keeps a log within its size while its process writes on: it is copied aside and emptied.

The process keeps its file, which it must have opened for appending. What it writes between the end of the
copy and the moment the file is emptied is lost; nothing else is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KEPT = 3
"""Copies: `<name>.log.1` is the latest."""


def rotate(log: Path, limit_bytes: int) -> bool:
    """Whether the log was too long and has been emptied. Raises OSError where it cannot be copied."""
    if not log.exists() or log.stat().st_size <= limit_bytes:
        return False
    partial = _copy(log, KEPT + 1)
    try:
        with log.open("rb") as source, partial.open("wb") as target:
            # Reads up to what is the end by then, so that little can come after it.
            shutil.copyfileobj(source, target, 1024 * 1024)
            for number in range(KEPT - 1, 0, -1):
                if _copy(log, number).exists():
                    _copy(log, number).replace(_copy(log, number + 1))
            target.write(source.read())
            target.flush()
            os.truncate(log, 0)
        partial.replace(_copy(log, 1))
    finally:
        partial.unlink(missing_ok=True)
    return True


def _copy(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
