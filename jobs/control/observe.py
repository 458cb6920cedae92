"""What there is of jobs: their records, read again where they can have changed, and what Ray says of them.

Thousands may wait, and of those nothing changes but by an order or a cancel, which filters find. The jobs
that are on their way are read in each turn. Ray is asked about them one by one while they are few: its list
has every job that it ever ran.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import RayJob
from journeyman.errors import NotFoundError, UnreadableError
from journeyman.jobs.control.abandoned import abandoned
from journeyman.jobs.phases import RUN_STATUS, Phase
from journeyman.jobs.records import JobRecord, read_job
from journeyman.tracking import records
from journeyman.tracking.live_runs import LiveRuns
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run

FEW = 8
"""So many attempts are asked about one by one."""
_WAITS = f"attributes.status = '{RUN_STATUS[Phase.QUEUED]}'"
_NEWS = (
    (
        _WAITS,
        f"tags.`{records.SUBMITTED_MS}` IS NOT NULL",
        f"tags.`{records.TAKEN_UP_MS}` IS NULL",
    ),
    (_WAITS, f"tags.`{records.CANCEL_MS}` IS NOT NULL"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is at one moment."""

    jobs: Sequence[JobRecord]
    """Those that have not ended, oldest first."""
    unread: Sequence[Run]
    """Those whose records cannot be read."""
    abandoned: Sequence[Run]
    """Those that were never wholly ordered, and never will be."""
    ray_jobs: Mapping[str, RayJob]


class Observer:
    """One thread uses it."""

    def __init__(self, mlflow: MlflowApi, ray: RayApi, cluster: str) -> None:
        alive = [f"attributes.status != '{status}'" for status in records.ENDED_STATUSES]
        self._ray = ray
        self._runs = LiveRuns(mlflow, cluster, records.JOB, alive, _NEWS)
        self._parsed: dict[str, tuple[Run, JobRecord | None]] = {}
        """By run, with the run as it was parsed; None where it cannot be."""
        self._started: set[str] = set()
        """Attempts that were begun since the runs were read last."""
        self._left: set[str] = set()
        """Attempts that were followed, and live on though nothing tells of their runs any more."""

    def may_write(self, run: Run) -> bool:
        """Whether a run that is about to be written to was read in this turn; it is read in the next."""
        return self._runs.may_write(run.run_id)

    def starts(self, run: Run, attempt: int) -> None:
        """An attempt is about to be claimed."""
        self._started.add(f"{run.run_id}-{attempt}")

    def look(self, now: float) -> Seen | None:
        """None where Ray was not asked about all that is there: it is in the next turn."""
        # Ray first, the runs after: a driver writes its outcome before it ends, so a driver that is seen to
        # have ended has its outcome in what is read next. The other way round it looks as if it had died.
        followed = self._followed()
        asked = None if self._runs.is_listing(now) or self._asks_for_all(followed) else followed
        ray_jobs = self._ray.jobs() if asked is None else self._each(asked)
        runs = self._runs.read(now, [run.run_id for run in self._runs.known if _is_moving(run)])
        self._parse(runs)
        self._started.clear()
        living = followed & {submission_id for submission_id, job in ray_jobs.items() if not job.ended}
        self._left = {each for each in living if each.rpartition("-")[0] not in self._parsed}
        needed = self._followed()
        if asked is not None and (not needed <= asked or self._asks_for_all(needed)):
            return None
        jobs = [job for _, job in self._parsed.values() if job is not None]
        jobs.sort(key=lambda job: (job.submitted_ms or 0, job.run.run_id))
        return Seen(
            jobs=jobs,
            unread=[run for run, job in self._parsed.values() if job is None],
            abandoned=abandoned(runs, now * 1000),
            ray_jobs=ray_jobs,
        )

    def _followed(self) -> set[str]:
        """The attempts that Ray is asked about."""
        jobs = (job for _, job in self._parsed.values() if job is not None and job.phase is not Phase.QUEUED)
        return self._started | self._left | {job.submission_id for job in jobs}

    def _asks_for_all(self, followed: Collection[str]) -> bool:
        # Of a job that cannot be read and is to end, the attempts are known by their names alone.
        aside = (run for run, job in self._parsed.values() if job is None)
        return len(followed) > FEW or any(records.CANCEL_MS in run.tags for run in aside)

    def _each(self, submission_ids: Collection[str]) -> dict[str, RayJob]:
        found = {}
        for submission_id in submission_ids:
            try:
                found[submission_id] = self._ray.job(submission_id)
            except NotFoundError:
                continue
        return found

    def _parse(self, runs: Collection[Run]) -> None:
        """Anew those alone that were read anew."""
        parsed = {}
        for run in runs:
            if records.SUBMITTED_MS not in run.tags:
                continue
            before = self._parsed.get(run.run_id)
            parsed[run.run_id] = before if before is not None and before[0] is run else (run, _read(run))
        self._parsed = parsed


def _read(run: Run) -> JobRecord | None:
    try:
        return read_job(run)
    except UnreadableError:
        return None


def _is_moving(run: Run) -> bool:
    """Whether others write to it: its driver, its ranks, its submitter."""
    return run.phase != Phase.QUEUED or run.status != RUN_STATUS[Phase.QUEUED]
