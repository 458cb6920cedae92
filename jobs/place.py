"""Where each rank of an attempt runs: written by its worker as it starts, read to look into its process."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import RANKS_ARTIFACT, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The process of one rank; of a script, the child that runs it."""

    rank: int
    pid: int
    ip: str
    node: str
    """The machine's own name."""
    node_id: str
    """Ray's name for it."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> Place:
        """Raises ValueError where it is none."""
        return _PLACE.validate_json(text, strict=True)


_PLACE: TypeAdapter[Place] = TypeAdapter(Place)


def place_path(attempt: int, rank: int) -> str:
    return f"{RANKS_ARTIFACT}/{attempt}-{rank}.json"


def read_places(mlflow: MlflowApi, run: Run, attempt: int) -> list[Place]:
    """Of the ranks that have said it, by rank; one that cannot be read is as one that has said nothing."""
    paths = mlflow.artifacts(run.run_id, RANKS_ARTIFACT)
    ours = [path for path in paths if path.startswith(f"{RANKS_ARTIFACT}/{attempt}-")]
    places = []
    for path in ours:
        with contextlib.suppress(ValueError):
            places.append(Place.from_json(mlflow.download(run, path)))
    return sorted(places, key=lambda place: place.rank)
