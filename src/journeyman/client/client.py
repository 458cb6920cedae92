"""The SDK: submit jobs, deploy services, query them, over HTTP alone. The CLI is written on it.

Orders are written to MLflow and control carries them out; what is read here is what MLflow and the services
say. What only orders need (specs, the packing of code) is imported where one is made: listings must be fast.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from journeyman.client.log_reader import LogChunk, LogReader
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings, load_settings
from journeyman.errors import JourneymanError, NotFoundError, SpecError, UnreachableError, UsageError
from journeyman.jobs.admission import Candidate, Verdict, admit
from journeyman.jobs.outcome import Outcome
from journeyman.jobs.phases import ENDED, Phase
from journeyman.jobs.place import read_places
from journeyman.jobs.stacks import RankStack, read_stacks
from journeyman.serve import verdict
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow, page_url
from journeyman.tracking.records import Run

if TYPE_CHECKING:
    from journeyman.jobs.submit.submission import Order
    from journeyman.serve.spec import ServiceSpec

_EXIT_CODES = {Phase.FINISHED: 0, Phase.FAILED: 1, Phase.CANCELLED: 130}
_FOLLOW_INTERVAL_S = 0.5
_ID = re.compile(r"[0-9a-f]{1,32}")
_ID_CHARACTERS = 32
_NAME = re.compile(r"[a-z0-9-]{1,63}")
_POLL_S = 1.0
_UNHEALTHY_LIMIT_S = 30.0
"""A replica that fails to start is tried again; one that fails for so long needs a person."""
_SHOWN_IDS = 5
"""How many jobs are named where the beginning of an id is not enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its run tells it."""

    run_id: str
    name: str
    project: str
    phase: str
    reason: str
    attempt: int
    workers: str
    submitted_ms: int
    started_ms: int | None
    ended_ms: int | None
    metrics: Mapping[str, float]
    steps: Mapping[str, int]
    params: Mapping[str, str]
    model_version: str | None
    """`digits/3` once the job has published."""
    outcome: Outcome | None
    """How the newest attempt ended, as its driver saw it: None before, and where the driver itself died."""
    url: str

    @property
    def ended(self) -> bool:
        return Phase(self.phase) in ENDED

    @property
    def exit_code(self) -> int:
        """0 finished, 1 failed, 130 cancelled; 0 while it has not ended."""
        return _EXIT_CODES.get(Phase(self.phase), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would become of a job if it were submitted now."""

    name: str
    verdict: str
    reason: str
    workers: str
    code_files: int
    code_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as its run tells it."""

    run_id: str
    name: str
    phase: str
    reason: str
    model: str
    serving_version: str | None
    candidate_version: str | None
    replicas: str
    running_replicas: int
    """Those that have said what they have loaded."""
    url: str
    grpc_address: str | None
    """Of the cluster's services; None where it was started without gRPC."""
    page_url: str
    since_ms: int
    metrics: Mapping[str, float]
    spec: Mapping[str, Any]
    """What is ordered."""
    engines: Sequence[str]
    """What computes the version that serves; several where replicas differ."""
    engine_troubles: Sequence[str]
    """Why that is not what was ordered, or measured to be the fastest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A version as files."""

    model: str
    version: str
    paths: Sequence[Path]
    """The graph first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control that acts, as the lease tells it."""

    name: str
    term: int
    heard_ms: int | None
    """When it said last that it is there; None in its first moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Client:
    """Everything a person does with Journeyman, from Python.

    Raises UsageError for what the caller can put right, UnreachableError where a server is away.
    `mlflow` and `ray` stand for the servers that the settings lead to, such as those of journeyman.testing.
    """

    def __init__(
        self, settings: Settings | None = None, *, mlflow: MlflowApi | None = None, ray: RayApi | None = None
    ) -> None:
        self.settings = settings or load_settings(os.environ)
        self._mlflow = mlflow or Mlflow(self.settings.mlflow_url, os.environ)
        self._ray = ray or Ray(self.settings.ray_url, self.settings.ray_token)

    def close(self) -> None:
        self._mlflow.close()
        self._ray.close()

    # -- jobs ----------------------------------------------------------------------------------------

    def submit(
        self, file: Path, assignments: Sequence[str] = (), warn: Callable[[str], None] = lambda message: None
    ) -> Job:
        """Order a job; `warn` is told where it may wait in vain.

        Raises SpecError, and UsageError where it could never run on this cluster.
        """
        from journeyman.jobs.submit.submission import submit

        order = self._order(file, assignments)
        verdict, reason = self._admission(order)
        if verdict is Verdict.NEVER:
            raise UsageError(f"{file}: {reason}")
        if verdict is Verdict.GROW:
            warn(f"{file}: {reason}")
        run = submit(order, self._mlflow, self.settings, key=uuid.uuid4().hex)
        return self._job(run)

    def plan(self, file: Path, assignments: Sequence[str] = ()) -> Plan:
        """What submitting would do now, by the same decision control makes."""
        order = self._order(file, assignments)
        verdict, reason = self._admission(order)
        return Plan(
            name=order.spec.name,
            verdict=verdict.value,
            reason=reason,
            workers=str(order.spec.workers),
            code_files=order.files,
            code_bytes=len(order.code.content),
        )

    def _order(self, file: Path, assignments: Sequence[str]) -> Order:
        from journeyman.jobs.submit.submission import check_storage, read_order

        settings = self.settings
        home = None if settings.attached else settings.home
        order = read_order(file, assignments, home, settings.storage)
        if not settings.attached and order.spec.storage:
            check_storage(order.spec.storage)
        return order

    def _admission(self, order: Order) -> tuple[Verdict, str]:
        from journeyman.jobs.spec import gang

        waiting = [
            Candidate(run_id=run.run_id, name=run.name, gang=())
            for run in reversed(self._runs(records.JOB, "attributes.status = 'SCHEDULED'", limit=100))
            if run.phase == Phase.QUEUED
        ]
        capacity = self._ray.capacity(self.settings.growth, self._ray.applications())
        new = Candidate(run_id="", name=order.spec.name, gang=gang(order.spec))
        admission = admit([new], capacity)[0]
        if admission.verdict is Verdict.NEVER:
            reason = f"can never run: {admission.reason}; ask for fewer workers or smaller resources"
            return Verdict.NEVER, reason
        if admission.verdict is Verdict.GROW:
            return Verdict.GROW, f"fits no node there is: {admission.reason}; the cluster may grow for it"
        if admission.verdict is Verdict.START and waiting:
            last = waiting[-1]
            return Verdict.WAIT, f"waits behind job {last.name} ({last.run_id[:8]})"
        return admission.verdict, admission.reason

    def jobs(self, limit: int = 30) -> list[Job]:
        """Newest first."""
        return [self._job(run) for run in self._runs(records.JOB, limit=limit)]

    def job(self, reference: str | None = None) -> Job:
        """The job of an id, of the beginning of one, or the latest of a name; without one, the latest."""
        return self._job(self._job_run(reference))

    def cancel(self, reference: str) -> Job:
        """Ask for the job to be stopped; control does it."""
        run = self._job_run(reference)
        if Phase(run.phase) in ENDED:
            raise UsageError(f"job {run.run_id[:8]} has ended: {run.phase}")
        self._mlflow.set_tags(run.run_id, {records.CANCEL_MS: str(self._mlflow.now_ms())})
        return self._job(self._mlflow.run(run.run_id))

    def logs(self, job: Job, source: str = "all") -> Iterator[LogChunk]:
        """What is stored of the logs now; `source` is all, driver or a rank."""
        return self._log_reader(job, source).read()

    def follow_logs(self, job: Job, source: str = "all") -> Iterator[LogChunk]:
        """The logs as they come, until the job has ended."""
        reader = self._log_reader(job, source)
        while True:
            ended = self._job(self._mlflow.run(job.run_id)).ended
            yield from reader.read()
            if ended:
                return
            time.sleep(_FOLLOW_INTERVAL_S)

    def stacks(self, job: Job, rank: int | None = None) -> list[RankStack]:
        """What each rank of a running job does now, or `rank` alone. Raises UsageError where none runs."""
        told = f"job {job.name} ({job.run_id[:8]})"
        if job.ended:
            raise UsageError(f"{told} has ended: it is {job.phase}")
        places = []
        if job.phase not in (Phase.QUEUED, Phase.STARTING):
            places = read_places(self._mlflow, self._mlflow.run(job.run_id), job.attempt)
        if not places:
            raise UsageError(f"{told} has not started: it is {job.phase}")
        wanted = [place for place in places if rank in (None, place.rank)]
        if not wanted:
            ranks = ", ".join(str(place.rank) for place in places)
            raise UsageError(f"{told} has no rank {rank}; it has {ranks}")
        return read_stacks(self._ray, wanted)

    def history(self, job: Job, metric: str) -> list[tuple[int, float]]:
        """Each point of a metric as (step, value), by step."""
        points = self._mlflow.metric_history(job.run_id, metric)
        return sorted((int(point.get("step", 0)), float(point["value"])) for point in points)

    def _log_reader(self, job: Job, source: str) -> LogReader:
        if source not in ("all", "driver") and not source.isdigit():
            raise UsageError(f"{source!r} is no rank", "Give a number, `driver` or `all`.")
        wanted = f"rank-{source}" if source.isdigit() else source
        return LogReader(mlflow=self._mlflow, run=self._mlflow.run(job.run_id), source=wanted)

    def _job_run(self, reference: str | None) -> Run:
        if reference is None:
            newest = self._runs(records.JOB, limit=1)
            if not newest:
                raise NotFoundError("no job was submitted yet", "Submit one: `journeyman submit train.yaml`.")
            return newest[0]
        found: list[Run] = []
        if len(reference) == _ID_CHARACTERS and (run := self._run_of_job(reference)):
            return run
        if _ID.fullmatch(reference):
            found = self._runs(records.JOB, f"attributes.run_id LIKE '{reference}%'", limit=_SHOWN_IDS)
        if len(found) > 1:
            ids = ", ".join(run.run_id[: len(reference) + 4] for run in found)
            raise NotFoundError(f"{reference!r} begins the ids of several jobs: {ids}", "Give more of it.")
        if not found and _NAME.fullmatch(reference):
            found = self._runs(records.JOB, f"tags.`{records.NAME}` = '{reference}'", limit=1)
        if not found:
            raise NotFoundError(f"there is no job {reference!r}", "`journeyman jobs` lists those there are.")
        return found[0]

    def _run_of_job(self, run_id: str) -> Run | None:
        """By its whole id, which costs a tenth of a search; None where it is no job of this cluster."""
        try:
            run = self._mlflow.run(run_id)
        except NotFoundError:
            return None
        ours = (records.JOB, self.settings.cluster)
        return run if (run.tags.get(records.KIND), run.tags.get(records.CLUSTER)) == ours else None

    def _job(self, run: Run) -> Job:
        spec = run.spec
        outcome = run.tags.get(f"{records.OUTCOME}.{run.attempt}")
        return Job(
            run_id=run.run_id,
            name=run.name,
            project=str(spec.get("project", "")),
            phase=run.phase,
            reason=run.reason,
            attempt=run.attempt,
            workers=str(spec.get("workers", "1")),
            submitted_ms=run.milliseconds(records.SUBMITTED_MS) or run.start_ms,
            started_ms=run.milliseconds(records.WORKERS_STARTED_MS),
            ended_ms=run.end_ms,
            metrics=run.metrics,
            steps=run.steps,
            params={k: v for k, v in run.params.items() if not k.startswith(f"{records.CLAIM_PARAM}.")},
            model_version=run.tags.get(records.MODEL_VERSION),
            outcome=Outcome.from_json(outcome) if outcome else None,
            url=self._page(run),
        )

    # -- services ------------------------------------------------------------------------------------

    def deploy(self, order: Path | Mapping[str, Any], assignments: Sequence[str] = ()) -> Service:
        """Order a service, by a file or what would be in it, or change the order of one that is there."""
        from journeyman.serve.orders import create_service, redeploy

        spec = self._service_spec(order, assignments)
        run = self._live_service(spec.name)
        if run is None:
            run = create_service(spec, self._mlflow, self.settings)
        else:
            redeploy(spec, run, self._mlflow)
        return self._service(self._mlflow.run(run.run_id))

    def plan_deploy(self, order: Path | Mapping[str, Any], assignments: Sequence[str] = ()) -> list[str]:
        """What deploying would change, a line each."""
        from journeyman.serve.orders import changes
        from journeyman.serve.spec import ServiceSpec

        spec = self._service_spec(order, assignments)
        run = self._live_service(spec.name)
        return changes(None if run is None else ServiceSpec.model_validate(run.spec), spec)

    def rollback(self, name: str) -> tuple[Service, list[str]]:
        """Order again what was ordered before; the service, and what changes. Raises NotFoundError."""
        from journeyman.serve.orders import changes, previous_order, redeploy
        from journeyman.serve.spec import ServiceSpec

        run = self._service_run(name)
        previous = previous_order(run, self._mlflow)
        told = changes(ServiceSpec.model_validate(run.spec), previous)
        redeploy(previous, run, self._mlflow)
        return self._service(self._mlflow.run(run.run_id)), told

    def services(self) -> list[Service]:
        """Those that are deployed, by name."""
        runs = self._runs(records.SERVICE, "attributes.status = 'RUNNING'")
        return sorted((self._service(run) for run in runs), key=lambda service: service.name)

    def service(self, name: str) -> Service:
        return self._service(self._service_run(name))

    def verdicts(self, service: Service) -> list[verdict.Verdict]:
        """What races of engines found for the version that serves, one a kind of hardware.

        Empty until a prepare job has ended.
        """
        run = self._mlflow.run(service.run_id)
        model, version = run.tags.get(records.MODEL), run.tags.get(records.SERVING)
        if not model or not version:
            return []
        try:
            tags = self._mlflow.model_version(model, version).get("tags", ())
        except NotFoundError:
            return []
        return [
            verdict.read_verdict(tag["value"]) for tag in tags if tag["key"].startswith(f"{records.ENGINES}.")
        ]

    def wait_until_healthy(
        self, name: str, timeout_s: float, settle_s: float, report: Callable[[Service], None]
    ) -> Service:
        """The service, once it is healthy. `report` is told of each look at it.

        Takes nothing for healthy within `settle_s`: an order over a healthy service reads healthy until
        control has taken it up. Raises JourneymanError where the service does not get there.
        """
        hint = f"`journeyman service {name}` shows how it goes on."
        began_s = well_s = time.monotonic()
        why = "MLflow does not answer"
        while True:
            now_s = time.monotonic()
            try:
                service = self.service(name)
            except UnreachableError:
                # A server that restarts is gone for seconds; the wait has its own end.
                if now_s - began_s > timeout_s:
                    raise
            else:
                report(service)
                why = service.reason or service.phase
                if service.phase == "healthy" and now_s - began_s >= settle_s:
                    return service
                if service.phase in ("undeploying", "undeployed"):
                    raise JourneymanError(f"{name} was undeployed meanwhile", hint)
                if service.phase != "unhealthy":
                    well_s = now_s
                elif now_s - well_s > _UNHEALTHY_LIMIT_S:
                    raise JourneymanError(f"{name} does not become healthy: {service.reason}", hint)
            if now_s - began_s > timeout_s:
                raise JourneymanError(f"{name} is not healthy after {timeout_s:g} s: {why}", hint)
            time.sleep(_POLL_S)

    def undeploy(self, name: str) -> Service:
        """Ask for the service to be taken down; control does it."""
        run = self._service_run(name)
        self._mlflow.set_tags(run.run_id, {records.UNDEPLOY_MS: str(self._mlflow.now_ms())})
        return self._service(self._mlflow.run(run.run_id))

    def query(self, name: str, body: bytes, content_type: str = "application/json") -> Answer:
        """Ask a service; whatever it answers is returned, refusals too."""
        return self._ask("POST", f"{self._service_url(name)}/invocations", body, content_type)

    def example(self, name: str) -> bytes:
        """A request body that the service's model answers."""
        answer = self._ask("GET", self._service_url(name), b"", "application/json")
        example = orjson.loads(answer.body).get("example") if answer.status == 200 else None
        if example is None:
            raise NotFoundError(
                f"the model behind {name} has no input example", "Give one with --input FILE."
            )
        return orjson.dumps(example)

    def _service_spec(self, order: Path | Mapping[str, Any], assignments: Sequence[str]) -> ServiceSpec:
        from journeyman.cluster.spec_file import override, parse, read_yaml
        from journeyman.serve.spec import ServiceSpec, model_reference

        written = isinstance(order, Path)
        named = str(order) if written else "the service"
        loaded = read_yaml(order) if isinstance(order, Path) else dict(order)
        spec = parse(ServiceSpec, override(loaded, assignments), named, written)
        reference = model_reference(spec)
        try:
            aliases = self._mlflow.aliases(reference.name)
            if reference.version is not None:
                self._mlflow.model_version(reference.name, reference.version)
        except NotFoundError:
            raise SpecError(
                f"{named}: model: {spec.model} is not registered",
                "A job registers it with `publish: {model: …, alias: …}`.",
            ) from None
        if reference.alias is not None and reference.alias not in aliases:
            known = ", ".join(sorted(aliases)) or "none"
            raise SpecError(
                f"{named}: model: {reference.name} has no alias {reference.alias}; it has: {known}"
            )
        return spec

    def _service_url(self, name: str) -> str:
        return self.service(name).url or f"{self.settings.serve_url}/{name}"

    def _ask(self, method: str, url: str, body: bytes, content_type: str) -> Answer:
        with httpx.Client(timeout=60, verify=url.startswith("https://")) as http:
            began = time.perf_counter()
            try:
                answer = http.request(method, url, content=body, headers={"content-type": content_type})
            except httpx.HTTPError as error:
                raise UnreachableError(
                    f"the service at {url} does not answer: {type(error).__name__}",
                    "`journeyman services` tells which are up and why.",
                ) from None
            seconds = time.perf_counter() - began
        return Answer(
            status=answer.status_code, headers=dict(answer.headers), body=answer.content, seconds=seconds
        )

    def _live_service(self, name: str) -> Run | None:
        """`name` is one that a spec was allowed to have."""
        runs = self._runs(
            records.SERVICE, f"attributes.status = 'RUNNING' and tags.`{records.NAME}` = '{name}'"
        )
        return next((run for run in runs if records.UNDEPLOY_MS not in run.tags), None)

    def _service_run(self, name: str) -> Run:
        runs: list[Run] = []
        if _NAME.fullmatch(name):
            named = f"attributes.status = 'RUNNING' and tags.`{records.NAME}` = '{name}'"
            runs = self._runs(records.SERVICE, named, limit=1)
        if not runs:
            raise NotFoundError(
                f"there is no service {name!r}", "`journeyman services` lists those there are."
            )
        return runs[0]

    def _service(self, run: Run) -> Service:
        spec = run.spec
        reports = [
            orjson.loads(text) for key, text in run.tags.items() if key.startswith(f"{records.REPLICA}.")
        ]
        return Service(
            run_id=run.run_id,
            name=run.name,
            phase=run.phase,
            reason=run.reason,
            model=str(spec.get("model", "")),
            serving_version=run.tags.get(records.SERVING) or None,
            candidate_version=run.tags.get(records.CANDIDATE) or None,
            replicas=str(spec.get("replicas", "1")),
            running_replicas=len(reports),
            url=run.tags.get(records.URL) or f"{self.settings.serve_url}/{run.name}",
            grpc_address=self.settings.grpc_address,
            page_url=self._page(run),
            since_ms=run.start_ms,
            metrics=run.metrics,
            spec=spec,
            engines=sorted({report["engine"] for report in reports if report.get("engine")}),
            engine_troubles=sorted(
                {report["engine_trouble"] for report in reports if report.get("engine_trouble")}
            ),
        )

    # -- models --------------------------------------------------------------------------------------

    def export(self, model: str, folder: Path, *, replace: bool = False) -> Exported:
        """The ONNX form of `models:/name@alias` or `models:/name/3`, below `folder`.

        Raises UsageError where there is none, and where a file is there already that may not be replaced.
        """
        from journeyman.models.export import export_onnx
        from journeyman.serve.spec import read_reference

        reference = read_reference(model)
        version = reference.version
        if reference.alias is not None:
            version = self._mlflow.aliases(reference.name).get(reference.alias)
        if version is None:
            raise NotFoundError(
                f"model {reference.name} has no alias {reference.alias}", "MLflow's page shows those it has."
            )
        paths = export_onnx(self._mlflow, reference.name, version, folder, replace)
        return Exported(model=reference.name, version=version, paths=paths)

    # -- control -------------------------------------------------------------------------------------

    def control(self) -> Control | None:
        """The one that is in control of the cluster, or was last; None where none was, or it let go."""
        # psutil, which comes with it, costs a listing more than its own search.
        from journeyman.tracking.lease.claimant import name_of
        from journeyman.tracking.lease.terms import current, heard_ms, read_ledger, released

        ledger = current(
            [read_ledger(run) for run in self._runs(records.CONTROL, "attributes.status = 'RUNNING'")]
        )
        if ledger is None or ledger.term == 0 or ledger.beat == released(ledger.term):
            return None
        return Control(name=name_of(ledger.holder), term=ledger.term, heard_ms=heard_ms(ledger))

    # -- both ----------------------------------------------------------------------------------------

    def _runs(self, kind: str, condition: str = "", limit: int | None = None) -> list[Run]:
        filter_string = (
            f"tags.`{records.KIND}` = '{kind}' and tags.`{records.CLUSTER}` = '{self.settings.cluster}'"
        )
        if condition:
            filter_string += f" and {condition}"
        return self._mlflow.search_runs(self._mlflow.experiments(), filter_string, limit)

    def _page(self, run: Run) -> str:
        return page_url(self.settings.mlflow_url, f"experiments/{run.experiment_id}/runs/{run.run_id}")
