"""A Ray cluster in memory, as the dashboard of Ray 2.60 tells it: nodes, jobs, code packages and Serve.

Nothing happens by itself. What Ray would do in time a test has it do: `start_job`, `end_job`, `advance`.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeVar

from journeyman.cluster.archive import Archive
from journeyman.cluster.capacity import Capacity, Growth, Node, Occupant, nodes_to_come
from journeyman.cluster.ray_state import Application, RayJob, Replica
from journeyman.errors import NotFoundError, RefusedError
from journeyman.testing.wire import Wire, direct

URL = "http://ray.test"

_PENDING = "Job has not started yet. It may be waiting for resources or for its runtime environment."
_MESSAGES = {
    "RUNNING": "Job is currently running.",
    "SUCCEEDED": "Job finished successfully.",
    "STOPPED": "Job was intentionally stopped.",
    "FAILED": "Job entrypoint command failed with exit code 1",
}
_EXIT_CODES = {"SUCCEEDED": 0, "FAILED": 1}
_HOLDING = ("RUNNING", "UPDATING", "STOPPING")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job as it was submitted."""

    submission_id: str
    entrypoint: str
    runtime_env: Mapping[str, Any]
    metadata: Mapping[str, str]
    node: Mapping[str, float]
    gpus: float


@dataclass(slots=True)
class _Node:
    ip: str
    total: Mapping[str, float]
    used: Mapping[str, float] | None
    """None while Ray does not tell."""
    head: bool
    alive: bool = True


@dataclass(slots=True)
class _Application:
    """What Serve makes of one application of a config, or of one that something else deployed."""

    declared: bool
    route_prefix: str
    """Empty until it is built for the first time."""
    wanted_route: str = ""
    status: str = "DEPLOYING"
    message: str = ""
    target: int = 1
    least: int = 1
    most: int = 1
    amounts: Mapping[str, float] = field(default_factory=dict)
    """What one replica holds."""
    program: str = ""
    """Another text means that it is built anew."""
    code: str = ""
    """Another text means other replicas."""
    built: bool = False
    """Until it is, Serve tells of no replicas, though those of the config before it run and answer."""
    stuck: bool = False
    """Serve could not even begin to build it, and will not try again."""
    replicas: dict[str, Replica] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    """Of each replica."""
    trouble: str = ""
    """Why it cannot be deployed."""


@dataclass(slots=True)
class _Cluster:
    """What every client of it sees."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    nodes: dict[str, _Node] = field(default_factory=dict)
    """The first of them is the head."""
    autoscales: bool = False
    jobs: dict[str, RayJob] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    stopping: list[str] = field(default_factory=list)
    stacks: dict[tuple[str, int], str] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    configs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of each application, as Serve stored it."""
    applications: dict[str, _Application] = field(default_factory=dict)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """What is refused, by a path and the beginning of what it is about."""
    unappliable: list[str] = field(default_factory=list)
    """A config with such a text in it is stored and not applied."""


