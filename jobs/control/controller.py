"""The loop that runs jobs: observe → decide → act → record. Control is the only writer of a job's phase."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, assert_never

from journeyman.cluster.archive import Archive, package_name, package_uri
from journeyman.cluster.capacity import Capacity
from journeyman.cluster.identity import told_left_out, without_identity
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application, RayJob
from journeyman.cluster.requirement_lines import pip_environment
from journeyman.cluster.settings import Settings
from journeyman.cluster.warm.command import warm_python
from journeyman.errors import DeniedError, JourneymanError, NotFoundError, RefusedError, UnreachableError
from journeyman.jobs.attempt import ADMITTED, ENDED_MS, admitted_text, moment
from journeyman.jobs.control.actions import (
    Abandon,
    Action,
    Admit,
    AskToEnd,
    CancelUnread,
    Mark,
    Start,
    Stop,
    Suspect,
    Upload,
    only_tells,
)
from journeyman.jobs.control.attempts import missing_ranks
from journeyman.jobs.control.decision import Snapshot, decide
from journeyman.jobs.control.deleted import end_deleted, strangers
from journeyman.jobs.control.note import job_note
from journeyman.jobs.control.observe import Observer, Seen
from journeyman.jobs.control.refusals import one_more, refusal_reason
from journeyman.jobs.control.watcher import Watcher
from journeyman.jobs.environment import START_RETRIES
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import ENDED, RUN_STATUS, Phase, may_follow
from journeyman.jobs.place import read_places
from journeyman.jobs.records import JobRecord
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.job_store.environment import WORKERS
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.pace import Pace
from journeyman.tracking.records import Run, shortened

TURN_LIMIT_S = 2.0
"""How long a turn acts at most: with hundreds of jobs to tell or to end, those to start come no later."""
BARRED_S = 30.0
"""For how long a job whose run may not be written to is left out of the queue."""
MAX_REASON_CHARACTERS = 1500
MAX_START_RETRIES = 3
"""How often Ray Train waits for the nodes of an attempt that fitted when it began, a minute each time."""
_POLL_S = 0.25
_POLLS_A_SECOND = 32
"""Of workers, by Ray Train's controller: where there are more of them it looks less often."""
_MOST_POLL_S = 2.0
"""Ray Train's own interval, whatever the number of workers."""
_DRIVER = ("-m", "journeyman.jobs.driver")


class ReplacedError(Exception):
    """This control may not act any more: another one does."""


class OutdatedError(Exception):
    """What was decided of a job was decided on what is known of it from before; the next turn reads it."""


