"""Where the logs of a job stand in its run: written by the shipper of each process, found by a reader"""

from __future__ import annotations

from journeyman.tracking.records import LOGS_ARTIFACT

DRIVER = "driver"


PIECES_ARTIFACT = f"{LOGS_ARTIFACT}/pieces"


def rank_source(rank: int) -> str:
    return f"rank-{rank}"


def whole_path(source: str, attempt: int) -> str:
    suffix = "" if attempt == 1 else f".attempt-{attempt}"
    return f"{LOGS_ARTIFACT}/{source}{suffix}.log"
