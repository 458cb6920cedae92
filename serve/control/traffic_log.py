"""Logs a point a minute of what each service had to do, beside the turns."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future

import httpx

from journeyman.cluster.archive import Archive
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application
from journeyman.errors import JourneymanError, NotFoundError, RefusedError
from journeyman.serve.control.observe import ALIVE
from journeyman.serve.control.probe import Probe
from journeyman.serve.control.traffic import Counters, read_counters, traffic
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run

PERIOD_S = 60
_READING_S = 20.0
"""For all nodes together."""

_log = logging.getLogger(__name__)


class TrafficLog:
    """One thread uses it; another asks nodes and stores points, so that no turn waits for them."""

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        package: Archive | None,
        reader: Executor,
        check: Callable[[], None],
    ) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._package = package
        self._reader = reader
        self._check = check
        self._probe = Probe(_READING_S)
        self._reading: Future[dict[str, Counters]] | None = None
        self._asked_at: float | None = None
        self._writing: Future[None] | None = None
        self._closing = threading.Event()
        """What is not stored by then is lost: a point for each of a thousand services takes long."""
        self._idle: dict[str, float] = {}
        """Of the runs whose last point told of no request: how many replicas it told of."""
        self._counters: dict[str, Counters] = {}
        self._counted_at: float | None = None

    def close(self) -> None:
        self._closing.set()
        self._reader.shutdown()
        self._probe.close()

    def step(self, services: Sequence[tuple[Run, Application | None]], now: float) -> None:
        """Without figures the loop goes on."""
        if self._writing is not None and self._writing.done():
            writing, self._writing = self._writing, None
            if isinstance(error := writing.exception(), JourneymanError):
                _log.warning("the traffic of this minute is not stored: %s", error.message)
            elif error is not None:
                raise error
        if self._reading is not None:
            if not self._reading.done():
                return
            reading, self._reading = self._reading, None
            try:
                counters = reading.result()
            except (httpx.HTTPError, JourneymanError, ValueError) as error:
                _log.warning("the traffic of this minute is not known: %s", error)
                return
            self._count(services, counters, now)
        if self._asked_at is None or now - self._asked_at >= PERIOD_S:
            self._asked_at = now
            self._reading = self._reader.submit(self._read, bool(services))

    def _read(self, replicas: bool) -> dict[str, Counters]:
        if self._package is not None and replicas:
            # Where all replicas die at once nothing uses it for a moment, and those that follow need it.
            self._check()
            self._ray.keep_package(self._package)
        self._probe.begin_turn()
        urls = self._ray.metrics_urls()
        return read_counters(self._probe.get(url).raise_for_status().text for url in urls)

    def _count(
        self,
        services: Sequence[tuple[Run, Application | None]],
        counters: dict[str, Counters],
        now: float,
    ) -> None:
        before, counted_at = self._counters, self._counted_at
        self._counters, self._counted_at = counters, now
        if counted_at is None or now <= counted_at:
            return
        points = []
        for run, application in services:
            if application is None:
                continue
            name = run.name
            seen = traffic(before.get(name, Counters()), counters.get(name, Counters()), now - counted_at)
            figures = {
                "requests": seen.requests,
                "requests_per_s": seen.requests_per_s,
                "errors": seen.errors,
                "p50_ms": seen.p50_ms,
                "p99_ms": seen.p99_ms,
                "replicas": float(sum(each.state in ALIVE for each in application.replicas)),
            }
            if self._is_news(run, figures):
                points.append((run, figures))
        if points:
            self._writing = self._reader.submit(self._store, points, int(now * 1000))

    def _is_news(self, run: Run, figures: Mapping[str, float | None]) -> bool:
        """Of a service that nobody asks one point in a row tells as much as many."""
        replicas = figures["replicas"] or 0.0
        told = self._idle.pop(run.run_id, None)
        if figures["requests"] or figures["errors"]:
            return True
        self._idle[run.run_id] = replicas
        return told != replicas

    def _store(self, points: Sequence[tuple[Run, Mapping[str, float | None]]], milliseconds: int) -> None:
        for run, figures in points:
            if self._closing.is_set():
                return
            self._log_point(run, figures, milliseconds)

    def _log_point(self, run: Run, figures: Mapping[str, float | None], milliseconds: int) -> None:
        step = (milliseconds - run.start_ms) // 60_000
        metrics = [
            {"key": key, "value": value, "timestamp": milliseconds, "step": step}
            for key, value in figures.items()
            if value is not None
        ]
        self._check()
        try:
            self._mlflow.log_batch(run.run_id, metrics=metrics)
        except (NotFoundError, RefusedError) as error:
            _log.warning("the traffic of %s cannot be stored: %s", run.name, error.message)
