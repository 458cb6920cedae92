"""What there is: the records of services, what Serve has for them, and what is ordered.

Each record is parsed alone. One that cannot be read is set aside: nobody writes to its run, and its
application keeps the config that Serve has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from journeyman.cluster.ray_state import Application
from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError, RefusedError, UnreadableError
from journeyman.serve.control.pauses import Pauses
from journeyman.serve.control.probe import Asked
from journeyman.serve.control.swap import Snapshot
from journeyman.serve.phases import Phase
from journeyman.serve.records import Report, Rollout, ServiceRecord, read_service
from journeyman.serve.spec import ModelReference, model_reference
from journeyman.tracking.live_runs import LiveRuns
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import (
    GRAPH_BYTES,
    REPLICA,
    SERVICE,
    SPEC,
    SUBMISSION_KEY,
    TAKEN_UP_MS,
    UNDEPLOY_MS,
    Run,
)

ALIVE = ("RUNNING", "UPDATING")
"""States of a replica that takes requests."""
ALIASES_A_TURN = 100
"""Of so many models that nothing else is new of: more are asked about in turn. Each costs MLflow half a
millisecond, and it has no other way to tell which alias was moved."""
_LIVE = "attributes.status = 'RUNNING'"
_NEWS = (
    # Jobs run too, and have a submission key.
    (
        _LIVE,
        f"tags.`{SPEC}` IS NOT NULL",
        f"tags.`{TAKEN_UP_MS}` IS NULL",
        f"tags.`{SUBMISSION_KEY}` IS NULL",
    ),
    (_LIVE, f"tags.`{UNDEPLOY_MS}` IS NOT NULL"),
)
FAILURE_PAUSE_S = 60.0
"""How long replicas that Serve has given up stay given up at first."""


Found = tuple[Run, ServiceRecord | None]
"""A run of a service, and its record where that can be read."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What people want of this cluster's services, one a name."""

    live: Sequence[ServiceRecord]
    later: Sequence[tuple[ServiceRecord, str]]
    """Of a name that another run has already, whose id it is."""
    aside: Sequence[Run]
    """Runs whose record cannot be read."""


class Observer:
    """One thread uses it. `refusal` tells why Serve has not what was decided of a service."""

    def __init__(
        self, mlflow: MlflowApi, settings: Settings, asked: Asked, refusal: Callable[[str], str]
    ) -> None:
        self._mlflow = mlflow
        self._settings = settings
        self._asked = asked
        self._refusal = refusal
        self._failures = Pauses(FAILURE_PAUSE_S)
        self._runs = LiveRuns(mlflow, settings.cluster, SERVICE, (_LIVE,), _NEWS)
        self._parsed: dict[str, Found] = {}
        """By run, with the run as it was parsed."""
        self._moving: Set[str] = frozenset()
        """Runs that replicas write to, as far as was seen in the last turn."""
        self._aliases: dict[str, dict[str, str]] = {}
        """Of the models that are followed, the one first that was asked about the longest ago."""

    @property
    def is_moving(self) -> bool:
        """Whether replicas of any service came, went or loaded in the turn before."""
        return bool(self._moving)

    def may_write(self, run: Run) -> bool:
        """Whether a run that is about to be written to was read in this turn; it is read in the next."""
        return self._runs.may_write(run.run_id)

    def runs(self, now: float) -> Sequence[Found]:
        """Of services, those that have not ended, the oldest first."""
        parsed = {}
        for run in self._runs.read(now, self._moving):
            before = self._parsed.get(run.run_id)
            parsed[run.run_id] = before if before is not None and before[0] is run else (run, _read(run))
        self._parsed = parsed
        return sorted(parsed.values(), key=lambda found: (found[0].start_ms, found[0].run_id))

    def follow(self, orders: Orders, applications: Mapping[str, Application]) -> None:
        """From the next turn on those are read of which Ray tells that replicas write to them.

        What is decided of them in this turn is recorded where they were read in it, before Ray was asked.
        """
        moving = (
            record.run.run_id
            for record in orders.live
            if _is_moving(record, own_application(record.name, applications))
        )
        self._moving = {*moving, *(record.run.run_id for record, _ in orders.later)}

    def aliases(self, records: Sequence[ServiceRecord]) -> dict[str, dict[str, str]]:
        """Those of the models that services follow, alias to version; a model that is gone is left out."""
        followed: dict[str, bool] = {}
        for record in records:
            reference = model_reference(record.spec)
            if reference.alias is not None and not record.undeploy:
                run = record.run
                news = TAKEN_UP_MS not in run.tags or run.run_id in self._moving
                followed[reference.name] = followed.get(reference.name, False) or news
        known = [name for name in self._aliases if name in followed]
        asked = {name for name, news in followed.items() if news or name not in self._aliases}
        asked.update([name for name in known if name not in asked][:ALIASES_A_TURN])
        self._aliases = {name: self._aliases[name] for name in known if name not in asked}
        if asked:
            # One of them is why it is refused: each is asked for alone then, and the others are answered.
            with contextlib.suppress(NotFoundError, RefusedError):
                self._aliases |= self._mlflow.aliases_of(sorted(asked))
        return self._aliases

    def snapshot(
        self,
        record: ServiceRecord,
        applications: Mapping[str, Application],
        refused: str,
        aliases: dict[str, dict[str, str]],
        now: float,
    ) -> Snapshot:
        """One service; `refused` tells why it has no place, and `aliases` are those of models that are known,
        and grow."""
        application = own_application(record.name, applications)
        model, version, graph_bytes, trouble = "", None, 0, ""
        if not record.undeploy:
            reference = model_reference(record.spec)
            model = reference.name
            version, graph_bytes, trouble = self._ordered(reference, record.rollout, aliases)
        replicas = application.replicas if application else ()
        reports = _reports(record, application)
        return Snapshot(
            rollout=record.rollout,
            model=model,
            version=version,
            trouble=trouble,
            graph_bytes=graph_bytes,
            undeploy=record.undeploy,
            status=application.status if application else None,
            trial=_trial(application),
            message=application.message if application else "",
            least=record.spec.replicas.least,
            target=application.target_replicas if application else 0,
            loading=sum(replica.state == "STARTING" and bool(replica.node_ip) for replica in replicas),
            refused=refused or self._refusal(record.name),
            again=self._again(record.name, version, application, now),
            reports=reports,
            told=tuple(record.reports.values()),
            replaced=_replaced(record, application),
            unanswered=self._unanswered(record, application),
        )

    def _again(self, name: str, version: str | None, application: Application | None, now: float) -> bool:
        if application is None or application.status == "RUNNING":
            self._failures.forget(name)
            return False
        if application.status != "DEPLOY_FAILED" or any(each.state in ALIVE for each in application.replicas):
            return False
        return self._failures.due(name, version, now)

    def _unanswered(self, record: ServiceRecord, application: Application | None) -> str:
        """Why nothing answers at a service's URL. Asked of a service until it is healthy, and not after."""
        url = self._settings.serve_url
        if not url or record.phase == Phase.HEALTHY or application is None or application.status != "RUNNING":
            return ""
        # What it says of itself is wanted as soon as it answers.
        self._asked.answer(f"{url}/{record.name}")
        answer = self._asked.answer(f"{url}/{record.name}/ping")
        if answer is None:
            return f"{url} is asked for them"
        if answer.trouble:
            return f"{url} cannot be reached: {answer.trouble}"
        return "" if answer.status == 200 else f"{url} does not lead to them yet ({answer.status})"

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
                told = tags.get(GRAPH_BYTES, "")
                graph_bytes = int(told) if told.isdecimal() else 0
        except (NotFoundError, RefusedError) as error:
            return None, 0, error.message
        return version, graph_bytes, ""