class FakeRay:
    """One Ray cluster and a client of it, which has what `RayApi` has. Threads may share it.

    `wire` carries the requests; `another` makes further clients of the same cluster. Methods from `add_node`
    on are what happens to the cluster. Ids are the same in each test.
    """

    def __init__(self, wire: Wire = direct) -> None:
        self._wire = wire
        self._cluster = _Cluster()

    def another(self, wire: Wire = direct) -> FakeRay:
        """Another client of this cluster."""
        client = FakeRay(wire)
        client._cluster = self._cluster
        return client

    @property
    def url(self) -> str:
        return URL

    def close(self) -> None:
        pass

    def _ask(self, path: str, answer: Callable[[], Result]) -> Result:
        def locked() -> Result:
            with self._cluster.lock:
                return answer()

        return self._wire(path, locked)

    # -- nodes ---------------------------------------------------------------------------------------

    def capacity(self, growth: tuple[Growth, ...] | None, applications: tuple[Application, ...]) -> Capacity:
        occupants = tuple(
            Occupant(name=a.name, replicas=len(a.replicas), held=a.held) for a in applications if a.held
        )
        nodes = tuple(_told(node) for node in self._ask("nodes/summary", self._alive))
        unknown = growth is None and self._ask("cluster-status", lambda: self._cluster.autoscales)
        to_come = nodes_to_come(growth or (), nodes)
        return Capacity(nodes=nodes, to_come=to_come, growth_unknown=unknown, occupants=occupants)

    def free_gpus(self) -> dict[str, float]:
        nodes = self._ask("nodes/summary", self._alive)
        return {node.ip: _told(node).free.get("GPU", 0) for node in nodes}

    def metrics_urls(self) -> list[str]:
        """None: a replica of the fake counts no requests."""
        return self._ask("nodes/summary", list)

    def _alive(self) -> list[_Node]:
        return [node for node in self._cluster.nodes.values() if node.alive]

    # -- jobs ----------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, RayJob]:
        return self._ask("jobs/list", lambda: dict(self._cluster.jobs))

    def job(self, submission_id: str) -> RayJob:
        return self._ask("jobs/get", lambda: self._known_job(submission_id, ""))

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
        node: Mapping[str, float] | None = None,
        gpus: float = 0,
    ) -> None:
        submission = Submission(
            submission_id=submission_id,
            entrypoint=entrypoint,
            runtime_env=runtime_env,
            metadata=metadata,
            node=dict(node or {}),
            gpus=gpus,
        )

        def submit() -> None:
            self._check_refusals("jobs/submit", submission_id)
            if submission_id in self._cluster.jobs:
                # All that the client keeps of Ray's answer, a traceback that ends in a line of its own.
                _refuse("POST /api/jobs/", ".", 500)
            self._cluster.submissions.append(submission)
            self._set_job(submission_id, "PENDING", _PENDING)

        self._ask("jobs/submit", submit)

    def job_output(self, submission_id: str) -> str:
        def output() -> str:
            self._known_job(submission_id, "/logs")
            return self._cluster.outputs.get(submission_id, "")

        return self._ask("jobs/logs", output)

    def stop(self, submission_id: str) -> None:
        def stop() -> None:
            self._check_refusals("jobs/stop", submission_id)
            if not self._known_job(submission_id, "/stop").ended:
                self._cluster.stopping.append(submission_id)

        self._ask("jobs/stop", stop)

    def stack(self, node_id: str, pid: int) -> str:
        def stack() -> str:
            node = self._cluster.nodes.get(node_id)
            if node is None or not node.alive:
                raise RefusedError("its node is gone")
            if (node_id, pid) not in self._cluster.stacks:
                raise RefusedError("the process is gone")
            return self._cluster.stacks[node_id, pid]

        return self._ask("worker/traceback", stack)

    def _known_job(self, submission_id: str, of: str) -> RayJob:
        job = self._cluster.jobs.get(submission_id)
        if job is None:
            raise NotFoundError(f"Ray at {URL} knows nothing at /api/jobs/{submission_id}{of}")
        return job

    def _set_job(self, submission_id: str, status: str, message: str) -> None:
        self._cluster.jobs[submission_id] = RayJob(
            submission_id=submission_id,
            status=status,
            message=message,
            exit_code=_EXIT_CODES.get(status),
        )

    # -- code ----------------------------------------------------------------------------------------

    def has_package(self, name: str) -> bool:
        return self._ask("packages/get", lambda: name in self._cluster.packages)

    def upload_package(self, name: str, content: bytes) -> None:
        def upload() -> None:
            self._check_refusals("packages/put", name)
            self._cluster.packages[name] = content

        self._ask("packages/put", upload)

    def keep_package(self, archive: Archive) -> None:
        if not self.has_package(archive.package):
            self.upload_package(archive.package, archive.content)

    # -- serve ---------------------------------------------------------------------------------------

    def applications(self) -> tuple[Application, ...]:
        return self._ask("serve/get", self._applications)

    def _applications(self) -> tuple[Application, ...]:
        found = []
        for name, application in self._cluster.applications.items():
            shown = application.built and application.status != "DELETING"
            replicas = tuple(application.replicas.values()) if shown else ()
            holding = sum(replica.state in _HOLDING for replica in replicas)
            amounts = application.amounts.items() if holding else ()
            found.append(
                Application(
                    name=name,
                    status=application.status,
                    message=application.message,
                    replicas=replicas,
                    target_replicas=application.target if shown else 0,
                    held={key: amount * holding for key, amount in amounts if amount},
                    config=self._cluster.configs.get(name, {}),
                    route_prefix=application.route_prefix,
                    declared=application.declared,
                )
            )
        return tuple(found)

    def put_applications(self, config: Mapping[str, Any]) -> None:
        """As Serve does: checked as a whole, stored as a whole, and then applied one after another."""
        self._ask("serve/put", lambda: self._put(config))

    def _put(self, config: Mapping[str, Any]) -> None:
        wanted: Sequence[Mapping[str, Any]] = config["applications"]
        _check_config(wanted)
        for each in wanted:
            self._check_refusals("serve/put", each["name"])
        cluster = self._cluster
        cluster.configs = {each["name"]: each for each in wanted}
        for each in wanted:
            name = each["name"]
            application = cluster.applications.get(name)
            if application is None:
                application = _Application(declared=True, route_prefix="")
                cluster.applications[name] = application
            _apply(application, each, tuple(cluster.unappliable))
        for name, application in cluster.applications.items():
            if application.declared and name not in cluster.configs:
                application.status, application.message = "DELETING", ""

    # -- what is refused -----------------------------------------------------------------------------

    def refuse(self, path: str, about: str) -> None:
        """From now on Ray says no: to the `jobs/submit` and `jobs/stop` of ids that begin so, to the
        `packages/put` of such a package, to a `serve/put` with such an application, which is stored no more
        than the others in it.
        """
        with self._cluster.lock:
            self._cluster.refusals.append((path, about))

    def refuse_to_apply(self, text: str) -> None:
        """From now on a config of an application with this text is stored, and refused when it is applied;
        what comes after it in the same `serve/put` is stored too and not applied, and nothing is deleted.
        """
        with self._cluster.lock:
            self._cluster.unappliable.append(text)

    def refuse_nothing(self) -> None:
        """What was refused is taken from now on."""
        with self._cluster.lock:
            self._cluster.refusals.clear()
            self._cluster.unappliable.clear()

    def _check_refusals(self, path: str, about: str) -> None:
        if any(path == refused and about.startswith(begins) for refused, begins in self._cluster.refusals):
            _refuse(path, f"{about} cannot be taken.", 400)

    # -- what happens to nodes -----------------------------------------------------------------------

    def add_node(self, total: Mapping[str, float], ip: str | None = None) -> str:
        """A node with all of `total` free; its id."""
        with self._cluster.lock:
            number = next(self._cluster.numbers)
            node_id = hashlib.sha256(b"node %d" % number).hexdigest()[:56]
            address = ip or f"10.0.{number // 250}.{number % 250 + 1}"
            self._cluster.nodes[node_id] = _Node(address, total, {}, head=not self._cluster.nodes)
            return node_id

    def autoscale(self) -> None:
        """Have an autoscaler run from now on; a test adds the nodes that it starts."""
        with self._cluster.lock:
            self._cluster.autoscales = True

    def use(self, node_id: str, used: Mapping[str, float] | None) -> None:
        """Have so much of a node in use from now on; None where Ray does not tell how much."""
        with self._cluster.lock:
            self._cluster.nodes[node_id].used = used

    def lose_node(self, node_id: str) -> None:
        """Ray goes on listing it, as dead."""
        with self._cluster.lock:
            self._cluster.nodes[node_id].alive = False

    def set_stack(self, node_id: str, pid: int, text: str) -> None:
        """Have a process whose stacks can be seen."""
        with self._cluster.lock:
            self._cluster.stacks[node_id, pid] = text

    # -- what happens to jobs ------------------------------------------------------------------------

    @property
    def submissions(self) -> Sequence[Submission]:
        """Every job that was taken, in order."""
        return self._cluster.submissions

    @property
    def stopping(self) -> Sequence[str]:
        """Jobs that were asked to end and have not."""
        return [job for job in self._cluster.stopping if job in self._cluster.jobs]

    def start_job(self, submission_id: str) -> None:
        with self._cluster.lock:
            self._known_job(submission_id, "")
            self._set_job(submission_id, "RUNNING", _MESSAGES["RUNNING"])

    def end_job(self, submission_id: str, status: str, message: str = "", output: str = "") -> None:
        """With SUCCEEDED, STOPPED or FAILED; `output` is what its driver printed."""
        with self._cluster.lock:
            self._known_job(submission_id, "")
            self._cluster.outputs[submission_id] = output
            self._cluster.stopping = [job for job in self._cluster.stopping if job != submission_id]
            self._set_job(submission_id, status, message or _MESSAGES[status])

    def forget_job(self, submission_id: str) -> None:
        """As a head does that was started anew, or a person who deletes it."""
        with self._cluster.lock:
            del self._cluster.jobs[submission_id]

    # -- what happens to applications ----------------------------------------------------------------

    def advance(self) -> bool:
        """What Serve does next with each application; whether anything changed.

        From a new config to a service that runs takes four: it is built, replicas start beside the old ones,
        they run and the old ones stop, which then are gone.
        """
        with self._cluster.lock:
            before = self._applications()
            for name, application in list(self._cluster.applications.items()):
                if application.status == "DELETING":
                    del self._cluster.applications[name]
                elif application.trouble:
                    application.status, application.message = "DEPLOY_FAILED", application.trouble
                elif not application.built:
                    application.built = not application.stuck
                    if application.built:
                        application.route_prefix = application.wanted_route
                else:
                    self._deploy_on(application)
            return self._applications() != before

    def settle(self) -> None:
        """Advance until nothing changes."""
        while self.advance():
            pass

    def fail_application(self, name: str, message: str) -> None:
        """Its newest config cannot be deployed. The next one is tried anew."""
        with self._cluster.lock:
            self._cluster.applications[name].trouble = message

    def scale(self, name: str, replicas: int) -> None:
        """As the autoscaler decides, within what the config allows."""
        with self._cluster.lock:
            application = self._cluster.applications[name]
            application.target = min(max(replicas, application.least), application.most)

    def lose_replica(self, name: str, replica_id: str) -> None:
        """It dies; another one is started in its place."""
        with self._cluster.lock:
            application = self._cluster.applications[name]
            del application.replicas[replica_id], application.codes[replica_id]

    def deploy_foreign(self, name: str, route_prefix: str) -> None:
        """An application of somebody else's program, which no config names: Serve keeps none for it."""
        with self._cluster.lock:
            foreign = _Application(declared=False, route_prefix=route_prefix, built=True)
            self._cluster.applications[name] = foreign

    def remove_foreign(self, name: str) -> None:
        with self._cluster.lock:
            self._cluster.applications[name].status = "DELETING"

    def restart_controller(self) -> None:
        """Serve's own dies and is started anew: it finds its applications and their replicas again."""
        with self._cluster.lock:
            for application in self._cluster.applications.values():
                if application.status != "DELETING":
                    application.status, application.message = "DEPLOYING", ""
                application.replicas = {
                    key: replace(replica, state="RECOVERING") for key, replica in application.replicas.items()
                }

    def restart_head(self) -> None:
        """The cluster is another one: it has no nodes and knows nothing of jobs, code and applications."""
        with self._cluster.lock:
            cluster = self._cluster
            cluster.nodes, cluster.jobs, cluster.packages = {}, {}, {}
            cluster.configs, cluster.applications = {}, {}

    def _deploy_on(self, application: _Application) -> None:
        for replica_id, replica in list(application.replicas.items()):
            if replica.state == "STOPPING":
                del application.replicas[replica_id], application.codes[replica_id]
            elif replica.state in ("STARTING", "RECOVERING"):
                _set_state(application, replica_id, "RUNNING")
        new = [key for key in application.replicas if application.codes[key] == application.code]
        old = [key for key in application.replicas if application.codes[key] != application.code]
        if len(new) < application.target:
            for _ in range(application.target - len(new)):
                self._start_replica(application)
        elif leaving := old + new[application.target :]:
            for replica_id in leaving:
                _set_state(application, replica_id, "STOPPING")
        else:
            application.status, application.message = "RUNNING", ""

    def _start_replica(self, application: _Application) -> None:
        number = next(self._cluster.numbers)
        alive = [node.ip for node in self._cluster.nodes.values() if node.alive]
        node_ip = alive[len(application.replicas) % len(alive)] if alive else ""
        replica_id = hashlib.sha256(b"replica %d" % number).hexdigest()[:8]
        application.replicas[replica_id] = Replica(replica_id=replica_id, state="STARTING", node_ip=node_ip)
        application.codes[replica_id] = application.code


