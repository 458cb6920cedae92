"""Services as the SDK shows them, and what a person does with them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import yaml

from journeyman.client.connection import ID, NAME, SHOWN_IDS, Connection, only_one
from journeyman.errors import (
    JourneymanError,
    NotFoundError,
    RefusedError,
    SpecError,
    UnreachableError,
    UnreadableError,
)
from journeyman.home import home_folder, trusts_proxies, why_not_asked
from journeyman.models import own_code
from journeyman.serve import verdict
from journeyman.serve.records import observed_text, read_service
from journeyman.serve.spec import read_reference
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import Run

if TYPE_CHECKING:
    from journeyman.serve.spec import ServiceSpec

_POLL_S = 0.5
_UNHEALTHY_LIMIT_S = 30.0
"""A replica that fails to start is tried again; one that fails for so long needs a person."""
_METADATA = "MLmodel"
_METADATA_BYTES = 2**20
"""What is larger takes seconds to read as YAML."""
_RUNNING = "attributes.status = 'RUNNING'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as its run tells it."""

    run_id: str
    name: str
    phase: str
    """As it is written, also where it is one that this version does not know."""
    readable: bool
    """Whether this version can read the record; where not, `reason` tells why, and what is told is less."""
    reason: str
    model: str
    serving_version: str | None
    candidate_version: str | None
    refused_version: str | None
    """The version that is ordered and was given up; `reason` tells why."""
    order_seen: bool
    """Whether control has seen what is ordered: until then the phase is of the order before."""
    ordered_version: str | None
    """As control saw it last."""
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
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def service_of(run: Run, connection: Connection) -> Service:
    """What a run tells of its service, however much of it this version can read."""
    settings = connection.settings
    shared: dict[str, Any] = {
        "run_id": run.run_id,
        "name": run.name,
        "phase": run.phase or "unreadable",
        "serving_version": run.tags.get(records.SERVING) or None,
        "candidate_version": run.tags.get(records.CANDIDATE) or None,
        "url": run.tags.get(records.URL) or f"{settings.serve_url}/{run.name}",
        "grpc_address": settings.grpc_address,
        "page_url": connection.page(run),
        "since_ms": run.start_ms,
        "metrics": run.metrics,
    }
    try:
        record = read_service(run)
    except UnreadableError as error:
        return Service(
            **shared,
            readable=False,
            reason=f"cannot be read: {error.message}",
            refused_version=None,
            order_seen=False,
            ordered_version=None,
            model="",
            replicas="",
            running_replicas=0,
            spec={},
            engines=(),
            engine_troubles=(),
        )
    reports = record.reports.values()
    seen = run.tags.get(records.OBSERVED, "")
    ordered = seen.partition(" ")[2]
    return Service(
        **shared,
        readable=True,
        reason=run.reason,
        refused_version=record.rollout.refused if record.rollout else None,
        # A control of a version before writes none.
        order_seen=not seen or seen == observed_text(run.tags[records.SPEC], ordered or None),
        ordered_version=ordered or None,
        model=record.spec.model,
        replicas=str(record.spec.replicas),
        running_replicas=len(reports),
        spec=record.spec.model_dump(mode="json"),
        engines=sorted({report.engine for report in reports if report.engine}),
        engine_troubles=sorted({report.engine_trouble for report in reports if report.engine_trouble}),
    )


# -- orders --------------------------------------------------------------------------------------------


def deploy(connection: Connection, order: Path | Mapping[str, Any], assignments: Sequence[str]) -> Service:
    from journeyman.serve.orders import deploy as write_down

    spec = _spec(connection, order, assignments)
    run = write_down(spec, connection.mlflow, connection.settings)
    return service_of(connection.mlflow.run(run.run_id), connection)


def plan_deploy(
    connection: Connection, order: Path | Mapping[str, Any], assignments: Sequence[str]
) -> list[str]:
    from journeyman.serve.orders import changes, check_fits, ordered, to_change

    spec = _spec(connection, order, assignments)
    check_fits(spec)
    run = to_change(spec.name, connection.mlflow, connection.settings)
    return changes(None if run is None else ordered(run), spec)