class JobController:
    """Runs the jobs of one cluster; `package` is Journeyman itself, for one that something else started.

    `background` makes what does the work that no turn waits for, of a number of threads and their name.
    `may_act` tells, without asking anybody, whether this control holds the lease: it is asked before each
    write, and a turn ends where it does not.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        settings: Settings,
        claimant: str,
        package: Archive | None,
        background: Callable[[int, str], Executor] = ThreadPoolExecutor,
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._settings = settings
        self._claimant = claimant
        self._package = package
        self._may_act = may_act
        self._uploads: dict[str, Future[None]] = {}
        self._uploaders = background(2, "upload")
        self._watcher = Watcher(mlflow, ray, background)
        self._observer = Observer(mlflow, ray, settings.cluster)
        self._barred_until: dict[str, float] = {}
        """By run that may not be written to, in seconds."""

    def step(self, now: float) -> Pace:
        """One turn; the next is awaited where a job is on its way to its start or its end.

        Raises UnreachableError when MLflow or Ray is away: nothing more is done then. Raises DeniedError when
        one of them does not allow control what it is there for, and whatever else went wrong with one job
        that should not have: then all that was possible with the others was done.
        """
        seen = self._observer.look(now)
        if seen is None:
            return Pace.AWAITED
        self._give_up(seen.abandoned)
        jobs = seen.jobs
        self._end_deleted(seen.ray_jobs, {run.run_id for run in (*(job.run for job in jobs), *seen.unread)})
        if not jobs and not seen.unread:
            return Pace.CALLED
        trouble: Exception | None = None
        actions = decide(self._observe(seen, now), now)
        # However long it took to look: something is done in every turn.
        began_s = time.monotonic()
        # Where one of hundreds starts, the reasons of all that wait behind it change: they come last, and
        # what a turn has no time for is decided anew in the next.
        with contextlib.suppress(ReplacedError):
            for action in sorted(actions, key=only_tells):
                trouble = self._carry_out(action, now) or trouble
                if time.monotonic() - began_s > TURN_LIMIT_S:
                    break
        if trouble is not None:
            raise trouble
        return Pace.AWAITED if any(_is_awaited(job) for job in jobs) else Pace.WATCHED

    def close(self) -> None:
        self._watcher.close()
        self._uploaders.shutdown(wait=False, cancel_futures=True)

    # -- observe -------------------------------------------------------------------------------------

    def _observe(self, seen: Seen, now: float) -> Snapshot:
        jobs = seen.jobs
        # Ray takes longer to tell its nodes and services than all the rest together.
        capacity = Capacity(nodes=())
        if any(job.phase in (Phase.QUEUED, Phase.STARTING) for job in jobs):
            capacity = self._ray.capacity(self._settings.growth, self._applications())
        self._barred_until = {run_id: end for run_id, end in self._barred_until.items() if now < end}
        running = [job for job in jobs if job.phase in (Phase.RUNNING, Phase.HUNG)]
        snapshot = Snapshot(
            jobs=jobs,
            unread=seen.unread,
            ray_jobs=seen.ray_jobs,
            capacity=capacity,
            code_there=frozenset(job.code_sha256 for job in jobs),
            progress=self._watcher.look(running, now),
            barred=frozenset(self._barred_until),
        )
        # Of the thousand that wait nobody asks where their code is: only of those that would start with it.
        start = {action.job.code_sha256 for action in decide(snapshot, now) if isinstance(action, Start)}
        lacking = {sha for sha in start if not self._ray.has_package(package_name(sha))}
        return replace(snapshot, code_there=snapshot.code_there - lacking)

    def _applications(self) -> tuple[Application, ...]:
        """For the reasons of jobs that wait: where Serve is in trouble, jobs start all the same."""
        try:
            return self._ray.applications()
        except DeniedError:
            raise
        except RefusedError:
            return ()

    # -- act -----------------------------------------------------------------------------------------

    def _give_up(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if self._may_act() and self._observer.may_write(run):
                with contextlib.suppress(RefusedError, NotFoundError):
                    self._mlflow.delete_run(run.run_id)

    def _carry_out(self, action: Action, now: float) -> Exception | None:
        """One action; what went wrong with it is told in its job's reason, or else returned."""
        run = action.run if isinstance(action, CancelUnread) else action.job.run
        try:
            try:
                self._act(action, now)
            except DeniedError:
                # Nothing can be written down about this job either.
                raise
            except (RefusedError, NotFoundError) as error:
                self._tell_refusal(action, error, now)
        except OutdatedError:
            return None
        except (UnreachableError, ReplacedError):
            raise
        except Exception as error:  # noqa: BLE001
            # Whatever is wrong with one job must not hold up the others; the turn fails when they are done.
            self._barred_until[run.run_id] = now + BARRED_S
            refused = isinstance(error, RefusedError | NotFoundError) and not isinstance(error, DeniedError)
            return None if refused else error
        return None

    def _tell_refusal(self, action: Action, error: JourneymanError, now: float) -> None:
        match action:
            case CancelUnread():
                # Its record is not written to; it is asked for again in the next turn.
                pass
            case Start() | Upload():
                job = action.job
                refusal = one_more(job.refusal, job.due_attempt, error.message, int(now * 1000))
                reason = shortened(refusal_reason(refusal), MAX_REASON_CHARACTERS)
                self._set_tags(job.run, {records.REFUSAL: refusal.to_json(), records.REASON: reason})
            case _:
                told = f" ({error.message})"
                reason = action.reason.removesuffix(told) + told
                self._record(action.job, action.job.phase, reason, now)

    def _act(self, action: Action, now: float) -> None:
        match action:
            case Mark():
                self._record(action.job, action.phase, action.reason, now)
            case Upload():
                self._upload(action, now)
            case Start():
                self._start(action, now)
            case Admit():
                admitted = admitted_text(int(now * 1000), action.workers)
                self._set_tags(action.job.run, {f"{records.ADMITTED}.{action.job.attempt}": admitted})
            case Suspect():
                if told := self._watcher.stored_stacks(action.job, now):
                    # The stacks first: a mark that names them is never without them.
                    self._record(action.job, Phase.HUNG, f"{action.reason}; {told}", now)
            case Abandon():
                self._abandon(action)
            case AskToEnd():
                self._record(
                    action.job, Phase.CANCELLING, action.reason, now, {records.STOP_MS: str(int(now * 1000))}
                )
            case Stop():
                if action.job.phase is not Phase.CANCELLING:
                    self._record(action.job, Phase.CANCELLING, action.reason, now)
                self._stop(action.job.submission_id)
            case CancelUnread():
                for submission_id in action.living:
                    self._stop(submission_id)
                if not action.living:
                    self._check_write(action.run)
                    self._mlflow.update_run(action.run.run_id, RUN_STATUS[Phase.CANCELLED], int(now * 1000))
            case _:
                assert_never(action)

    def _upload(self, action: Upload, now: float) -> None:
        """Raises RefusedError or NotFoundError where the code was not to be had, or not to be taken."""
        job, reason = action.job, action.reason
        upload = self._uploads.get(job.code_sha256)
        if upload is None:
            self._check_lease()
            self._uploads[job.code_sha256] = self._uploaders.submit(self._carry, job)
        elif upload.done():
            del self._uploads[job.code_sha256]
            error = upload.exception()
            if isinstance(error, UnreachableError):
                reason = f"its code could not be taken to the cluster, tries again: {error.message}"
            elif error is not None:
                raise error
        self._record(job, Phase.QUEUED, reason, now)

    def _carry(self, job: JobRecord) -> None:
        content = self._mlflow.download(job.run, records.CODE_ARTIFACT)
        self._ray.upload_package(package_name(job.code_sha256), content)

    def _abandon(self, action: Abandon) -> None:
        """The outcome first: a control that dies in between is followed by one that stops the driver."""
        job, told = action.job, f"{records.OUTCOME}.{action.job.attempt}"
        if told not in job.run.tags:
            places = read_places(self._mlflow, job.run, job.attempt)
            missing = missing_ranks(job.attempts[-1].workers, (place.rank for place in places))
            message = f"{action.reason}: {missing}" if missing else action.reason
            self._set_tags(job.run, {told: Outcome(cause=Cause.MACHINE, message=message).to_json()})
        self._stop(job.submission_id)

    def _start(self, start: Start, now: float) -> None:
        """Raises RefusedError where Ray does not take it: its attempt stays claimed and starting."""
        job, run, attempt = start.job, start.job.run, start.job.due_attempt
        claim, claimant = f"{records.CLAIM_PARAM}.{attempt}", self._claimant
        self._check_write(run)
        self._observer.starts(run, attempt)
        if not self._mlflow.claim(run.run_id, claim, claimant):
            # Claimed by a control before this one, which died or was replaced: the attempt is taken over
            # under that claim, for the driver checks it against what is stored.
            claimant = self._mlflow.run(run.run_id).params[claim]
        begun = {records.ATTEMPT: str(attempt), records.WORKERS_STARTED_MS: ""}
        if start.demand or records.DEMAND_MS in run.tags:
            begun[records.DEMAND_MS] = str(int(now * 1000)) if start.demand else ""
        # At once: an attempt that is named and does not start would count as one that died.
        reason = start.reason + told_left_out(job.spec.env)
        self._record(job, Phase.STARTING, reason, now, begun if attempt != job.attempt else {})
        # After: it is written once, and an attempt that came back to the queue would be late when it starts.
        self._check_write(run)
        admitted = admitted_text(int(now * 1000), start.workers)
        if not self._mlflow.claim(run.run_id, moment(attempt, ADMITTED), admitted):
            # That is of a try before this one, however long ago it was.
            self._set_tags(run, {f"{records.ADMITTED}.{attempt}": admitted})
        environment = runtime_env(start, claimant, self._settings)
        if self._package is not None:
            self._check_lease()
            self._ray.keep_package(self._package)
            environment["py_modules"] = [package_uri(self._package.package)]
        self._check_lease()
        command = entrypoint(job.spec, self._settings)
        self._ray.submit(f"{run.run_id}-{attempt}", command, environment, {"journeyman_job": run.name})

    def _stop(self, submission_id: str) -> None:
        """One that Ray does not know has ended."""
        self._check_lease()
        with contextlib.suppress(NotFoundError):
            self._ray.stop(submission_id)

    def _end_deleted(self, ray_jobs: Mapping[str, RayJob], known: Collection[str]) -> None:
        """What lives in Ray of jobs that no listing has any more."""
        with contextlib.suppress(ReplacedError):
            end_deleted(strangers(ray_jobs, known), self._mlflow, self._settings.cluster, self._stop)

    def _check_write(self, run: Run) -> None:
        """Before each write to a run. Raises OutdatedError where it was not read in this turn."""
        self._check_lease()
        if not self._observer.may_write(run):
            raise OutdatedError

    def _check_lease(self) -> None:
        if not self._may_act():
            raise ReplacedError

    # -- record --------------------------------------------------------------------------------------

    def _record(
        self, job: JobRecord, phase: Phase, reason: str, now: float, tags: Mapping[str, str] | None = None
    ) -> None:
        """The phase is written where it changes alone: meanwhile another control may have written a newer."""
        run, ended, reason = job.run, phase in ENDED, shortened(reason, MAX_REASON_CHARACTERS)
        if phase is not job.phase and not may_follow(job.phase, phase):
            raise RefusedError(f"{phase} cannot follow {job.phase}")
        if phase in (Phase.QUEUED, *ENDED) and job.phase not in (Phase.QUEUED, *ENDED):
            # The driver knows it better, where it came to write it.
            self._check_write(run)
            self._mlflow.claim(run.run_id, moment(job.attempt, ENDED_MS), str(int(now * 1000)))
        changed = dict(tags or {})
        if phase is Phase.QUEUED and records.TAKEN_UP_MS not in run.tags:
            changed[records.TAKEN_UP_MS] = str(int(now * 1000))
        if reason != run.reason:
            changed[records.REASON] = reason
        if phase is not job.phase:
            changed[records.PHASE] = phase.value
            if ended:
                current = self._mlflow.run(run.run_id)
                changed[records.NOTE] = job_note(
                    current, job.spec, phase, reason, now, self._settings.serve_url
                )
        if changed:
            self._set_tags(run, changed)
        if RUN_STATUS[phase] != run.status:
            self._check_write(run)
            self._mlflow.update_run(run.run_id, RUN_STATUS[phase], int(now * 1000) if ended else None)

    def _set_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        self._check_write(run)
        self._mlflow.set_tags(run.run_id, tags)