def _told(node: _Node) -> Node:
    if node.used is None:
        return Node(total=node.total, free={}, known=False, head=node.head)
    free = {key: amount - node.used.get(key, 0) for key, amount in node.total.items()}
    return Node(total=node.total, free=free, head=node.head)


def _set_state(application: _Application, replica_id: str, state: str) -> None:
    application.replicas[replica_id] = replace(application.replicas[replica_id], state=state)


def _refuse(request: str, message: str, status: int) -> NoReturn:
    raise RefusedError(f"Ray at {URL} refused {request} ({status}): {message}")


def _refuse_config(message: str) -> NoReturn:
    _refuse("PUT /api/serve/applications/", message, 400)


def _check_config(applications: Sequence[Mapping[str, Any]]) -> None:
    """What Serve looks at before it stores anything."""
    for each in applications:
        route: str = each.get("route_prefix", "/")
        if not route.startswith("/") or (len(route) > 1 and route.endswith("/")):
            raise NotImplementedError(f"FakeRay does not know what Serve makes of the route {route!r}")
        if not each["name"]:
            _refuse_config("Application names must be nonempty.")
        if not any(mark in str(each["import_path"]).strip(":.") for mark in ":."):
            _refuse_config(f'Got invalid import path "{each["import_path"]}".')
        for deployment in each.get("deployments", ()):
            count = deployment.get("num_replicas")
            if isinstance(count, int) and count < 1:
                _refuse_config("num_replicas: Input should be greater than 0")
            if count not in (None, "auto") and deployment.get("autoscaling_config"):
                _refuse_config("Manually setting num_replicas is not allowed with autoscaling_config.")
    for key in ("name", "route_prefix"):
        values = [each.get(key, "/") for each in applications]
        if repeated := {value for value in values if values.count(value) > 1}:
            _refuse_config(f"Found several applications of {key} {', '.join(sorted(repeated))}")


