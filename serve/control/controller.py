"""The services loop: sees what is ordered and what runs, has it decided, writes the Serve config and records.

A service leaves the Serve config only when its run carries an order to undeploy. Applications whose run
cannot be found are kept as Serve has them: a listing that is empty or fails never ends a service.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pydantic import ValidationError

from journeyman.cluster.archive import Archive
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, JourneymanError, NotFoundError, RefusedError, UnreachableError
from journeyman.serve.control.application import application_config, serve_config
from journeyman.serve.control.preparer import Preparer, Serving
from journeyman.serve.control.swap import Decision, Snapshot, decide, is_awaited
from journeyman.serve.control.traffic import Counters, read_counters, traffic
from journeyman.serve.phases import RUN_STATUS, Phase
from journeyman.serve.records import Report, Rollout, read_report, read_rollout, write_rollout
from journeyman.serve.spec import ModelReference, ServiceSpec, model_reference
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import (
    CANDIDATE,
    CLUSTER,
    GRAPH_BYTES,
    KIND,
    MODEL,
    MODEL_RUN,
    NOTE,
    PHASE,
    REASON,
    REPLICA,
    ROLLOUT,
    SERVICE,
    SERVING,
    SPEC,
    UNDEPLOY_MS,
    URL,
    Run,
)

TRAFFIC_PERIOD_S = 60
_EXAMPLE_CHARACTERS = 300
"""A longer example is left out of a service's note."""
_ALIVE = ("RUNNING", "UPDATING")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it was seen and decided this turn."""

    run: Run
    spec: ServiceSpec | None
    application: Application | None
    decision: Decision


class ServiceController:
    """Holds nothing that a restart would lose but what it last sent, which is then sent again.

    `package` is Journeyman itself, for a cluster that something else started; `background` makes what does
    the work that no turn waits for, of a number of threads and their name.
    One thread calls step(); close() waits for a config that is being sent.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        settings: Settings,
        package: Archive | None,
        background: Callable[[int, str], Executor] = ThreadPoolExecutor,
    ) -> None:
        self._mlflow = mlflow
        self._package = package
        self._ray = ray
        self._settings = settings
        self._preparer = Preparer(mlflow, ray, package)
        self._sent: dict[str, Mapping[str, Any]] = {}
        # The first config starts Serve, which takes up to half a minute: longer than a turn may.
        self._sender = background(1, "serve-config")
        self._sending: Future[None] | None = None
        self._counters: dict[str, Counters] = {}
        self._counted_at: float | None = None

    def close(self) -> None:
        self._sender.shutdown()

    def step(self, now: float) -> bool:
        """One turn; whether somebody waits for the next: new replicas take longer than any turn.

        Raises UnreachableError where MLflow or Ray does not answer; nothing is changed then. Raises
        DeniedError where one of them does not allow control what it is there for, after all that is allowed.
        """
        if self._sending is not None:
            if not self._sending.done():
                # What Ray would tell of the services is about to be outdated.
                return True
            sending, self._sending = self._sending, None
            try:
                sending.result()
            except JourneymanError:
                self._sent = {}
                raise
        # Orders and reports first: a replica that has reported is in Ray's later answer, unless it is gone.
        runs = self._runs()
        applications = {application.name: application for application in self._ray.applications()}
        aliases: dict[str, dict[str, str]] = {}
        services = [self._decided(run, applications.get(run.name), aliases, now) for run in runs]
        self._put(services, applications)
        denied: DeniedError | None = None
        for service in services:
            # One run that control may not write to must not keep the others from theirs.
            try:
                self._record(service, now)
            except DeniedError as error:
                denied = error
        if denied is not None:
            raise denied
        self._preparer.step(_serving(services))
        if self._counted_at is None or now - self._counted_at >= TRAFFIC_PERIOD_S:
            self._count(services, now)
        return any(is_awaited(service.decision, _status(service.application)) for service in services)

    # -- observe -------------------------------------------------------------------------------------

    def _runs(self) -> list[Run]:
        """The run of each service, one a name: the oldest, until it has ended."""
        filter_string = (
            f"tags.`{KIND}` = '{SERVICE}' and tags.`{CLUSTER}` = '{self._settings.cluster}' "
            "and attributes.status = 'RUNNING'"
        )
        runs = self._mlflow.search_runs(self._mlflow.experiments(), filter_string)
        oldest: dict[str, Run] = {}
        for run in sorted(runs, key=lambda run: (run.start_ms, run.run_id)):
            if run.name not in oldest:
                oldest[run.name] = run
            else:
                reason = f"waits: run {oldest[run.name].run_id} is a service of this name, and comes first"
                self._tag(run, {PHASE: Phase.DEPLOYING, REASON: reason})
        return list(oldest.values())

    def _decided(
        self, run: Run, application: Application | None, aliases: dict[str, dict[str, str]], now: float
    ) -> Service:
        rollout = read_rollout(run.tags[ROLLOUT]) if ROLLOUT in run.tags else None
        undeploy = UNDEPLOY_MS in run.tags
        try:
            spec = ServiceSpec.model_validate_json(run.tags.get(SPEC, "{}"))
        except ValidationError as error:
            spec = None
            trouble = f"its spec cannot be read: {error.errors(include_url=False)[0]['msg']}"
            if not undeploy:
                decision = Decision(rollout=None, phase=Phase.UNHEALTHY, reason=trouble)
                return Service(run, None, application, decision)
        model, version, graph_bytes, trouble = "", None, 0, ""
        if spec is not None and not undeploy:
            reference = model_reference(spec)
            model = reference.name
            version, graph_bytes, trouble = self._ordered(reference, rollout, aliases)
        snapshot = Snapshot(
            rollout=rollout,
            model=model,
            version=version,
            trouble=trouble,
            graph_bytes=graph_bytes,
            undeploy=undeploy,
            status=_status(application),
            message=application.message if application else "",
            reports=_reports(run, application),
            told=tuple(read_report(text) for key, text in run.tags.items() if key.startswith(f"{REPLICA}.")),
            unanswered=self._unanswered(run, application),
        )
        return Service(run, spec, application, decide(snapshot, now))

    def _unanswered(self, run: Run, application: Application | None) -> str:
        """Why nothing answers at a service's URL. Asked of a service until it is healthy, and not after."""
        url = self._settings.serve_url
        if not url or run.phase == Phase.HEALTHY or application is None or application.status != "RUNNING":
            return ""
        try:
            status = httpx.get(f"{url}/{run.name}/ping", timeout=2).status_code
        except httpx.HTTPError as error:
            return f"{url} cannot be reached: {error}"
        return "" if status == 200 else f"{url} does not lead to them yet ({status})"

    def _ordered(
        self, reference: ModelReference, rollout: Rollout | None, aliases: dict[str, dict[str, str]]
    ) -> tuple[str | None, int, str]:
        """The version that is ordered and the size of its graph, or None and why that cannot be told."""
        graph_bytes = 0
        try:
            version = reference.version
            if reference.alias is not None:
                if reference.name not in aliases:
                    aliases[reference.name] = self._mlflow.aliases(reference.name)
                version = aliases[reference.name].get(reference.alias)
                if version is None:
                    return None, 0, f"model {reference.name} has no alias {reference.alias}"
            known = (rollout.serving, rollout.candidate, rollout.refused) if rollout else ()
            if version not in known:
                found = self._mlflow.model_version(reference.name, str(version))
                tags = {tag["key"]: tag["value"] for tag in found.get("tags", ())}
                graph_bytes = int(tags.get(GRAPH_BYTES, 0))
        except (NotFoundError, RefusedError) as error:
            return None, 0, error.message
        return version, graph_bytes, ""

    # -- act -----------------------------------------------------------------------------------------

    def _put(self, services: list[Service], applications: Mapping[str, Application]) -> None:
        # What Serve has is the floor. Below it goes only what is undeployed.
        wanted: dict[str, Mapping[str, Any]] = dict(self._sent)
        wanted |= {
            name: application.config for name, application in applications.items() if application.config
        }
        ended = set()
        for service in services:
            rollout, spec = service.decision.rollout, service.spec
            if service.decision.phase in (Phase.UNDEPLOYING, Phase.UNDEPLOYED):
                ended.add(service.run.name)
            elif rollout is not None and spec is not None:
                wanted[spec.name] = application_config(
                    spec,
                    rollout,
                    self._preparer.verdicts(rollout),
                    service.run.run_id,
                    self._settings.mlflow_url,
                    self._package,
                )
        named = {service.run.name for service in services}
        ended |= {name for name in wanted if name not in named and self._is_undeployed(wanted[name])}
        wanted = {name: config for name, config in wanted.items() if name not in ended}
        lost = wanted.keys() - applications.keys()
        left = {name for name in ended & applications.keys() if applications[name].status != "DELETING"}
        if wanted != self._sent or lost or left:
            config = serve_config(
                list(wanted.values()), self._settings.serve_url, self._settings.grpc_address
            )
            self._sending = self._sender.submit(self._send, config)
            self._sent = wanted

    def _send(self, config: Mapping[str, Any]) -> None:
        if self._package is not None:
            self._ray.keep_package(self._package)
        self._ray.put_applications(config)

    def _is_undeployed(self, config: Mapping[str, Any]) -> bool:
        """Whether the run of an application that no listing named says that it is to be gone."""
        run_id = (config.get("args") or {}).get("run_id")
        try:
            return run_id is not None and UNDEPLOY_MS in self._mlflow.run(run_id).tags
        except (NotFoundError, RefusedError):
            return False

    # -- record --------------------------------------------------------------------------------------

    def _record(self, service: Service, now: float) -> None:
        run, decision = service.run, service.decision
        tags = {PHASE: str(decision.phase), REASON: decision.reason}
        rollout = decision.rollout
        if rollout is not None and service.spec is not None:
            url = f"{self._settings.serve_url}/{service.spec.name}"
            tags |= {ROLLOUT: write_rollout(rollout), URL: url, CANDIDATE: rollout.candidate or ""}
            if rollout.proven and run.tags.get(SERVING) != rollout.serving:
                tags |= self._lineage(service.spec, rollout, url, now)
        self._tag(run, tags)
        alive = (
            {replica.replica_id for replica in service.application.replicas} if service.application else ()
        )
        for key in run.tags:
            if key.startswith(f"{REPLICA}.") and key.removeprefix(f"{REPLICA}.") not in alive:
                self._mlflow.delete_tag(run.run_id, key)
        if decision.phase == Phase.UNDEPLOYED:
            self._mlflow.update_run(run.run_id, RUN_STATUS[decision.phase], int(now * 1000))

    def _tag(self, run: Run, tags: Mapping[str, str]) -> None:
        changed = {key: value for key, value in tags.items() if run.tags.get(key, "") != value}
        if changed:
            self._mlflow.set_tags(run.run_id, changed)

    def _lineage(self, spec: ServiceSpec, rollout: Rollout, url: str, now: float) -> dict[str, str]:
        """What is written when another version begins to answer."""
        version: Mapping[str, Any] = {}
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
        try:
            example = httpx.get(url, timeout=2).json().get("example")
        except (httpx.HTTPError, ValueError):
            return ""
        text = orjson.dumps(example).decode() if example else ""
        return text if len(text) <= _EXAMPLE_CHARACTERS else ""

    # -- traffic -------------------------------------------------------------------------------------

    def _count(self, services: list[Service], now: float) -> None:
        """Log what each service had to do since the last time; without figures the loop goes on."""
        if self._package is not None and services:
            # Where all replicas die at once nothing uses it for a moment, and those that follow need it.
            self._ray.keep_package(self._package)
        try:
            texts = [httpx.get(url, timeout=5).raise_for_status().text for url in self._ray.metrics_urls()]
            counters = read_counters(texts)
        except (httpx.HTTPError, UnreachableError, NotFoundError, RefusedError, ValueError) as error:
            _log.warning("the traffic of this minute is not known: %s", error)
            return
        before, counted_at = self._counters, self._counted_at
        self._counters, self._counted_at = counters, now
        if counted_at is None:
            return
        for service in services:
            if service.application is None:
                continue
            name, run = service.run.name, service.run
            seen = traffic(before.get(name, Counters()), counters.get(name, Counters()), now - counted_at)
            alive = sum(replica.state in _ALIVE for replica in service.application.replicas)
            figures = {
                "requests": seen.requests,
                "requests_per_s": seen.requests_per_s,
                "errors": seen.errors,
                "p50_ms": seen.p50_ms,
                "p99_ms": seen.p99_ms,
                "replicas": float(alive),
            }
            milliseconds = int(now * 1000)
            step = (milliseconds - run.start_ms) // 60_000
            metrics = [
                {"key": key, "value": value, "timestamp": milliseconds, "step": step}
                for key, value in figures.items()
                if value is not None
            ]
            self._mlflow.log_batch(run.run_id, metrics=metrics)


