"""Watches the steps of the jobs that run; what takes long is read and stored off the loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future

from journeyman.cluster.ray_api import RayApi
from journeyman.errors import JourneymanError
from journeyman.jobs.control.follow import Progress
from journeyman.jobs.control.hang import FLOOR_S, Pace, Watch, leading_metrics, look_again, pace_of
from journeyman.jobs.phases import Phase
from journeyman.jobs.place import read_places
from journeyman.jobs.records import JobRecord
from journeyman.jobs.stacks import read_stacks, stacks_text
from journeyman.jobs.waits import Wait, read_waits
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi

_logger = logging.getLogger(__name__)

WAITS_EVERY_S = 10.0
_METRICS_READ = 3
"""How many metrics' points are read to learn a job's pace."""


class Watcher:
    """Knows which jobs are silent, and since when. One thread calls it."""

    def __init__(self, mlflow: MlflowApi, ray: RayApi, background: Callable[[int, str], Executor]) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._watches: dict[str, Watch] = {}
        self._paces: dict[str, Future[Pace | None]] = {}
        """Of the jobs that are silent."""
        self._waits: dict[str, tuple[float, Future[list[Wait]], list[Wait] | None]] = {}
        """When it was asked last what the ranks say, what comes of it, and what they said before."""
        self._stacks: dict[str, Future[str]] = {}
        """Where the stacks of a job that hangs are stored."""
        self._lookers = background(2, "look")

    def close(self) -> None:
        self._lookers.shutdown(wait=False, cancel_futures=True)

    def look(self, jobs: Sequence[JobRecord], now: float) -> Mapping[str, Progress]:
        """By run; `jobs` are all that run or hang."""
        self._watches = {
            job.run.run_id: look_again(self._watches.get(job.run.run_id), job.attempt, job.run.steps, now)
            for job in jobs
        }
        progress = {}
        for job in jobs:
            watch = self._watches[job.run.run_id]
            silent = watch.silent_s > FLOOR_S
            pace = self._pace(job, watch) if silent and job.phase is Phase.RUNNING else None
            # Whose pace is known needs no word of its ranks.
            asked = silent and (pace is None or pace.floor_s > FLOOR_S)
            waits = self._waits_of(job, now) if asked else None
            progress[job.run.run_id] = Progress(watch=watch, pace=pace, waits=waits)
        # Read again, and stored again, when a job is silent once more.
        silent_now = {run_id for run_id, each in self._watches.items() if each.silent_s > FLOOR_S}
        self._paces = {key: pace for key, pace in self._paces.items() if key in silent_now}
        self._stacks = {key: stacks for key, stacks in self._stacks.items() if key in silent_now}
        self._waits = {key: waits for key, waits in self._waits.items() if key in silent_now}
        return progress

    def stored_stacks(self, job: JobRecord, now: float) -> str | None:
        """Where the stacks of a job that hangs are, or why there are none; None until they are stored."""
        storing = self._stacks.get(job.run.run_id)
        if storing is None:
            self._stacks[job.run.run_id] = self._lookers.submit(self._store_stacks, job, now)
            return None
        if not storing.done():
            return None
        error = storing.exception()
        if error is not None and not isinstance(error, JourneymanError):
            raise error
        return f"no stacks: {error.message}" if error else f"stacks under {storing.result()}"

    def _pace(self, job: JobRecord, watch: Watch) -> Pace | None:
        """Read once a silence, off the loop: a long job has a million points. None until it is read."""
        reading = self._paces.get(job.run.run_id)
        if reading is None:
            self._paces[job.run.run_id] = self._lookers.submit(self._read_pace, job, watch)
        if reading is None or not reading.done():
            return None
        if error := reading.exception():
            del self._paces[job.run.run_id]
            if not isinstance(error, JourneymanError):
                # A fault of ours: this job is not watched, and all others are.
                _logger.error("job %s: its pace was not read", job.run.run_id, exc_info=error)
            return None
        return reading.result()

    def _read_pace(self, job: JobRecord, watch: Watch) -> Pace | None:
        points = [
            (int(point.get("step", 0)), int(point["timestamp"]) / 1000)
            for metric in leading_metrics(watch.steps, _METRICS_READ)
            for point in self._mlflow.metric_history(job.run.run_id, metric)
        ]
        return pace_of(points, (job.workers_started_ms or 0) / 1000)

    def _waits_of(self, job: JobRecord, now: float) -> list[Wait] | None:
        """What its ranks say of themselves, as of the last time that it was read; None before the first."""
        asked_s, reading, known = self._waits.get(job.run.run_id, (-WAITS_EVERY_S, None, None))
        if reading is not None and reading.done() and reading.exception() is None:
            known = reading.result()
        if reading is None or (reading.done() and not 0 <= now - asked_s < WAITS_EVERY_S):
            asked_s, reading = now, self._lookers.submit(read_waits, self._mlflow, job.run, job.attempt)
        self._waits[job.run.run_id] = (asked_s, reading, known)
        return known

    def _store_stacks(self, job: JobRecord, now: float) -> str:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        path = f"{records.STACKS_ARTIFACT}/{job.attempt}-{moment}.txt"
        stacks = read_stacks(self._ray, read_places(self._mlflow, job.run, job.attempt))
        self._mlflow.upload(job.run, path, stacks_text(stacks).encode())
        return path