def _read(run: Run) -> ServiceRecord | None:
    try:
        return read_service(run)
    except UnreadableError:
        return None


def _is_moving(record: ServiceRecord, application: Application | None) -> bool:
    """Whether replicas may write to its run: they start or end, or have another version to load."""
    if record.phase != Phase.HEALTHY or record.undeploy:
        return True
    if application is None or application.status != "RUNNING":
        return True
    told = {key.removeprefix(f"{REPLICA}.") for key in record.run.tags if key.startswith(f"{REPLICA}.")}
    replicas = application.replicas
    if any(each.state not in ALIVE for each in replicas):
        return True
    # What those said that are gone is not removed while Serve tells of none.
    return bool(replicas) and told != {each.replica_id for each in replicas}


def read_orders(runs: Sequence[Found], applications: Mapping[str, Application]) -> Orders:
    """`runs`: the oldest first; of those of one name it is the service. Pure."""
    holders: dict[str, str] = {}
    live, later, aside = [], [], []
    for run, record in runs:
        holder = holders.get(run.name)
        if record is None:
            aside.append(run)
            # One that is ordered to end keeps its name as long as Serve has something of it.
            if UNDEPLOY_MS not in run.tags or run.run_id in map(run_id_of, applications.values()):
                holders.setdefault(run.name, run.run_id)
            continue
        if holder is None:
            holders[run.name] = run.run_id
            live.append(record)
        else:
            later.append((record, holder))
    return Orders(live, later, aside)


def run_id_of(application: Application) -> str | None:
    """The run that an application's config says it belongs to; None where it is not Journeyman's."""
    arguments = application.config.get("args")
    run_id = arguments.get("run_id") if isinstance(arguments, Mapping) else None
    return run_id if isinstance(run_id, str) else None


def own_application(name: str, applications: Mapping[str, Application]) -> Application | None:
    """That of a service, unless it is somebody else's."""
    application = applications.get(name)
    return None if application is None or _is_foreign(application) else application


def _is_foreign(application: Application) -> bool:
    # One that is ending has no config any more.
    return not application.declared or bool(application.config and run_id_of(application) is None)


def foreign_applications(applications: Mapping[str, Application]) -> list[Application]:
    return [application for application in applications.values() if _is_foreign(application)]


def why_not_placed(name: str, foreign: Sequence[Application]) -> str:
    """Whose name or route a service would take: Serve takes such a config, and two answer at one address."""
    for application in foreign:
        route = application.route_prefix or application.config.get("route_prefix", "")
        if application.name == name:
            return f"an application {name} that is not Journeyman's has its name"
        if route == f"/{name}":
            return f"the application {application.name}, which is not Journeyman's, has its route /{name}"
    return ""


def _trial(application: Application | None) -> int | None:
    """The number of the candidate in what Serve has."""
    config = application.config if application else {}
    try:
        trial = config["deployments"][0]["user_config"]["trial"]
    except (KeyError, IndexError, TypeError):
        return None
    return trial if isinstance(trial, int) else None


def _replaced(record: ServiceRecord, application: Application | None) -> tuple[tuple[str, Report], ...]:
    """Replicas that are gone and said before that they do not get on; none while Serve tells of none."""
    if application is None or not application.replicas:
        return ()
    there = {each.replica_id for each in application.replicas if each.state != "STOPPING"}
    return tuple(
        (replica_id, report)
        for replica_id, report in record.reports.items()
        if report.unhealthy and replica_id not in there
    )


def _reports(record: ServiceRecord, application: Application | None) -> tuple[Report | None, ...]:
    """What each replica that takes requests has said."""
    replicas = application.replicas if application else ()
    return tuple(record.reports.get(each.replica_id) for each in replicas if each.state in ALIVE)
