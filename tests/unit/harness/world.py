"""A cluster in memory whose control is killed, cut off or doubled at any of its requests.

A scenario is what people, jobs and replicas do while control turns. It runs once without a fault, which
counts the requests, and then once for each request and each kind of fault. The end must be the same.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from journeyman.cluster.archive import Archive, archive
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, RefusedError, UnreachableError
from journeyman.jobs.attempt import STARTED_MS, moment
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.submit.submission import Order, submit
from journeyman.serve.control.controller import ServiceController
from journeyman.serve.orders import create_service
from journeyman.serve.records import FAILED, GENERATION, PASSING, READY, Report, write_report
from journeyman.serve.spec import ServiceSpec
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records
from journeyman.tracking.pace import Pace
from journeyman.tracking.records import Run

from ...records.golden import Golden

Result = TypeVar("Result")

BEGAN_S = 1_800_000_000.0
WRITES = frozenset(
    {
        "artifacts/upload",
        "jobs/stop",
        "jobs/submit",
        "model-versions/set-tag",
        "packages/put",
        "runs/create",
        "runs/delete-tag",
        "runs/log-batch",
        "runs/log-parameter",
        "runs/update",
        "serve/put",
    }
)
SETTINGS = Settings(
    home=Path("/nowhere"),
    context="local",
    attached=False,
    cluster="cluster",
    mlflow_url="http://mlflow.test",
    ray_url="http://ray.test",
    ray_token=None,
    serve_url="",
    grpc_address=None,
    storage="/nowhere/runs",
)
LAST_TURN = 40
CALM_TURNS = 4
CODE = archive([("train.py", 0o644, b"def loop(config): ...")])


class Kind(StrEnum):
    """What happens at one request of control."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    DOES_NOT_ARRIVE = "does not arrive"
    IS_NOT_ANSWERED = "is not answered"
    IS_OVERTAKEN = "is overtaken"
    """The lease is lost, and another control takes a whole turn, before the request arrives."""


OF_READS = (Kind.DOES_NOT_ARRIVE,)
"""A read changes nothing: whoever is killed at one was killed after the write before it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the request of this number."""

    at: int
    kind: Kind


class Killed(BaseException):
    """Ends the process whose request it was."""