def _reports(run: Run, application: Application | None) -> tuple[Report | None, ...]:
    """What each replica that takes requests has said."""
    if application is None:
        return ()
    texts = [
        run.tags.get(f"{REPLICA}.{replica.replica_id}")
        for replica in application.replicas
        if replica.state in _ALIVE
    ]
    return tuple(read_report(text) if text else None for text in texts)


def _status(application: Application | None) -> str | None:
    return application.status if application else None


def _serving(services: list[Service]) -> list[Serving]:
    """The versions whose engines are to be measured, once a kind of hardware."""
    found: dict[tuple[str, str], tuple[ServiceSpec, Rollout, list[str]]] = {}
    for service in services:
        spec, rollout, application = service.spec, service.decision.rollout, service.application
        # While a service changes it has other things to do.
        if service.decision.phase != Phase.HEALTHY or spec is None or rollout is None or application is None:
            continue
        for replica in application.replicas if spec.engine is None else ():
            text = service.run.tags.get(f"{REPLICA}.{replica.replica_id}")
            if text and replica.node_ip and (key := read_report(text).hardware):
                found.setdefault((spec.name, key), (spec, rollout, []))[2].append(replica.node_ip)
    return [
        Serving(spec, rollout, hardware, tuple(dict.fromkeys(node_ips)))
        for (_, hardware), (spec, rollout, node_ips) in found.items()
    ]


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
