"""Keeps a node's cache of versions small: what no service counts on and nobody uses is removed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from journeyman.errors import JourneymanError, UnreadableError
from journeyman.models.cached import clean
from journeyman.serve.records import read_report, read_rollout
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import KIND, REPLICA, ROLLOUT, SERVICE, Run

_log = logging.getLogger(__name__)


def clean_cache(mlflow: MlflowApi, cache: Path) -> None:
    """Raises nothing: where it cannot be told what services count on, everything is kept."""
    try:
        removed = clean(cache, named_versions(services(mlflow)))
    except (JourneymanError, OSError, ValueError, TypeError, KeyError) as error:
        # ValueError, TypeError and KeyError: a record that another version of Journeyman wrote.
        _log.warning("the cache of versions is not cleaned: %s", error)
        return
    if removed:
        _log.info("removed from the cache of versions, since nobody used them: %s", ", ".join(removed))


def services(mlflow: MlflowApi) -> list[Run]:
    """Those that have not ended, of all clusters: several may share a node's cache."""
    conditions = f"tags.`{KIND}` = '{SERVICE}' and attributes.status = 'RUNNING'"
    return mlflow.search_runs(mlflow.experiments(), conditions)


def named_versions(runs: Iterable[Run]) -> frozenset[tuple[str, str]]:
    """The models and versions that the records of services and of their replicas name.

    Raises ValueError, TypeError or KeyError where a record cannot be read.
    """
    named: set[tuple[str, str]] = set()
    for run in runs:
        if not run.tags.get(ROLLOUT):
            continue
        rollout = read_rollout(run.tags[ROLLOUT])
        versions = {rollout.serving, rollout.candidate, rollout.refused}
        for key, text in run.tags.items():
            if key.startswith(f"{REPLICA}."):
                # What a replica that cannot be read counts on is what its rollout names.
                with contextlib.suppress(UnreadableError):
                    report = read_report(text)
                    versions |= {report.serving, report.candidate}
        named |= {(rollout.model, version) for version in versions if version is not None}
    return frozenset(named)