def _apply(application: _Application, config: Mapping[str, Any], unappliable: Sequence[str]) -> None:
    """What Serve looks at when it has stored the whole config already."""
    application.declared = True
    application.trouble = ""
    application.status, application.message = "DEPLOYING", ""
    runtime_env: Mapping[str, Any] = config.get("runtime_env") or {}
    program = repr((config["import_path"], runtime_env, config.get("args")))
    if program != application.program:
        application.built = False
    application.program = program
    application.wanted_route = config.get("route_prefix", "/")
    if application.built:
        application.route_prefix = application.wanted_route
    application.stuck = any(not isinstance(each, str) for each in runtime_env.get("env_vars", {}).values())
    if application.stuck:
        _refuse_config("runtime_env['env_vars'] must be of type Dict[str, str]")
    if any(text in repr(config) for text in unappliable):
        application.built, application.stuck = False, True
        _refuse_config(f"{config['name']} cannot be applied.")
    deployment: Mapping[str, Any] = next(iter(config.get("deployments", ())), {})
    options: Mapping[str, Any] = deployment.get("ray_actor_options") or {}
    application.amounts = {
        "CPU": float(options.get("num_cpus") or 0),
        "GPU": float(options.get("num_gpus") or 0),
    }
    application.code = f"{program} {options!r}"
    scaling: Mapping[str, Any] = deployment.get("autoscaling_config") or {}
    application.least = int(scaling.get("min_replicas", deployment.get("num_replicas") or 1))
    application.most = int(scaling.get("max_replicas", deployment.get("num_replicas") or 1))
    application.target = min(max(application.target, application.least), application.most)
