"""The loop that runs jobs: observe → decide → act → record. Control is the only writer of a job's phase."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, assert_never

from pydantic import ValidationError

from journeyman.cluster.archive import Archive, package_name, package_uri
from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import RayJob
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, JourneymanError, NotFoundError, RefusedError
from journeyman.jobs.attempt import ADMITTED, ENDED_MS, admitted_text, moment, read_attempts
from journeyman.jobs.control.attempts import missing_ranks
from journeyman.jobs.control.decision import (
    Abandon,
    Action,
    Job,
    Mark,
    Progress,
    Snapshot,
    Start,
    Stop,
    Suspect,
    Upload,
    decide,
    only_tells,
)
from journeyman.jobs.control.hang import FLOOR_S, Pace, Watch, leading_metrics, look_again, pace_of
from journeyman.jobs.control.note import job_note
from journeyman.jobs.environment import START_RETRIES, WORKERS
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import ENDED, RUN_STATUS, Phase, may_follow
from journeyman.jobs.place import read_places
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.stacks import read_stacks, stacks_text
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run

TURN_LIMIT_S = 2.0
"""How long a turn acts at most: with hundreds of jobs to tell or to end, those to start come no later."""
ENTRYPOINT = "python -m journeyman.jobs.driver"
MAX_START_RETRIES = 3
"""How often Ray Train waits for the nodes of an attempt that fitted when it began, a minute each time."""
_METRICS_READ = 3
"""How many metrics' points are read to learn a job's pace."""


class JobController:
    """Runs the jobs of one cluster; `package` is Journeyman itself, for one that something else started.

    `background` makes what does the work that no turn waits for, of a number of threads and their name.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        settings: Settings,
        claimant: str,
        package: Archive | None,
        background: Callable[[int, str], Executor] = ThreadPoolExecutor,
    ) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._settings = settings
        self._claimant = claimant
        self._package = package
        self._uploads: dict[str, Future[None]] = {}
        self._uploaders = background(2, "upload")
        self._watches: dict[str, Watch] = {}
        self._paces: dict[str, Future[Pace | None]] = {}
        """Of the jobs that are silent."""
        self._stacks: dict[str, Future[str]] = {}
        """Where the stacks of a job that hangs are stored."""
        self._lookers = background(2, "look")

    def step(self, now: float) -> bool:
        """One turn; whether a job is on its way to its start or its end, so that the next turn is awaited.

        Raises UnreachableError when MLflow or Ray is away: then nothing was decided. Raises DeniedError when
        one of them does not allow control what it is there for: then all that is allowed was done.
        """
        # Ray first, the runs after: a driver writes its outcome before it ends, so a driver that is seen to
        # have ended has its outcome in what is read next. The other way round it looks as if it had died.
        ray_jobs = self._ray.jobs()
        jobs = self._observe_jobs(now)
        if not jobs:
            return False
        denied: DeniedError | None = None
        began_s = time.monotonic()
        # Where one of hundreds starts, the reasons of all that wait behind it change: they come last, and
        # what a turn has no time for is decided anew in the next.
        for action in sorted(decide(self._observe(jobs, ray_jobs, now), now), key=only_tells):
            if time.monotonic() - began_s > TURN_LIMIT_S:
                break
            # One order that cannot be carried out must not hold up the others.
            try:
                self._act(action, now)
            except DeniedError as error:
                # Nothing can be written down about this job either.
                denied = error
            except (RefusedError, NotFoundError) as error:
                self._record(action.job, action.job.phase, f"{action.job.run.reason} ({error.message})", now)
        if denied is not None:
            raise denied
        return any(job.phase not in (Phase.RUNNING, Phase.HUNG) for job in jobs)

    def close(self) -> None:
        self._lookers.shutdown(wait=False, cancel_futures=True)
        self._uploaders.shutdown(wait=False, cancel_futures=True)

    # -- observe -------------------------------------------------------------------------------------

    def _observe_jobs(self, now: float) -> list[Job]:
        conditions = [
            f"tags.`{records.KIND}` = '{records.JOB}'",
            f"tags.`{records.CLUSTER}` = '{self._settings.cluster}'",
            *(f"attributes.status != '{status}'" for status in records.ENDED_STATUSES),
        ]
        runs = self._mlflow.search_runs(self._mlflow.experiments(), " and ".join(conditions))
        submitted = [run for run in runs if records.SUBMITTED_MS in run.tags]
        submitted.sort(key=lambda run: (int(run.tags[records.SUBMITTED_MS]), run.run_id))
        jobs = []
        for run in submitted:
            try:
                jobs.append(Job(run=run, spec=TrainSpec.model_validate(run.spec)))
            except ValidationError as error:
                self._set_aside(run, str(error.errors(include_url=False)[0]["msg"]), now)
        return jobs

    def _set_aside(self, run: Run, why: str, now: float) -> None:
        """One order that this version cannot read must not hold up the others."""
        reason = f"its spec cannot be read, another version wrote it: {why}"
        queued = run.phase == Phase.QUEUED
        if queued or run.reason != reason:
            phase = Phase.FAILED.value if queued else run.phase
            self._mlflow.set_tags(run.run_id, {records.PHASE: phase, records.REASON: reason})
        if queued:
            self._mlflow.update_run(run.run_id, RUN_STATUS[Phase.FAILED], int(now * 1000))

    def _observe(self, jobs: Sequence[Job], ray_jobs: Mapping[str, RayJob], now: float) -> Snapshot:
        hashes = {job.run.tags[records.CODE_SHA256] for job in jobs if job.phase is Phase.QUEUED}
        # Ray takes longer to tell its nodes and services than all the rest together.
        capacity = Capacity(nodes=())
        if any(job.phase in (Phase.QUEUED, Phase.STARTING) for job in jobs):
            capacity = self._ray.capacity(self._settings.growth, self._ray.applications())
        there = frozenset(sha for sha in hashes if self._ray.has_package(package_name(sha)))
        running = [job.run for job in jobs if job.phase in (Phase.RUNNING, Phase.HUNG)]
        return Snapshot(
            jobs=jobs,
            ray_jobs=ray_jobs,
            capacity=capacity,
            code_there=there,
            progress=self._observe_progress(running, now),
        )

    def _observe_progress(self, runs: Sequence[Run], now: float) -> Mapping[str, Progress]:
        self._watches = {
            run.run_id: look_again(self._watches.get(run.run_id), run.attempt, run.steps, now) for run in runs
        }
        progress = {}
        for run in runs:
            watch = self._watches[run.run_id]
            silent = run.phase == Phase.RUNNING and watch.silent_s > FLOOR_S
            progress[run.run_id] = Progress(watch=watch, pace=self._pace(run, watch) if silent else None)
        # Read again, and stored again, when a job is silent once more.
        silent_now = {run_id for run_id, each in self._watches.items() if each.silent_s > FLOOR_S}
        self._paces = {key: pace for key, pace in self._paces.items() if key in silent_now}
        self._stacks = {key: stacks for key, stacks in self._stacks.items() if key in silent_now}
        return progress

    def _pace(self, run: Run, watch: Watch) -> Pace | None:
        """Read once a silence, off the loop: a long job has a million points. None until it is read."""
        reading = self._paces.get(run.run_id)
        if reading is None:
            self._paces[run.run_id] = self._lookers.submit(self._read_pace, run, watch)
        if reading is None or not reading.done():
            return None
        if isinstance(reading.exception(), JourneymanError):
            del self._paces[run.run_id]
            return None
        return reading.result()

    def _read_pace(self, run: Run, watch: Watch) -> Pace | None:
        started_ms = run.milliseconds(records.WORKERS_STARTED_MS) or 0
        points = [
            (int(point.get("step", 0)), int(point["timestamp"]) / 1000)
            for metric in leading_metrics(watch.steps, _METRICS_READ)
            for point in self._mlflow.metric_history(run.run_id, metric)
        ]
        return pace_of(points, started_ms / 1000)

    # -- act -----------------------------------------------------------------------------------------

    def _act(self, action: Action, now: float) -> None:
        match action:
            case Mark():
                self._record(action.job, action.phase, action.reason, now)
            case Upload():
                self._upload(action.job, action.reason, now)
            case Start():
                self._start(action, now)
            case Suspect():
                self._suspect(action.job, action.reason, now)
            case Abandon():
                self._abandon(action.job, action.reason)
            case Stop():
                self._record(action.job, Phase.CANCELLING, action.reason, now)
                with contextlib.suppress(NotFoundError):
                    self._ray.stop(action.job.submission_id)
            case _:
                assert_never(action)

    def _upload(self, job: Job, reason: str, now: float) -> None:
        sha = job.run.tags[records.CODE_SHA256]
        upload = self._uploads.get(sha)
        if upload is not None and upload.done():
            del self._uploads[sha]
            if error := upload.exception():
                if not isinstance(error, JourneymanError):
                    raise error
                reason = f"its code could not be taken to the cluster, tries again: {error.message}"
        if sha not in self._uploads:
            self._uploads[sha] = self._uploaders.submit(self._carry, job.run)
        self._record(job, Phase.QUEUED, reason, now)

    def _carry(self, run: Run) -> None:
        content = self._mlflow.download(run, records.CODE_ARTIFACT)
        self._ray.upload_package(package_name(run.tags[records.CODE_SHA256]), content)

    def _suspect(self, job: Job, reason: str, now: float) -> None:
        """The stacks first, the phase when they are there: a mark that names them is never without them."""
        run = job.run
        storing = self._stacks.get(run.run_id)
        if storing is None:
            self._stacks[run.run_id] = self._lookers.submit(self._store_stacks, run, now)
        elif storing.done():
            error = storing.exception()
            if error is not None and not isinstance(error, JourneymanError):
                raise error
            told = f"no stacks: {error.message}" if error else f"stacks under {storing.result()}"
            self._record(job, Phase.HUNG, f"{reason}; {told}", now)

    def _store_stacks(self, run: Run, now: float) -> str:
        path = (
            f"{records.STACKS_ARTIFACT}/{run.attempt}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}.txt"
        )
        stacks = read_stacks(self._ray, read_places(self._mlflow, run, run.attempt))
        self._mlflow.upload(run, path, stacks_text(stacks).encode())
        return path

    def _abandon(self, job: Job, reason: str) -> None:
        """The outcome first: a control that dies in between is followed by one that stops the driver."""
        run, told = job.run, f"{records.OUTCOME}.{job.run.attempt}"
        if told not in run.tags:
            places = read_places(self._mlflow, run, run.attempt)
            missing = missing_ranks(read_attempts(run)[-1].workers, (place.rank for place in places))
            message = f"{reason}: {missing}" if missing else reason
            outcome = Outcome(cause=Cause.MACHINE, message=message)
            self._mlflow.set_tags(run.run_id, {told: outcome.to_json()})
        with contextlib.suppress(NotFoundError):
            self._ray.stop(job.submission_id)

    def _start(self, start: Start, now: float) -> None:
        run = start.job.run
        if not self._mlflow.claim(run.run_id, f"{records.CLAIM_PARAM}.{start.attempt}", self._claimant):
            # Claimed by a control before this one, which died or was replaced: the attempt is taken over
            # under that claim, for the driver checks it against what is stored.
            claimant = self._mlflow.run(run.run_id).params[f"{records.CLAIM_PARAM}.{start.attempt}"]
        else:
            claimant = self._claimant
        admitted = admitted_text(int(now * 1000), start.workers)
        self._mlflow.claim(run.run_id, moment(start.attempt, ADMITTED), admitted)
        # At once: an attempt that is named and does not start would count as one that died.
        started = {records.ATTEMPT: str(start.attempt), records.WORKERS_STARTED_MS: ""}
        self._record(start.job, Phase.STARTING, start.reason, now, started)
        environment = runtime_env(start, claimant, self._settings)
        if self._package is not None:
            self._ray.keep_package(self._package)
            environment["py_modules"] = [package_uri(self._package.package)]
        try:
            self._ray.submit(
                f"{run.run_id}-{start.attempt}",
                ENTRYPOINT,
                environment,
                {"journeyman_job": run.name},
            )
        except RefusedError as error:
            # The attempt stays claimed and starting: the next turn submits it again, or finds it submitted.
            self._mlflow.set_tags(run.run_id, {records.REASON: f"Ray does not take it yet: {error.message}"})

    # -- record --------------------------------------------------------------------------------------

    def _record(
        self, job: Job, phase: Phase, reason: str, now: float, more: Mapping[str, str] | None = None
    ) -> None:
        run = job.run
        ended = phase in ENDED
        if phase is job.phase and reason == run.reason and not ended:
            return
        if phase is not job.phase and not may_follow(job.phase, phase):
            raise RefusedError(f"job {run.run_id}: {phase} cannot follow {job.phase}")
        if phase in (Phase.QUEUED, *ENDED) and job.phase not in (Phase.QUEUED, *ENDED):
            # The driver knows it better, where it came to write it.
            self._mlflow.claim(run.run_id, moment(run.attempt, ENDED_MS), str(int(now * 1000)))
        tags = dict(more or {}) | {
            records.PHASE: phase.value,
            records.REASON: reason[: records.MAX_TAG_CHARACTERS],
        }
        if ended:
            current = self._mlflow.run(run.run_id)
            tags[records.NOTE] = job_note(current, job.spec, phase, reason, now, self._settings.serve_url)
        self._mlflow.set_tags(run.run_id, tags)
        if RUN_STATUS[phase] != run.status:
            self._mlflow.update_run(run.run_id, RUN_STATUS[phase], int(now * 1000) if ended else None)


