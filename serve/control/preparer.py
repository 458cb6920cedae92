"""What control does about engines: knows which verdicts there are, and has prepare jobs make what lacks."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from journeyman.cluster.archive import Archive, package_uri
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.requirement_lines import pip_environment
from journeyman.errors import DeniedError, NotFoundError, RefusedError
from journeyman.serve.control.application import process_environment
from journeyman.serve.preparation import Decision, Preparation, Snapshot, decide, is_race
from journeyman.serve.records import Rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.serve.verdict import Verdict, write_verdict
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.records import ENGINES

_ENTRYPOINT = ("python", "-m", "journeyman.cluster.priority", "journeyman.serve.benchmark.prepare_job")
_NODE_SHARE = 0.001
"""Of the resource that Ray gives each node under its address: enough to be sent there."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """A version on one kind of hardware, and the nodes that have it."""

    spec: ServiceSpec
    rollout: Rollout
    hardware: str
    node_ips: tuple[str, ...]


class Preparer:
    """Holds what it has read of the registry; one thread calls it.

    `check` raises where this control may write no more.
    """

    def __init__(
        self,
        mlflow: MlflowApi,
        ray: RayApi,
        package: Archive | None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._mlflow = mlflow
        self._ray = ray
        self._package = package
        self._check = check
        self._since_s: dict[str, float] = {}
        """When prepare jobs that have not ended were seen first, by this control."""
        self._verdicts: dict[tuple[str, str], frozenset[str] | None] = {}
        """Keys of hardware, by model and version; None for a version with which none can be stored."""

    def verdicts(self, rollout: Rollout) -> str:
        """The keys of those on the version that replicas begin with: another text when there is a new one."""
        version = (rollout.model, rollout.target)
        if version not in self._verdicts:
            self._read(version)
        return ",".join(sorted(self._verdicts.get(version) or ()))

    def step(self, serving: Sequence[Serving], now: float) -> None:
        """Look for verdicts that have come, and have the next one made."""
        unread = {(each.rollout.model, each.rollout.serving) for each in self._lacking(serving)}
        if not unread:
            return
        # The jobs first: one that is seen to have ended has its verdict in what is read next.
        known = self._ray.jobs()
        jobs = {id_: job.status for id_, job in known.items()}
        live = [id_ for id_, job in known.items() if is_race(id_) and not job.ended]
        self._since_s = {id_: self._since_s.get(id_, now) for id_ in live}
        for version in unread:
            self._read(version)
        lacking = {self._preparation(each): each for each in self._lacking(serving)}
        if not lacking:
            return
        # Asked for once: a race may wait for long, and this is every turn's.
        free_gpus = self._ray.free_gpus() if any(each.spec.resources.gpus for each in serving) else {}
        nodes = {preparation: _node_with_room(each, free_gpus) for preparation, each in lacking.items()}
        snapshot = Snapshot(
            lacking=tuple(lacking),
            no_room=frozenset(preparation for preparation, node_ip in nodes.items() if node_ip is None),
            jobs=jobs,
            since_s=self._since_s,
        )
        self._act(decide(snapshot, now), lacking, nodes)

    def _act(
        self,
        decision: Decision,
        lacking: Mapping[Preparation, Serving],
        nodes: Mapping[Preparation, str | None],
    ) -> None:
        for submission_id in decision.stop:
            self._stop(submission_id)
        for submission_id, preparation in decision.give_up:
            self._give_up(submission_id, preparation)
        if decision.submit is None:
            return
        submission_id, preparation = decision.submit
        serving = lacking[preparation]
        environment: dict[str, object] = {
            "env_vars": process_environment(serving.spec),
            **pip_environment(serving.spec.requirements),
        }
        self._check()
        if self._package is not None:
            self._ray.keep_package(self._package)
            environment["py_modules"] = [package_uri(self._package.package)]
        try:
            self._ray.submit(
                submission_id,
                shlex.join((*_ENTRYPOINT, preparation.model_dump_json())),
                environment,
                {"journeyman_service": serving.spec.name},
                # Its timings hold for that hardware.
                node={f"node:{nodes[preparation]}": _NODE_SHARE},
                gpus=serving.spec.resources.gpus,
            )
        except RefusedError as error:
            # The next turn tries again, or finds it submitted.
            _log.warning("the engines of %s are not benchmarked yet: %s", serving.spec.name, error.message)

    def _stop(self, submission_id: str) -> None:
        self._check()
        try:
            self._ray.stop(submission_id)
        except (NotFoundError, RefusedError) as error:
            # It is told again the next time, and nobody waits for it.
            _log.warning("the race %s takes too long and cannot be stopped: %s", submission_id, error.message)

    def _give_up(self, submission_id: str, preparation: Preparation) -> None:
        try:
            words = self._ray.job_output(submission_id).strip().splitlines()
        except (NotFoundError, RefusedError):
            words = []
        failed = Verdict(
            hardware=preparation.hardware,
            times_us={},
            rejected={},
            failed=f"the prepare job {submission_id} failed: {words[-1] if words else 'no word of it'}"[:500],
        )
        tag = f"{ENGINES}.{preparation.hardware}"
        self._check()
        try:
            self._mlflow.set_version_tag(preparation.model, preparation.version, tag, write_verdict(failed))
        except (DeniedError, NotFoundError, RefusedError) as error:
            # The version serves as it is, and nobody would remember that it was tried.
            _log.warning("that its engines are not raced cannot be stored: %s", error.message)
            self._verdicts[preparation.model, preparation.version] = None

    def _lacking(self, serving: Sequence[Serving]) -> list[Serving]:
        found = []
        for each in serving:
            known = self._verdicts.get((each.rollout.model, each.rollout.serving), frozenset())
            if known is not None and each.hardware not in known:
                found.append(each)
        return found

    def _preparation(self, serving: Serving) -> Preparation:
        return Preparation(
            mlflow_url=self._mlflow.url,
            model=serving.rollout.model,
            version=serving.rollout.serving,
            hardware=serving.hardware,
            allow_code=serving.spec.allow_code,
        )

    def _read(self, version: tuple[str, str]) -> None:
        try:
            tags = self._mlflow.model_version(*version).get("tags", ())
        except NotFoundError:
            # Deleted: nothing can be stored with it any more.
            self._verdicts.setdefault(version, None)
            return
        except RefusedError:
            # MLflow is in trouble: it is asked again.
            return
        keys = {tag["key"] for tag in tags}
        found = {key.removeprefix(f"{ENGINES}.") for key in keys if key.startswith(f"{ENGINES}.")}
        self._verdicts[version] = frozenset(found)


def _node_with_room(serving: Serving, free_gpus: Mapping[str, float]) -> str | None:
    gpus = serving.spec.resources.gpus
    if not gpus:
        # It takes no CPU from what could be placed.
        return serving.node_ips[0]
    # Of two on one GPU both are slow, and one of them is asked by people.
    return next((ip for ip in serving.node_ips if free_gpus.get(ip, 0) >= gpus), None)