class Immediate(Executor):
    """Does at once what would be done in the background."""

    def submit(self, task: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(task(*args, **kwargs))
        except Exception as error:  # noqa: BLE001
            # Whatever the task raises is its future's, as in any executor.
            future.set_exception(error)
        return future


@dataclass(slots=True)
class World:
    """The servers, who acts on them, and what went wrong."""

    faults: Mapping[int, Kind] = field(default_factory=dict)
    """By the number of the request, counted from 1 over all processes that are on trial."""
    kept: Golden | None = None
    """Records of another day that are there already."""
    now_s: float = BEGAN_S
    mlflow: FakeMlflow = field(init=False)
    """As everybody else sees it: no request of theirs fails."""
    ray: FakeRay = field(init=False)
    node: str = ""
    requests: list[str] = field(default_factory=list)
    """Of the processes on trial."""
    runs_read: int = 0
    """By the searches of the processes on trial."""
    moments: list[int] = field(default_factory=list)
    """In which turn each of the requests was made."""
    crashes: list[str] = field(default_factory=list)
    """Turns that ended as no turn may."""
    answered: dict[str, list[str]] = field(default_factory=dict)
    """The versions that each service was told to answer with, as they followed each other."""
    behaviour: dict[str, Callable[[World, str, int], Outcome | None]] = field(default_factory=dict)
    """By name of the job: how its attempt ends; None for a driver that dies without a word."""
    broken_versions: set[str] = field(default_factory=set)
    """Versions whose candidates fail on replicas."""
    untried_versions: set[str] = field(default_factory=set)
    """Versions whose candidates replicas cannot get at."""
    package: Archive | None = None
    """Journeyman itself, where the cluster is sent it."""
    replicas: Callable[[World, str, Mapping[str, Any]], None] | None = None
    """What replicas do with what Serve has for them, where a test has its own."""
    silent: set[str] = field(default_factory=set)
    """Ids of replicas that say nothing any more."""
    slow: set[str] = field(default_factory=set)
    """Names of jobs that run until they are stopped."""
    _dead: bool = False
    _overtaken: bool = False
    """Whether the control on trial lost its lease amid its turn."""
    paces: dict[type, Pace] = field(default_factory=dict)
    """How soon each kind of control looks again, by its last turn."""
    _acting: JobController | ServiceController | None = None
    late: list[str] = field(default_factory=list)
    """What a controller wrote after its lease was lost."""
    _control: tuple[JobController, ServiceController] | None = None
    _starts: int = 0
    _ages: dict[str, int] = field(default_factory=dict)
    _turns: int = 0
    _on_trial: bool = False
    _moved: bool = False
    """Whether a job, a replica or Serve got further after the last turn."""

    def __post_init__(self) -> None:
        self.mlflow = FakeMlflow(lambda: self.now_s)
        self.ray = FakeRay()
        self.node = self.ray.add_node({"CPU": 8.0, "memory": 8.0 * 1024**3})
        if self.kept is not None:
            self._adopt(self.kept)

    def _adopt(self, kept: Golden) -> None:
        for run in kept.runs:
            code = {records.CODE_ARTIFACT: CODE.content} if run.tags.get(records.KIND) == records.JOB else {}
            ours = (
                {**run.tags, records.CLUSTER: SETTINGS.cluster} if records.CLUSTER in run.tags else run.tags
            )
            self.mlflow.adopt(replace(run, tags=ours), code)
        for job in kept.ray["/api/jobs/"]:
            submission_id = job["submission_id"]
            self.ray.submit(submission_id, job["entrypoint"], {}, {})
            if job["status"] == "RUNNING":
                self.ray.start_job(submission_id)
            elif job["status"] != "PENDING":
                self.ray.end_job(submission_id, job["status"], job["message"] or "")
        configs = [each["deployed_app_config"] for each in kept.applications.values()]
        self.ray.put_applications({"applications": [config for config in configs if config]})
        self.ray.settle()

    # -- the wire ------------------------------------------------------------------------------------

    def wire(self, name: str, request: Callable[[], Result], /) -> Result:
        if self._dead:
            raise Killed
        if not self._on_trial:
            return request()
        if self._overtaken and name in WRITES:
            self.late.append(name)
        self.requests.append(name)
        self.moments.append(self._turns)
        match self.faults.get(len(self.requests)):
            case None:
                return self._counted(name, request())
            case Kind.KILLED_BEFORE:
                self._dead = True
                raise Killed
            case Kind.KILLED_AFTER:
                with contextlib.suppress(RefusedError):
                    request()
                self._dead = True
                raise Killed
            case Kind.DOES_NOT_ARRIVE:
                raise UnreachableError(f"{name} did not arrive")
            case Kind.IS_NOT_ANSWERED:
                with contextlib.suppress(RefusedError):
                    request()
                raise UnreachableError(f"{name} was not answered")
            case Kind.IS_OVERTAKEN:
                self._overtake()
                return request()

    def _counted(self, name: str, answer: Result) -> Result:
        if name == "runs/search" and isinstance(answer, list):
            self.runs_read += len(answer)
        return answer

    def begin(self) -> None:
        """What was before is not on trial: no fault meets it."""
        self._on_trial = True

    def on_trial(self) -> FakeMlflow:
        """A client of MLflow whose requests the fault may meet."""
        return self.mlflow.another(wire=self.wire)

    def _overtake(self) -> None:
        """Another control, which no fault meets, takes a turn; who was in control may act no more."""
        self._overtaken = True
        other = _controllers(self.mlflow, self.ray, "other", self.package, lambda: True)
        for controller in other:
            self._turn(controller)

    # -- control -------------------------------------------------------------------------------------

    def turn(self, count: int = 1) -> None:
        """Control takes turns, and all others get one step further after each."""
        for _ in range(count):
            self.now_s += 1.0
            self._turns += 1
            if self._dead or self._overtaken or self._control is None:
                self._starts += 1
                self._dead = self._overtaken = False
                wire = self.wire
                self._control = _controllers(
                    self.mlflow.another(wire=wire),
                    self.ray.another(wire=wire),
                    f"control-{self._starts}",
                    self.package,
                    lambda: not self._overtaken,
                )
            try:
                for controller in self._control:
                    self._acting = controller
                    if not self._overtaken:
                        self._turn(controller)
            except Killed:
                pass
            self.others_go_on()

    def restart(self) -> None:
        """Control is started anew."""
        self._dead = True

    def settle(self) -> None:
        """Turns until nothing has happened for some, or for as many as everything takes with a fault."""
        calm = 0
        for _ in range(LAST_TURN):
            before = len(self.requests)
            self.turn()
            wrote = any(request in WRITES for request in self.requests[before:])
            busy = (
                wrote or self._moved or self._dead or any(not job.ended for job in self.ray.jobs().values())
            )
            calm = 0 if busy else calm + 1
            if calm == CALM_TURNS:
                return

    def _turn(self, controller: JobController | ServiceController) -> None:
        try:
            self.paces[type(controller)] = controller.step(self.now_s)
        except (UnreachableError, DeniedError):
            # The loop waits, and the next turn observes afresh.
            pass
        except Exception as error:  # noqa: BLE001
            # What the loop would log as a turn that failed.
            self.crashes.append(f"{type(controller).__name__}: {type(error).__name__}: {error}"[:300])

    # -- everybody else ------------------------------------------------------------------------------

    def others_go_on(self) -> None:
        """Jobs start and end, Serve follows its config, and replicas report."""
        stopping = set(self.ray.stopping)
        for submission_id, job in self.ray.jobs().items():
            if job.ended:
                continue
            age = self._ages[submission_id] = self._ages.get(submission_id, 0) + 1
            if submission_id in stopping:
                self.ray.end_job(submission_id, "STOPPED")
            elif job.status == "PENDING":
                self.ray.start_job(submission_id)
            else:
                self._work(submission_id, age)
        self._moved = self.ray.advance()
        for name, config in self._configs().items():
            if self.replicas is None:
                self._follow(name, config)
            else:
                self.replicas(self, name, config)

    def _work(self, submission_id: str, age: int) -> None:
        run_id, _, number = submission_id.rpartition("-")
        if run_id not in self.run_ids():
            return
        run = self.mlflow.run(run_id)
        if age == 2:
            now_ms = str(self.mlflow.now_ms())
            self.mlflow.claim(run_id, moment(int(number), STARTED_MS), now_ms)
            self.mlflow.set_tags(run_id, {records.WORKERS_STARTED_MS: now_ms})
        if age < 4 or run.name in self.slow:
            return
        ends = self.behaviour.get(run.name, _finishes)
        outcome = ends(self, run_id, int(number))
        if outcome is not None:
            self.mlflow.set_tags(run_id, {f"{records.OUTCOME}.{number}": outcome.to_json()})
        done = outcome is not None and outcome.cause is Cause.FINISHED
        self.ray.end_job(submission_id, "SUCCEEDED" if done else "FAILED")

    def _configs(self) -> Mapping[str, Mapping[str, Any]]:
        return {app.name: app.config for app in self.ray.applications() if app.config}

    def _follow(self, name: str, config: Mapping[str, Any]) -> None:
        """What the replicas of one service do with their `user_config`."""
        deployment = config["deployments"][0]
        told = deployment["user_config"]
        if not isinstance(told, Mapping) or "serving" not in told:
            return
        history = self.answered.setdefault(name, [])
        serving = str(told["follows"] or told["serving"])
        if not history or history[-1] != serving:
            history.append(serving)
        run_id = config["args"]["run_id"]
        generation = int(deployment["ray_actor_options"]["runtime_env"]["env_vars"][GENERATION])
        [application] = [each for each in self.ray.applications() if each.name == name]
        for replica in application.replicas:
            if replica.state != "RUNNING" or replica.replica_id in self.silent:
                continue
            candidate = told["candidate"]
            broken, untried = candidate in self.broken_versions, candidate in self.untried_versions
            state, reason = (
                (FAILED, "it holds NaN")
                if broken
                else (PASSING, "MLflow does not answer")
                if untried
                else (READY, "")
            )
            report = Report(
                generation=generation,
                serving=str(told["serving"]),
                trial=int(told["trial"]),
                candidate=candidate,
                candidate_state=None if candidate is None else state,
                reason=reason,
            )
            # One that may not write says nothing.
            with contextlib.suppress(DeniedError):
                key = f"{records.REPLICA}.{replica.replica_id}"
                self.mlflow.set_tags(run_id, {key: write_report(report)})

    # -- people --------------------------------------------------------------------------------------

    def submit(self, name: str, **spec: Any) -> str:
        """Order a job of one worker; its run id."""
        tags = _tags_of_order(order(name, **spec).spec.model_dump_json())
        run = self.mlflow.create_run(self.mlflow.experiment_id("default"), name, tags)
        self.mlflow.update_run(run.run_id, "SCHEDULED")
        self.mlflow.upload(run, records.CODE_ARTIFACT, CODE.content)
        self.mlflow.set_tags(run.run_id, {records.SUBMITTED_MS: str(self.mlflow.now_ms())})
        return run.run_id

    def cancel(self, run_id: str) -> None:
        self.mlflow.set_tags(run_id, {records.CANCEL_MS: str(self.mlflow.now_ms())})

    def deploy(self, name: str, model: str = "", **spec: Any) -> str:
        """Order a service; its run id."""
        model = model or f"models:/{name}@champion"
        return create_service(ServiceSpec(name=name, model=model, **spec), self.mlflow, SETTINGS).run_id

    def register(self, model: str, *, alias: str = "champion", graph_bytes: int = 0) -> str:
        version = self.mlflow.register(model)
        if graph_bytes:
            self.mlflow.set_version_tag(model, version, records.GRAPH_BYTES, str(graph_bytes))
        self.mlflow.set_alias(model, alias, version)
        return version

    def undeploy(self, run_id: str) -> None:
        self.mlflow.set_tags(run_id, {records.UNDEPLOY_MS: str(self.mlflow.now_ms())})

    # -- what is seen --------------------------------------------------------------------------------

    def run_ids(self) -> set[str]:
        return {run.run_id for run in self.mlflow.search_runs(self.mlflow.experiments(), "")}

    def run(self, run_id: str) -> Run:
        return self.mlflow.run(run_id)

    def attempts(self, run_id: str) -> list[str]:
        """The Ray jobs that were started of a job, in order."""
        return [
            each.submission_id for each in self.ray.submissions if each.submission_id.startswith(f"{run_id}-")
        ]

    def living(self, run_id: str) -> list[str]:
        """The Ray jobs of a job that have not ended."""
        return [
            submission_id
            for submission_id, job in self.ray.jobs().items()
            if submission_id.startswith(f"{run_id}-") and not job.ended
        ]

    def told(self, name: str) -> Mapping[str, Any]:
        """What Serve has of one service for its replicas; empty where it has no such application."""
        config = self._configs().get(name)
        found: Mapping[str, Any] = config["deployments"][0]["user_config"] if config else {}
        return found


def order(name: str, **spec: Any) -> Order:
    """What `submit` takes, of one worker."""
    return Order(
        spec=TrainSpec(name=name, entrypoint="train:loop", storage="/nowhere/runs", **spec),
        folder=Path("/nowhere"),
        code=CODE,
        files=1,
    )


@functools.cache
def _tags_of_order(spec: str) -> Mapping[str, str]:
    """What submitting writes of a spec; asked once, since it asks git about a folder."""
    parsed = TrainSpec.model_validate_json(spec)
    made = Order(spec=parsed, folder=Path("/nowhere"), code=CODE, files=1)
    written = submit(made, FakeMlflow(lambda: BEGAN_S), SETTINGS, parsed.name).tags
    left_out = (records.SUBMITTED_MS, "mlflow.runName")
    return {key: value for key, value in written.items() if key not in left_out}


def _controllers(
    mlflow: FakeMlflow,
    ray: FakeRay,
    claimant: str,
    package: Archive | None,
    may_act: Callable[[], bool],
) -> tuple[JobController, ServiceController]:
    def immediate(count: int, name: str) -> Executor:
        return Immediate()

    return (
        JobController(mlflow, ray, SETTINGS, claimant, package, immediate, may_act),
        ServiceController(mlflow, ray, SETTINGS, package, immediate, may_act),
    )


def _finishes(world: World, run_id: str, attempt: int) -> Outcome:
    return Outcome(cause=Cause.FINISHED, message="training finished")


def died(world: World, run_id: str, attempt: int) -> Outcome | None:
    """The driver of the first attempt that was started dies without a word."""
    return (
        None
        if len(world.attempts(run_id)) == 1
        else Outcome(cause=Cause.FINISHED, message="training finished")
    )


def raised(world: World, run_id: str, attempt: int) -> Outcome:
    return Outcome(cause=Cause.USER, message="ValueError: no such file", rank=0, detail="Traceback …")


# -- scenarios -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is done while control turns, and what must hold in the end."""

    name: str
    play: Callable[[World], Callable[[], Iterator[str]]]
    """Plays it to its end; the result tells what does not hold, a sentence each."""

    def run(self, *faults: Fault, kept: Golden | None = None) -> tuple[World, list[str]]:
        world = World({fault.at: fault.kind for fault in faults}, kept)
        check = self.play(world)
        return world, [*check(), *_always(world)]

    def faults(self, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
        """One for each request of a run without a fault, and each kind that says something of it.

        Requests of turns in which nothing is written are left out: they are those of any other such turn.
        """
        world, wrong = self.run()
        assert wrong == [], f"{self.name} fails without a fault: {wrong}"
        made = list(enumerate(zip(world.requests, world.moments, strict=True), start=1))
        busy = {turn for _, (request, turn) in made if request in WRITES}
        return [
            Fault(at, kind)
            for kind in kinds
            for at, (request, turn) in made
            if turn in busy and (kind in OF_READS or request in WRITES)
        ]


def _always(world: World) -> Iterator[str]:
    """What must hold of every run, whatever was done."""
    for crash in dict.fromkeys(world.crashes):
        yield f"a turn failed: {crash}"
    if world.late:
        yield f"written after the lease was lost: {', '.join(world.late)}"
    started = [each.submission_id for each in world.ray.submissions]
    for submission_id in {each for each in started if started.count(each) > 1}:
        yield f"{submission_id} was started {started.count(submission_id)} times"
    for run in world.mlflow.search_runs(world.mlflow.experiments(), ""):
        if len(run.reason) > 2000:
            yield f"the reason of {run.name} has {len(run.reason)} characters"
        if run.reason.count(" (") > 2:
            yield f"the reason of {run.name} repeats itself: {run.reason[:200]}"
        if len(world.living(run.run_id)) > 1:
            yield f"{run.name} runs {len(world.living(run.run_id))} times at once"


def job_is(world: World, run_id: str, phase: str, attempts: int = 1) -> Iterator[str]:
    """Whether a job has ended so, after so many attempts, and nothing of it runs on."""
    run = world.run(run_id)
    if run.phase != phase:
        yield f"{run.name} is {run.phase} and not {phase}: {run.reason}"
    elif run.active:
        yield f"{run.name} is {phase}, and its run is {run.status}"
    if not run.reason:
        yield f"{run.name} has no reason"
    if len(world.attempts(run_id)) != attempts:
        yield f"{run.name} was started {len(world.attempts(run_id))} times and not {attempts}"
    if world.living(run_id):
        yield f"{run.name} runs on: {world.living(run_id)}"


def service_is(world: World, run_id: str, version: str) -> Iterator[str]:
    """Whether a service is healthy with a version, and Serve has what its record says."""
    run = world.run(run_id)
    told = world.told(run.name)
    if run.phase != "healthy":
        yield f"{run.name} is {run.phase} and not healthy: {run.reason}"
    if run.tags.get(records.SERVING) != version:
        yield f"{run.name} says it serves {run.tags.get(records.SERVING)} and not {version}"
    if told.get("serving") != version or told.get("candidate") is not None:
        yield f"Serve was told {told.get('serving')}, {told.get('candidate')} of {run.name} and not {version}"
    rollout = json.loads(run.tags.get(records.ROLLOUT, "{}"))
    if rollout.get("serving") != told.get("serving"):
        yield f"{run.name} recorded {rollout.get('serving')}, and Serve was told {told.get('serving')}"


def never_back(world: World, name: str, versions: Sequence[str]) -> Iterator[str]:
    """Whether a service went from version to version as ordered, and never back."""
    if world.answered.get(name) != list(versions):
        yield f"{name} answered with {world.answered.get(name)} and not {list(versions)}"