def runtime_env(start: Start, claimant: str, settings: Settings) -> dict[str, Any]:
    """Ray's runtime environment of one attempt. Secrets are not in it: Ray's REST answers show it."""
    run, spec = start.job.run, start.job.spec
    environment = {
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "JOURNEYMAN_RUN_ID": run.run_id,
        "JOURNEYMAN_RUN_NAME": run.run_name,
        "JOURNEYMAN_EXPERIMENT_ID": run.experiment_id,
        "JOURNEYMAN_ARTIFACT_URI": run.artifact_uri,
        "JOURNEYMAN_ATTEMPT": str(start.attempt),
        WORKERS: str(start.workers),
        # Where nodes are on their way, control says for how long they are waited for.
        START_RETRIES: str(-1 if settings.growth else MAX_START_RETRIES),
        "JOURNEYMAN_CLAIMANT": claimant,
        "JOURNEYMAN_STORAGE": spec.storage or settings.storage or "",
        # Functions and scripts stand in their code, as they do on a laptop.
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # Ray's patch sends prints through its own logger, which merges what ranks print alike.
        "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    }
    if not settings.attached:
        environment["JOURNEYMAN_HOME"] = str(settings.home)
    runtime: dict[str, Any] = {
        "working_dir": package_uri(package_name(run.tags[records.CODE_SHA256])),
        "env_vars": environment | spec.env,
    }
    if spec.requirements:
        runtime["pip"] = {"packages": list(spec.requirements), "pip_check": False}
    return runtime
