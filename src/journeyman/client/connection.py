"""What every part of the client works with: the settings, the two servers, and the runs of this cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass

from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import page_url
from journeyman.tracking.records import Run

ID = re.compile(r"[0-9a-f]{1,32}")
"""A run's id, or the beginning of one."""
NAME = re.compile(r"[a-z0-9-]{1,63}")
SHOWN_IDS = 5
"""How many runs are named where the beginning of an id is not enough."""
_ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One cluster's servers, as one person sees them."""

    settings: Settings
    mlflow: MlflowApi
    ray: RayApi

    def runs(self, kind: str, *conditions: str, limit: int | None = None) -> list[Run]:
        """Of this cluster, newest first; the conditions are in the language of MLflow's filters."""
        ours = (f"tags.`{records.KIND}` = '{kind}'", f"tags.`{records.CLUSTER}` = '{self.settings.cluster}'")
        filter_string = " and ".join((*ours, *conditions))
        return self.mlflow.search_runs(self.mlflow.experiments(), filter_string, limit)

    def orders(self, *conditions: str, limit: int | None = None) -> list[Run]:
        """The jobs. What is written last makes an order of a run: without it nothing takes notice of it."""
        return self.runs(records.JOB, f"tags.`{records.SUBMITTED_MS}` != ''", *conditions, limit=limit)

    def unfinished_orders(self) -> list[Run]:
        """The jobs that have not ended, by the status of their runs."""
        return self.orders(*(f"attributes.status != '{status}'" for status in records.ENDED_STATUSES))

    def run_of_id(self, kind: str, reference: str) -> Run | None:
        """By its whole id, which costs a tenth of a search; None where it is no run of this cluster's."""
        if len(reference) != _ID_CHARACTERS or not ID.fullmatch(reference):
            return None
        try:
            run = self.mlflow.run(reference)
        except NotFoundError:
            return None
        ours = (kind, self.settings.cluster)
        return run if (run.tags.get(records.KIND), run.tags.get(records.CLUSTER)) == ours else None

    def page(self, run: Run) -> str:
        return page_url(self.settings.mlflow_url, f"experiments/{run.experiment_id}/runs/{run.run_id}")


def only_one(found: list[Run], reference: str, kind: str) -> Run | None:
    """Raises NotFoundError where several ids begin so."""
    if len(found) > 1:
        ids = ", ".join(run.run_id[: len(reference) + 4] for run in found)
        raise NotFoundError(f"{reference!r} begins the ids of several {kind}s: {ids}", "Give more of it.")
    return found[0] if found else None