def rollback(connection: Connection, name: str) -> tuple[Service, list[str]]:
    from journeyman.serve.orders import changes, ordered, previous_order, redeploy

    run = _service_run(connection, name)
    previous = previous_order(run, connection.mlflow)
    told = changes(ordered(run), previous)
    redeploy(previous, run, connection.mlflow)
    return service_of(connection.mlflow.run(run.run_id), connection), told


def undeploy(connection: Connection, reference: str) -> Service:
    asked = {records.UNDEPLOY_MS: str(connection.mlflow.now_ms())}
    run = _service_run(connection, reference)
    # A second run of a name would take the place of the first as soon as that has ended.
    namesakes = _named(connection, reference) if run.name == reference else [run]
    for each in namesakes:
        connection.mlflow.set_tags(each.run_id, asked)
    return service_of(connection.mlflow.run(run.run_id), connection)


def _spec(connection: Connection, order: Path | Mapping[str, Any], assignments: Sequence[str]) -> ServiceSpec:
    from journeyman.cluster.identity import check_names
    from journeyman.cluster.requirement_lines import requirement_lines
    from journeyman.cluster.spec_file import override, parse, read_yaml
    from journeyman.serve.spec import ServiceSpec, model_reference

    written = isinstance(order, Path)
    named = str(order) if written else "the service"
    loaded = read_yaml(order) if isinstance(order, Path) else dict(order)
    spec = parse(ServiceSpec, override(loaded, assignments), named, written)
    check_names(spec.env, f"{named}: env")
    check_names(spec.env, f"{named}: env")
    folder = order.absolute().parent if isinstance(order, Path) else Path.cwd()
    spec = spec.model_copy(update={"requirements": requirement_lines(spec.requirements, folder)})
    reference = model_reference(spec)
    try:
        aliases = connection.mlflow.aliases(reference.name)
        if reference.version is not None:
            connection.mlflow.model_version(reference.name, reference.version)
    except NotFoundError:
        raise SpecError(
            f"{named}: model: {spec.model} is not registered",
            "A job registers it with `publish: {model: …, alias: …}`.",
        ) from None
    if reference.alias is not None and reference.alias not in aliases:
        known = ", ".join(sorted(aliases)) or "none"
        raise SpecError(f"{named}: model: {reference.name} has no alias {reference.alias}; it has: {known}")
    if not spec.allow_code:
        version = reference.version or aliases[str(reference.alias)]
        if why := _why_code(connection.mlflow, reference.name, version):
            told = f"{named}: model: version {version} of {reference.name} {why}"
            raise SpecError(told, own_code.TO_ALLOW)
    return spec


def _why_code(mlflow: MlflowApi, name: str, version: str) -> str:
    """What of a version runs code when it is loaded, as far as MLflow tells its metadata.

    Where they are not to be had or to be read, what loads the version finds out.
    """

    def has_file(path: str) -> bool:
        try:
            mlflow.version_file(name, version, path)
        except NotFoundError:
            return False
        return True

    try:
        written = mlflow.version_file(name, version, _METADATA)
        read = yaml.safe_load(written) if len(written) <= _METADATA_BYTES else None
    except (NotFoundError, yaml.YAMLError, ValueError, RecursionError):
        return ""
    flavors = read.get("flavors") if isinstance(read, dict) else None
    return own_code.why_code(flavors, has_file) if isinstance(flavors, dict) else ""


# -- looking -------------------------------------------------------------------------------------------


def services(connection: Connection) -> list[Service]:
    found = (service_of(run, connection) for run in connection.runs(records.SERVICE, _RUNNING))
    return sorted(found, key=lambda service: (service.name, service.since_ms, service.run_id))


def service(connection: Connection, reference: str) -> Service:
    return service_of(_service_run(connection, reference), connection)


def verdicts(connection: Connection, service: Service) -> list[verdict.Verdict]:
    run = connection.mlflow.run(service.run_id)
    model, version = run.tags.get(records.MODEL), run.tags.get(records.SERVING)
    if not model or not version:
        return []
    try:
        tags = connection.mlflow.model_version(model, version).get("tags", ())
    except NotFoundError:
        return []
    prefix = f"{records.ENGINES}."
    return [
        _verdict(tag["key"].removeprefix(prefix), tag["value"])
        for tag in tags
        if tag["key"].startswith(prefix)
    ]


