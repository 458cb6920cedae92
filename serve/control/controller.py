"""The services loop: sees what is ordered and what runs, has it decided, records it, and has Serve carry it.

What is decided is recorded before it is sent: killed in between, control sends it the next time. A service
leaves the Serve config only when its run carries an order to undeploy. Applications whose run cannot be found
or read are kept as Serve has them: a listing that is empty or fails never ends a service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from journeyman.cluster.archive import Archive
from journeyman.cluster.identity import told_left_out
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, JourneymanError, NotFoundError, RefusedError
from journeyman.serve.control.application import application_config
from journeyman.serve.control.deployer import Deployer
from journeyman.serve.control.observe import (
    Observer,
    Orders,
    foreign_applications,
    own_application,
    read_orders,
    run_id_of,
    why_not_placed,
)
from journeyman.serve.control.preparer import Preparer, Serving
from journeyman.serve.control.probe import Asked
from journeyman.serve.control.recorder import Recorder
from journeyman.serve.control.swap import Decision, decide, is_awaited
from journeyman.serve.control.traffic_log import TrafficLog
from journeyman.serve.phases import Phase
from journeyman.serve.records import Rollout, ServiceRecord
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.pace import Pace
from journeyman.tracking.records import UNDEPLOY_MS, Run

_ENDING = (Phase.UNDEPLOYING, Phase.UNDEPLOYED)
EMPTY_S = 3.0
"""For how long an answer of Ray that there is no application is not believed where there were some."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it was seen and decided this turn."""

    record: ServiceRecord
    application: Application | None
    decision: Decision
    config: Mapping[str, Any] | None
    """What Serve is to have of it; None where that is nothing, or somebody else has its name or its route."""