def _is_awaited(job: JobRecord) -> bool:
    """Whether it is on its way to its start or its end; a driver that wrote how it ended is about to."""
    return job.phase not in (Phase.RUNNING, Phase.HUNG) or job.outcome is not None


def entrypoint(spec: TrainSpec, settings: Settings) -> str:
    """The command of an attempt's driver."""
    return warm_python(*_DRIVER) if _starts_warm(spec, settings) else shlex.join(("python", *_DRIVER))


def _starts_warm(spec: TrainSpec, settings: Settings) -> bool:
    """Where the nodes have this very interpreter, and the job no other one."""
    return not settings.attached and not spec.requirements


def poll_interval_s(workers: int) -> float:
    """How often Ray Train's controller looks after its workers.

    A report waits for such a look where the one before it was not taken yet, and so does the end of a job.
    """
    return min(max(_POLL_S, workers / _POLLS_A_SECOND), _MOST_POLL_S)


def runtime_env(start: Start, claimant: str, settings: Settings) -> dict[str, Any]:
    """Ray's runtime environment of one attempt. Secrets are not in it: Ray's REST answers show it."""
    run, spec = start.job.run, start.job.spec
    environment = {
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        # Else the registry is where the code says that its runs are.
        "MLFLOW_REGISTRY_URI": settings.mlflow_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "JOURNEYMAN_RUN_ID": run.run_id,
        "JOURNEYMAN_RUN_NAME": run.run_name,
        "JOURNEYMAN_EXPERIMENT_ID": run.experiment_id,
        "JOURNEYMAN_ARTIFACT_URI": run.artifact_uri,
        "JOURNEYMAN_ATTEMPT": str(start.job.due_attempt),
        WORKERS: str(start.workers),
        # Where nodes are on their way, control says for how long they are waited for.
        START_RETRIES: str(-1 if settings.growth or start.demand else MAX_START_RETRIES),
        "JOURNEYMAN_CLAIMANT": claimant,
        "JOURNEYMAN_STORAGE": spec.storage or settings.storage or "",
        # Functions and scripts stand in their code, as they do on a laptop.
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # Ray's patch sends prints through its own logger, which merges what ranks print alike.
        "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": f"{poll_interval_s(start.workers):g}",
    }
    if not settings.attached:
        environment["JOURNEYMAN_HOME"] = str(settings.home)
    runtime: dict[str, Any] = {
        "working_dir": package_uri(package_name(start.job.code_sha256)),
        "env_vars": environment | without_identity(spec.env),
    }
    if _starts_warm(spec, settings):
        runtime["py_executable"] = warm_python()
    return runtime | pip_environment(spec.requirements)
