"""Writes what was decided of a service into its run: phase, reason, rollout, and what answers where."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Mapping

import orjson

from journeyman.cluster.ray_state import Application
from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError, RefusedError
from journeyman.serve.control.probe import Asked
from journeyman.serve.control.swap import Decision
from journeyman.serve.phases import RUN_STATUS, Phase
from journeyman.serve.records import Rollout, ServiceRecord, observed_text, write_rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import (
    CANDIDATE,
    MAX_TAG_CHARACTERS,
    MODEL,
    MODEL_RUN,
    NOTE,
    OBSERVED,
    PHASE,
    REASON,
    REPLICA,
    ROLLOUT,
    SERVING,
    SPEC,
    TAKEN_UP_MS,
    URL,
    Run,
    storable,
)

_EXAMPLE_CHARACTERS = 300
"""A longer example is left out of a service's note."""

_log = logging.getLogger(__name__)


class Recorder:
    """One thread uses it. `check` is asked before each write to a run, and raises where none is to be."""

    def __init__(
        self, mlflow: MlflowApi, settings: Settings, asked: Asked, check: Callable[[Run], None]
    ) -> None:
        self._mlflow = mlflow
        self._settings = settings
        self._asked = asked
        self._check = check

    def record(
        self, record: ServiceRecord, application: Application | None, decision: Decision, now: float
    ) -> None:
        """Before it is acted on: whoever is killed in between leaves what is to be done."""
        run, rollout = record.run, decision.rollout
        tags = {PHASE: str(decision.phase), REASON: decision.reason}
        if not record.undeploy:
            tags[OBSERVED] = observed_text(run.tags[SPEC], decision.ordered)
        if rollout is not None:
            url = f"{self._settings.serve_url}/{record.name}"
            tags |= {URL: url, CANDIDATE: rollout.candidate or ""}
            if rollout != record.rollout:
                tags[ROLLOUT] = write_rollout(rollout)
            told = (run.tags.get(MODEL), run.tags.get(SERVING))
            if decision.answers and told != (rollout.model, rollout.serving):
                tags |= self._lineage(record.spec, rollout, url, now)
        if TAKEN_UP_MS not in run.tags:
            tags[TAKEN_UP_MS] = str(int(now * 1000))
        self._tag(run, tags)
        self._clear(run, application)
        if decision.phase == Phase.UNDEPLOYED:
            self._check(run)
            self._mlflow.update_run(run.run_id, RUN_STATUS[decision.phase], int(now * 1000))

    def end(self, run: Run, now: float) -> None:
        """Of a service that cannot be read and was undeployed: MLflow's own status, and no tag."""
        self._check(run)
        self._mlflow.update_run(run.run_id, RUN_STATUS[Phase.UNDEPLOYED], int(now * 1000))

    def _tag(self, run: Run, tags: Mapping[str, str]) -> None:
        # As MLflow stores it: what comes back otherwise would be written again each turn.
        stored = {key: storable(value)[:MAX_TAG_CHARACTERS] for key, value in tags.items()}
        changed = {key: value for key, value in stored.items() if run.tags.get(key, "") != value}
        if changed:
            self._check(run)
            self._mlflow.set_tags(run.run_id, changed)

    def _clear(self, run: Run, application: Application | None) -> None:
        """Remove what replicas said that are gone. While Serve tells of none they may run all the same."""
        if application is None or not application.replicas:
            return
        alive = {replica.replica_id for replica in application.replicas}
        for key in run.tags:
            if key.startswith(f"{REPLICA}.") and key.removeprefix(f"{REPLICA}.") not in alive:
                self._check(run)
                try:
                    self._mlflow.delete_tag(run.run_id, key)
                except NotFoundError:
                    # Somebody else has removed it.
                    continue

    def _lineage(self, spec: ServiceSpec, rollout: Rollout, url: str, now: float) -> dict[str, str]:
        """What is written when another version begins to answer."""
        version: Mapping[str, str] = {}
        try:
            version = self._mlflow.model_version(rollout.model, rollout.serving)
        except (NotFoundError, RefusedError) as error:
            _log.warning("version %s of %s: %s", rollout.serving, rollout.model, error.message)
        return {
            MODEL: rollout.model,
            SERVING: rollout.serving,
            MODEL_RUN: version.get("run_id") or "",
            NOTE: _note(spec, rollout, url, self._example(url), now),
        }

    def _example(self, url: str) -> str:
        """A body that the service answers, where it is short enough to be read."""
        if not self._settings.serve_url:
            return ""
        answer = self._asked.answer(url)
        if answer is None or answer.status != 200:
            return ""
        try:
            body = orjson.loads(answer.content)
        except ValueError:
            return ""
        example = body.get("example") if isinstance(body, Mapping) else None
        text = orjson.dumps(example).decode() if example else ""
        return text if len(text) <= _EXAMPLE_CHARACTERS else ""


def _note(spec: ServiceSpec, rollout: Rollout, url: str, example: str, now: float) -> str:
    """The service's page in MLflow, in Markdown."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    body = shlex.quote(example or '{"inputs": …}')
    return "  \n".join(
        (
            f"**{spec.name}** answers with version **{rollout.serving}** of model **{rollout.model}** "
            f"({spec.model}).",
            f"Since {since}.",
            f"URL: {url}/invocations",
            f"`curl {url}/invocations -H 'Content-Type: application/json' -d {body}`",
            f"Stop it with `journeyman undeploy {spec.name}`.",
        )
    )
