"""The loop that runs jobs: observe → decide → act → record. Control is the only writer of a job's phase.

`decide` is pure. Every action may be repeated: an attempt is claimed with a write-once param and its Ray
submission id is refused the second time, so a control that died in between is followed by one that finishes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, assert_never

from pydantic import ValidationError

from journeyman.cluster.archive import Archive, package_name, package_uri
from journeyman.cluster.capacity import Capacity
from journeyman.cluster.ray_rest import Ray, RayJob
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, JourneymanError, NotFoundError, RefusedError
from journeyman.jobs.admission import Candidate, Verdict, admit
from journeyman.jobs.failures import Cause, Outcome, another_attempt, driverless
from journeyman.jobs.note import job_note
from journeyman.jobs.phases import ENDED, RUN_STATUS, Phase, may_follow
from journeyman.jobs.spec import TrainSpec, gang
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run

TURN_LIMIT_S = 2.0
"""How long a turn acts at most: with hundreds of jobs to tell or to end, those to start come no later."""
ENTRYPOINT = "python -m journeyman.jobs.driver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that has not ended, as its run tells it."""

    run: Run
    spec: TrainSpec

    @property
    def phase(self) -> Phase:
        return Phase(self.run.phase)

    @property
    def submission_id(self) -> str:
        return f"{self.run.run_id}-{self.run.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What control knows at one moment."""

    jobs: Sequence[Job]
    """Oldest first."""
    ray_jobs: Mapping[str, RayJob]
    capacity: Capacity
    code_there: frozenset[str]
    """Hashes of the code that the cluster holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Bring a job's code to the cluster, off the loop."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Claim an attempt and submit its driver."""

    job: Job
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Have Ray stop a job's driver."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Record a phase with its reason."""

    job: Job
    phase: Phase
    reason: str


Action = Upload | Start | Stop | Mark


def decide(snapshot: Snapshot, now: float) -> list[Action]:
    """What is to be done now, oldest job first."""
    actions: list[Action] = []
    queue: list[Job] = []
    first = _first_of_key(snapshot.jobs)
    for job in snapshot.jobs:
        match job.phase:
            case Phase.QUEUED if job.run.milliseconds(records.CANCEL_MS):
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason="cancelled before it started"))
            case Phase.QUEUED if (twin := first[_key(job)]) is not job:
                reason = f"was submitted twice: it is job {twin.run.run_id[:8]}"
                actions.append(Mark(job=job, phase=Phase.CANCELLED, reason=reason))
            case Phase.QUEUED:
                queue.append(job)
            case Phase.STARTING | Phase.RUNNING | Phase.CANCELLING:
                actions += _follow(job, snapshot.ray_jobs.get(job.submission_id), now)
            case _:
                # It ended, and control died before MLflow's own status said so.
                actions.append(Mark(job=job, phase=job.phase, reason=job.run.reason))
    # What a starting job has not taken yet is not free, whatever the nodes say.
    capacity = snapshot.capacity
    for job in snapshot.jobs:
        if job.phase is Phase.STARTING:
            capacity = capacity.after(gang(job.spec))
    candidates = [Candidate(run_id=j.run.run_id, name=j.spec.name, gang=gang(j.spec)) for j in queue]
    for job, admission in zip(queue, admit(candidates, capacity), strict=True):
        match admission.verdict:
            case Verdict.NEVER:
                actions.append(Mark(job=job, phase=Phase.FAILED, reason=admission.reason))
            case Verdict.WAIT:
                actions.append(Mark(job=job, phase=Phase.QUEUED, reason=admission.reason))
            case Verdict.START if job.run.tags[records.CODE_SHA256] not in snapshot.code_there:
                actions.append(Upload(job=job, reason="takes its code to the cluster"))
            case Verdict.START:
                actions.append(Start(job=job, attempt=job.run.attempt + 1, reason=admission.reason))
            case _:
                assert_never(admission.verdict)
    return actions


def _key(job: Job) -> str:
    return job.run.tags.get(records.SUBMISSION_KEY, job.run.run_id)


def _first_of_key(jobs: Sequence[Job]) -> dict[str, Job]:
    """The job that counts of each submission key: one that has begun, else the oldest.

    Two tries at the same submission at once may both leave a run: MLflow has nothing that is unique to hold
    them apart, and control, of which there is one, has.
    """
    first: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda job: job.run.attempt == 0):
        first.setdefault(_key(job), job)
    return first


def _only_tells(action: Action) -> bool:
    """Whether an action changes nothing but the reason that people read."""
    return isinstance(action, Mark) and action.phase is action.job.phase


def _follow(job: Job, ray_job: RayJob | None, now: float) -> list[Action]:
    """A job whose attempt is claimed."""
    run = job.run
    if ray_job is None:
        if run.milliseconds(records.CANCEL_MS):
            return [Mark(job=job, phase=Phase.CANCELLED, reason="cancelled")]
        if job.phase is Phase.STARTING and f"{records.OUTCOME}.{run.attempt}" not in run.tags:
            return [Start(job=job, attempt=run.attempt, reason=run.reason)]
    elif not ray_job.ended:
        return _follow_living(job, now)
    return [_judge(job, ray_job)]


def _follow_living(job: Job, now: float) -> list[Action]:
    run = job.run
    if job.phase is Phase.CANCELLING:
        return []
    if run.milliseconds(records.CANCEL_MS):
        return [Stop(job=job, reason="stops: cancel was asked for")]
    started_ms = run.milliseconds(records.WORKERS_STARTED_MS)
    limit_s = job.spec.max_duration
    if limit_s is not None and started_ms is not None and now - started_ms / 1000 > limit_s:
        return [Stop(job=job, reason=f"stops: it ran for its max_duration of {limit_s:g} s")]
    if job.phase is Phase.STARTING and started_ms is not None:
        return [Mark(job=job, phase=Phase.RUNNING, reason=f"runs on {job.spec.in_workers}")]
    return []