def _verdict(hardware: str, text: str) -> verdict.Verdict:
    try:
        return verdict.read_verdict(text)
    except ValueError as error:
        failed = f"the verdict that is stored cannot be read: {error}"
        return verdict.Verdict(hardware=hardware, times_us={}, rejected={}, failed=failed)


def wait_until_healthy(
    connection: Connection, name: str, timeout_s: float, report: Callable[[Service], None]
) -> Service:
    hint = f"`journeyman service {name}` shows its progress."
    began_s = well_s = time.monotonic()
    why = "MLflow does not answer"
    while True:
        now_s = time.monotonic()
        try:
            found = service(connection, name)
        except UnreachableError:
            # A server that restarts is gone for seconds; the wait has its own end.
            if now_s - began_s > timeout_s:
                raise
        else:
            report(found)
            why = found.reason or found.phase
            if not found.readable:
                raise JourneymanError(f"{name} {found.reason}", hint)
            if found.phase == "healthy" and _is_seen(connection, found):
                if found.refused_version:
                    raise JourneymanError(f"{name} {found.reason}", hint)
                return found
            if found.phase in ("undeploying", "undeployed"):
                raise JourneymanError(f"{name} was undeployed meanwhile", hint)
            if found.phase != "unhealthy":
                well_s = now_s
            elif now_s - well_s > _UNHEALTHY_LIMIT_S:
                raise JourneymanError(f"{name} does not become healthy: {found.reason}", hint)
        if now_s - began_s > timeout_s:
            raise JourneymanError(f"{name} is not healthy after {timeout_s:g} s: {why}", hint)
        time.sleep(_POLL_S)


def _is_seen(connection: Connection, service: Service) -> bool:
    """Whether control has seen the order, and where the alias points that it names."""
    reference = read_reference(service.model)
    if not service.order_seen or reference.alias is None:
        return service.order_seen
    try:
        version = connection.mlflow.aliases(reference.name).get(reference.alias)
    except (NotFoundError, RefusedError):
        version = None
    # Without it control keeps what it has, and says so.
    return version in (None, service.ordered_version)


# -- asking --------------------------------------------------------------------------------------------


def query(connection: Connection, name: str, body: bytes, content_type: str) -> Answer:
    return _ask("POST", f"{_url(connection, name)}/invocations", body, content_type)


def example(connection: Connection, name: str) -> bytes:
    answer = _ask("GET", _url(connection, name), b"", "application/json")
    found = orjson.loads(answer.body).get("example") if answer.status == 200 else None
    if found is None:
        raise NotFoundError(f"the model behind {name} has no input example", "Give one with --input FILE.")
    return orjson.dumps(found)


def _url(connection: Connection, name: str) -> str:
    return service(connection, name).url or f"{connection.settings.serve_url}/{name}"


def _ask(method: str, url: str, body: bytes, content_type: str) -> Answer:
    secure = url.startswith("https://")
    with httpx.Client(timeout=60, verify=secure, trust_env=trusts_proxies(url)) as http:
        began = time.perf_counter()
        try:
            if why := why_not_asked(url, home_folder(os.environ)):
                raise httpx.ConnectError(why)
            answer = http.request(method, url, content=body, headers={"content-type": content_type})
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"the service at {url} does not answer: {why or type(error).__name__}",
                "`journeyman services` tells which are up and why.",
            ) from None
        seconds = time.perf_counter() - began
    return Answer(
        status=answer.status_code, headers=dict(answer.headers), body=answer.content, seconds=seconds
    )


# -- which run is meant --------------------------------------------------------------------------------


def _named(connection: Connection, name: str) -> list[Run]:
    if not NAME.fullmatch(name):
        return []
    from journeyman.serve.orders import services_named

    return services_named(name, connection.mlflow, connection.settings)


def _service_run(connection: Connection, reference: str) -> Run:
    """The live one of a name, else the one whose id begins so."""
    if named := _named(connection, reference):
        return named[0]
    found: Run | None = None
    if ID.fullmatch(reference):
        begins = f"attributes.run_id LIKE '{reference}%'"
        found = only_one(
            connection.runs(records.SERVICE, _RUNNING, begins, limit=SHOWN_IDS), reference, "service"
        )
    if found is None:
        raise NotFoundError(
            f"there is no service {reference!r}", "`journeyman services` lists those there are."
        )
    return found
