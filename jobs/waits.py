"""What a rank that does not move says of itself: written by its worker, read where a job is silent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

from journeyman.errors import JourneymanError
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import WAITS_ARTIFACT, Run

STILL_AFTER_S = 45.0
"""How long a rank does nothing before it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Of one rank."""

    rank: int
    what: Literal["report", "still", "moves"]
    """Whether it waits in `ray.train.report` for the others, neither computes nor prints, or moves again."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


_WAIT: TypeAdapter[Wait] = TypeAdapter(Wait)


def wait_path(attempt: int, rank: int) -> str:
    return f"{WAITS_ARTIFACT}/{attempt}-{rank}.json"


def read_waits(mlflow: MlflowApi, run: Run, attempt: int) -> list[Wait]:
    """Of the ranks that do not move, by rank; what cannot be read is as if nothing had been said."""
    waits = []
    for path in mlflow.artifacts(run.run_id, WAITS_ARTIFACT):
        if path.startswith(f"{WAITS_ARTIFACT}/{attempt}-"):
            with contextlib.suppress(ValueError, JourneymanError):
                waits.append(_WAIT.validate_json(mlflow.download(run, path), strict=True))
    return sorted((wait for wait in waits if wait.what != "moves"), key=lambda wait: wait.rank)


def who_waits(waits: Sequence[Wait], ranks: int) -> str:
    """`rank 0 waits in ray.train.report for rank 1, which has not called it`; empty where nobody does."""
    waiting = [wait.rank for wait in waits if wait.what == "report" and wait.rank < ranks]
    missing = sorted(set(range(ranks)) - set(waiting))
    if not waiting or not missing:
        return ""
    verb, lack = ("waits" if len(waiting) == 1 else "wait"), ("has" if len(missing) == 1 else "have")
    return f"{_named(waiting)} {verb} in ray.train.report for {_named(missing)}, which {lack} not called it"


def nobody_moves(waits: Sequence[Wait], ranks: int) -> bool:
    return ranks > 0 and {wait.rank for wait in waits} >= set(range(ranks))


def _named(ranks: Collection[int]) -> str:
    shown = [str(rank) for rank in ranks][:_SHOWN_RANKS]
    more = f" and {len(ranks) - _SHOWN_RANKS} more" if len(ranks) > _SHOWN_RANKS else ""
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(shown)}{more}"


_SHOWN_RANKS = 8