def _judge(job: Job, ray_job: RayJob | None) -> Action:
    """An attempt that is over: the job's true end, or another attempt."""
    run = job.run
    written = run.tags.get(f"{records.OUTCOME}.{run.attempt}")
    if written is not None:
        outcome = Outcome.from_json(written)
    else:
        outcome = driverless(
            ray_job.message if ray_job else "the cluster it ran on is gone", job.spec.requirements
        )
    if outcome.cause is Cause.FINISHED:
        version = run.tags.get(records.MODEL_VERSION)
        reason = f"published {version}" if version else "training is done"
        return Mark(job=job, phase=Phase.FINISHED, reason=reason)
    if job.phase is Phase.CANCELLING or run.milliseconds(records.CANCEL_MS):
        if run.milliseconds(records.CANCEL_MS):
            return Mark(job=job, phase=Phase.CANCELLED, reason="cancelled while it ran")
        return Mark(job=job, phase=Phase.FAILED, reason=run.reason)
    where = f"rank {outcome.rank}: " if outcome.rank is not None else ""
    if another_attempt(outcome, run.attempt):
        reason = f"resumes from its last checkpoint (attempt {run.attempt} died: {where}{outcome.message})"
        return Mark(job=job, phase=Phase.QUEUED, reason=reason)
    return Mark(job=job, phase=Phase.FAILED, reason=f"{where}{outcome.message}")


class JobController:
    """Runs the jobs of one cluster; `package` is Journeyman itself, for one that something else started."""

    def __init__(
        self, mlflow: Mlflow, ray: Ray, settings: Settings, claimant: str, package: Archive | None
    ) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._settings = settings
        self._claimant = claimant
        self._package = package
        self._uploads: dict[str, Future[None]] = {}
        self._uploaders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="upload")

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
        for action in sorted(decide(self._observe(jobs, ray_jobs), now), key=_only_tells):
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
        return any(job.phase is not Phase.RUNNING for job in jobs)

    def close(self) -> None:
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

    def _observe(self, jobs: Sequence[Job], ray_jobs: Mapping[str, RayJob]) -> Snapshot:
        hashes = {job.run.tags[records.CODE_SHA256] for job in jobs if job.phase is Phase.QUEUED}
        # Ray takes longer to tell its nodes and services than all the rest together.
        capacity = (
            self._ray.capacity(self._settings.growth, self._ray.applications())
            if hashes
            else Capacity(nodes=())
        )
        there = frozenset(sha for sha in hashes if self._ray.has_package(package_name(sha)))
        return Snapshot(jobs=jobs, ray_jobs=ray_jobs, capacity=capacity, code_there=there)

    # -- act -----------------------------------------------------------------------------------------

    def _act(self, action: Action, now: float) -> None:
        match action:
            case Mark():
                self._record(action.job, action.phase, action.reason, now)
            case Upload():
                self._upload(action.job, action.reason, now)
            case Start():
                self._start(action, now)
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

    def _start(self, start: Start, now: float) -> None:
        run = start.job.run
        if not self._mlflow.claim(run.run_id, f"{records.CLAIM_PARAM}.{start.attempt}", self._claimant):
            # Claimed by a control before this one, which died or was replaced: the attempt is taken over
            # under that claim, for the driver checks it against what is stored.
            claimant = self._mlflow.run(run.run_id).params[f"{records.CLAIM_PARAM}.{start.attempt}"]
        else:
            claimant = self._claimant
        started = {records.ATTEMPT: str(start.attempt), records.WORKERS_STARTED_MS: ""}
        self._mlflow.set_tags(run.run_id, started)
        self._record(start.job, Phase.STARTING, start.reason, now)
        environment = runtime_env(start.job, start.attempt, claimant, self._settings)
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

    def _record(self, job: Job, phase: Phase, reason: str, now: float) -> None:
        run = job.run
        ended = phase in ENDED
        if phase is job.phase and reason == run.reason and not ended:
            return
        if phase is not job.phase and not may_follow(job.phase, phase):
            raise RefusedError(f"job {run.run_id}: {phase} cannot follow {job.phase}")
        tags = {records.PHASE: phase.value, records.REASON: reason[: records.MAX_TAG_CHARACTERS]}
        if ended:
            current = self._mlflow.run(run.run_id)
            tags[records.NOTE] = job_note(current, job.spec, phase, reason, now, self._settings.serve_url)
        self._mlflow.set_tags(run.run_id, tags)
        if RUN_STATUS[phase] != run.status:
            self._mlflow.update_run(run.run_id, RUN_STATUS[phase], int(now * 1000) if ended else None)


def runtime_env(job: Job, attempt: int, claimant: str, settings: Settings) -> dict[str, Any]:
    """Ray's runtime environment of one attempt. Secrets are not in it: Ray's REST answers show it."""
    run, spec = job.run, job.spec
    environment = {
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "JOURNEYMAN_RUN_ID": run.run_id,
        "JOURNEYMAN_RUN_NAME": run.run_name,
        "JOURNEYMAN_EXPERIMENT_ID": run.experiment_id,
        "JOURNEYMAN_ARTIFACT_URI": run.artifact_uri,
        "JOURNEYMAN_ATTEMPT": str(attempt),
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