class ServiceController:
    """Holds nothing that a restart would lose but pauses, and the configs that Serve accepted before.

    `package` is Journeyman itself, for a cluster that something else started; `background` makes what does
    the work that no turn waits for, of a number of threads and their name; `may_act` tells whether this
    control still holds the lease, and is asked before each write.
    One thread calls step(); close() waits for a config that is being sent.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        settings: Settings,
        package: Archive | None,
        background: Callable[[int, str], Executor] = ThreadPoolExecutor,
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        def check() -> None:
            if not may_act():
                raise ReplacedError("another control acts now")

        self._mlflow = mlflow
        self._ray = ray
        self._settings = settings
        self._package = package
        self._asked = Asked(background(1, "probe"))
        self._deployer = Deployer(ray, settings, package, background(1, "serve-config"), check)
        self._observer = Observer(mlflow, settings, self._asked, self._deployer.refusal)

        def check_write(run: Run) -> None:
            check()
            if not self._observer.may_write(run):
                raise OutdatedError("its record is read first")

        self._recorder = Recorder(mlflow, settings, self._asked, check_write)
        self._preparer = Preparer(mlflow, ray, package, check)
        self._empty_since_s: float | None = None
        self._outdated = False
        """Whether something was decided in this turn that the next one does."""
        self._traffic = TrafficLog(mlflow, ray, package, background(1, "traffic"), check)

    def close(self) -> None:
        self._deployer.close()
        self._traffic.close()
        self._asked.close()

    def step(self, now: float) -> Pace:
        """One turn. The next is awaited where somebody waits for it: new replicas take longer than any turn.

        Raises UnreachableError where MLflow or Ray does not answer; what was recorded by then is acted on the
        next time. Raises DeniedError where one of them does not allow control what it is there for, after all
        that is allowed.
        """
        try:
            return self._turn(now)
        except ReplacedError:
            return Pace.CALLED

    def _turn(self, now: float) -> Pace:
        if self._deployer.is_sending(now):
            # What Ray would tell of the services is about to be outdated.
            return Pace.AWAITED
        self._outdated = False
        # Orders and reports first: a replica that has reported is in Ray's later answer, unless it is gone.
        runs = self._observer.runs(now)
        applications = {application.name: application for application in self._ray.applications()}
        orders = read_orders(runs, applications)
        if self._may_be_empty_by_mistake(orders, applications, now):
            return Pace.AWAITED
        self._observer.follow(orders, applications)
        aliases = self._observer.aliases(orders.live)
        foreign = foreign_applications(applications)
        services = [self._decided(record, applications, foreign, aliases, now) for record in orders.live]
        recorded, denied = self._record(services, orders, now)
        self._carry_out(recorded, orders, applications, now)
        self._preparer.step(_serving(services), now)
        self._traffic.step([(each.record.run, each.application) for each in services], now)
        if denied is not None:
            raise denied
        if self._outdated or any(is_awaited(each.decision, _status(each.application)) for each in services):
            return Pace.AWAITED
        return Pace.WATCHED if self._observer.is_moving else Pace.CALLED

    def _may_be_empty_by_mistake(
        self, orders: Orders, applications: Mapping[str, Application], now: float
    ) -> bool:
        """Whether Ray tells of no application though there were some: it does where it is slow to find Serve.

        What is sent on such an answer would delete all that it left out, so it is believed after a while.
        """
        if applications or not (orders.aside or any(each.rollout for each in orders.live)):
            self._empty_since_s = None
            return False
        if self._empty_since_s is None:
            self._empty_since_s = now
        return now - self._empty_since_s < EMPTY_S

    def _decided(
        self,
        record: ServiceRecord,
        applications: Mapping[str, Application],
        foreign: Sequence[Application],
        aliases: dict[str, dict[str, str]],
        now: float,
    ) -> Service:
        refused = why_not_placed(record.name, foreign)
        snapshot = self._observer.snapshot(record, applications, refused, aliases, now)
        application = own_application(record.name, applications)
        decision = decide(snapshot, now)
        config = self._config(record, decision.rollout) if not refused and decision.rollout else None
        stored = application.config if application else None
        if decision.phase is Phase.HEALTHY and config is not None and config != stored:
            # What answers is what was ordered before.
            decision = replace(decision, phase=Phase.DEPLOYING, reason="Serve is told its new config")
        if told := told_left_out(record.spec.env):
            decision = replace(decision, reason=f"{decision.reason}{told}".removeprefix("; "))
        return Service(record, application, decision, config)

    def _record(
        self, services: Sequence[Service], orders: Orders, now: float
    ) -> tuple[list[Service], DeniedError | None]:
        """Those that are recorded, and what control is not allowed.

        One run that nobody may write to must not keep the others from theirs.
        """
        denied: DeniedError | None = None

        def is_recorded(record: ServiceRecord, application: Application | None, decision: Decision) -> bool:
            nonlocal denied
            try:
                self._recorder.record(record, application, decision, now)
            except OutdatedError:
                self._outdated = True
            except DeniedError as error:
                denied = error
            except (NotFoundError, RefusedError) as error:
                _log.warning("service %s cannot be recorded: %s", record.name, error.message)
            else:
                return True
            return False

        for record, holder in orders.later:
            is_recorded(record, None, _second(record, holder))
        return [
            each for each in services if is_recorded(each.record, each.application, each.decision)
        ], denied

    def _carry_out(
        self,
        services: Sequence[Service],
        orders: Orders,
        applications: Mapping[str, Application],
        now: float,
    ) -> None:
        gone = {
            each.record.name
            for each in services
            if each.decision.phase in _ENDING
            # Of its name nobody else's application is taken for its own.
            and (each.application is not None or each.record.name not in applications)
        }
        desired, unlike = {}, set()
        for service in services:
            rollout, name = service.decision.rollout, service.record.name
            if rollout is None or service.config is None:
                continue
            desired[name] = service.config
            calm = _status(service.application) == "RUNNING" and rollout.candidate is None
            if calm and not service.decision.answers:
                unlike.add(name)
        named = {run.run_id for run in orders.aside} | {each.run.run_id for each in orders.live}
        undeployed = {run.run_id for run in orders.aside if UNDEPLOY_MS in run.tags}
        for name, application in applications.items():
            run_id = run_id_of(application)
            if run_id is None or name in desired:
                continue
            if run_id in undeployed or (run_id not in named and self._is_undeployed(run_id)):
                gone.add(name)
        self._deployer.carry_out(desired, gone, unlike, applications, now)
        standing = {run_id_of(application) for application in applications.values()}
        for run in orders.aside:
            if run.run_id in undeployed - standing:
                self._end(run, now)

    def _end(self, run: Run, now: float) -> None:
        try:
            self._recorder.end(run, now)
        except OutdatedError:
            self._outdated = True
        except (NotFoundError, RefusedError) as error:
            _log.warning("service %s cannot be ended: %s", run.name, error.message)

    def _config(self, record: ServiceRecord, rollout: Rollout) -> Mapping[str, Any]:
        return application_config(
            record.spec,
            rollout,
            self._preparer.verdicts(rollout),
            record.run.run_id,
            self._settings.mlflow_url,
            self._package,
        )

    def _is_undeployed(self, run_id: str) -> bool:
        """Whether the run of an application that no listing named says that it is to be gone."""
        try:
            return UNDEPLOY_MS in self._mlflow.run(run_id).tags
        except (NotFoundError, RefusedError):
            return False


class OutdatedError(JourneymanError):
    """What was decided of a service was decided on what is known of it from before."""


class ReplacedError(JourneymanError):
    """This control holds the lease no more."""


def _second(record: ServiceRecord, holder: str) -> Decision:
    """Of a run whose name another service has already."""
    if record.undeploy:
        return Decision(rollout=None, phase=Phase.UNDEPLOYED, reason="")
    reason = f"waits: run {holder} is a service of this name, and comes first"
    return Decision(rollout=None, phase=Phase.DEPLOYING, reason=reason)


def _status(application: Application | None) -> str | None:
    return application.status if application else None


def _serving(services: Sequence[Service]) -> list[Serving]:
    """The versions whose engines are to be measured, once a kind of hardware."""
    found: dict[tuple[str, str], tuple[ServiceSpec, Rollout, list[str]]] = {}
    for service in services:
        spec, rollout, application = service.record.spec, service.decision.rollout, service.application
        # While a service changes it has other things to do.
        if service.decision.phase != Phase.HEALTHY or rollout is None or application is None:
            continue
        for replica in application.replicas if spec.engine is None else ():
            report = service.record.reports.get(replica.replica_id)
            if report is not None and replica.node_ip and report.hardware:
                found.setdefault((spec.name, report.hardware), (spec, rollout, []))[2].append(replica.node_ip)
    return [
        Serving(spec, rollout, hardware, tuple(dict.fromkeys(node_ips)))
        for (_, hardware), (spec, rollout, node_ips) in found.items()
    ]
