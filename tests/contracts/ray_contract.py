"""What Ray's dashboard does, as far as control stands on it: the tests, for the fake and for a real cluster.

`test_ray.py` beside this file runs them on the fake, `integration/test_ray_contract.py` on a real one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest

from journeyman.cluster.archive import archive, package_uri
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application
from journeyman.errors import NotFoundError, RefusedError

PROGRAM = """
from ray import serve


@serve.deployment
class Echo:
    def __init__(self, word: str) -> None:
        self.word = word

    def reconfigure(self, config: dict) -> None:
        pass

    async def __call__(self, request: object) -> str:
        return self.word


def app(arguments: dict) -> serve.Application:
    return Echo.bind(arguments["word"])
"""
ARCHIVE = archive([("journeyman_contract.py", 0o644, PROGRAM.encode())])
"""A program for Serve, as control sends Journeyman itself."""

REFUSED: list[dict[str, Any]] = [
    {"route_prefix": "/contract-a"},
    {"name": "contract-a"},
    {"name": ""},
    {"import_path": "nowhere"},
    {"deployments": [{"name": "Echo", "num_replicas": 0}]},
    {"deployments": [{"name": "Echo", "num_replicas": 1, "autoscaling_config": {"max_replicas": 2}}]},
]
"""What of a config Serve refuses beside one that is named contract-a."""


class Cluster(Protocol):
    """One cluster: a client of it, and time."""

    @property
    def ray(self) -> RayApi: ...

    @property
    def others(self) -> Sequence[Mapping[str, Any]]:
        """Configs of the applications that were there before, and are to stay."""

    def until(self, holds: Callable[[], bool]) -> None:
        """Let the cluster do what it does until something holds."""

    def deploy_foreign(self, name: str, route_prefix: str) -> None:
        """Have a program of somebody else deploy PROGRAM's application."""

    def remove_foreign(self, name: str) -> None: ...

    def restart_controller(self) -> None:
        """Have Serve's own controller die and be started anew."""


@dataclass
class Deployed:
    """The applications of one test, by name."""

    cluster: Cluster
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self) -> None:
        ours = [self.configs[name] for name in sorted(self.configs)]
        self.cluster.ray.put_applications({"applications": [*self.cluster.others, *ours]})

    def found(self, name: str) -> Application | None:
        return next((each for each in self.cluster.ray.applications() if each.name == name), None)

    def status(self, name: str) -> str | None:
        found = self.found(name)
        return found.status if found else None

    def ids(self, name: str) -> set[str]:
        found = self.found(name)
        assert found is not None
        return {replica.replica_id for replica in found.replicas}

    def until(self, name: str, status: str | None) -> None:
        self.cluster.until(lambda: self.status(name) == status)


@pytest.fixture
def deployed(cluster: Cluster) -> Any:
    """Nothing at first, and nothing again after the test."""
    cluster.ray.keep_package(ARCHIVE)
    deployed = Deployed(cluster)
    yield deployed
    names = set(deployed.configs)
    deployed.configs = {}
    deployed.put()
    cluster.until(lambda: not names & {each.name for each in cluster.ray.applications()})


def config(name: str, word: str = "hello", **deployment: Any) -> dict[str, Any]:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": "journeyman_contract:app",
        "runtime_env": {"py_modules": [package_uri(ARCHIVE.package)]},
        "args": {"word": word},
        "deployments": [{"name": "Echo", "ray_actor_options": {"num_cpus": 0.1}, **deployment}],
    }


def submit(cluster: Cluster, entrypoint: str) -> str:
    submission_id = uuid.uuid4().hex
    cluster.ray.submit(submission_id, entrypoint, {}, {"contract": "yes"})
    return submission_id


def job_status(cluster: Cluster, submission_id: str) -> str:
    return cluster.ray.jobs()[submission_id].status


# -- jobs ------------------------------------------------------------------------------------------------


def test_unknown_job_is_not_found(cluster: Cluster) -> None:
    unknown = uuid.uuid4().hex
    for ask in (cluster.ray.stop, cluster.ray.job_output, cluster.ray.job):
        with pytest.raises(NotFoundError):
            ask(unknown)
    assert unknown not in cluster.ray.jobs()


def test_second_submit_of_an_id_is_refused_while_the_job_is_and_after(cluster: Cluster) -> None:
    refused = r"refused POST /api/jobs/ \(500\): \.$"
    job = submit(cluster, "echo first")
    with pytest.raises(RefusedError, match=refused):
        cluster.ray.submit(job, "echo second", {}, {})
    cluster.until(lambda: cluster.ray.jobs()[job].ended)
    told = cluster.ray.jobs()[job]
    assert (told.status, told.exit_code, told.submission_id) == ("SUCCEEDED", 0, job)
    assert told.message == "Job finished successfully."
    assert "first" in cluster.ray.job_output(job)
    with pytest.raises(RefusedError, match=refused):
        cluster.ray.submit(job, "echo second", {}, {})
    assert cluster.ray.jobs()[job] == cluster.ray.job(job) == told
    assert "second" not in cluster.ray.job_output(job)


def test_job_that_fails_says_so(cluster: Cluster) -> None:
    job = submit(cluster, "sh -c 'echo trouble; exit 1'")
    cluster.until(lambda: cluster.ray.jobs()[job].ended)
    told = cluster.ray.jobs()[job]
    assert (told.status, told.exit_code) == ("FAILED", 1)
    assert told.message.startswith("Job entrypoint command failed with exit code 1")
    assert "trouble" in cluster.ray.job_output(job)


def test_stop_ends_a_job_later_and_leaves_one_that_has_ended_as_it_is(cluster: Cluster) -> None:
    job = submit(cluster, "sleep 600")
    cluster.until(lambda: job_status(cluster, job) == "RUNNING")
    cluster.ray.stop(job)
    cluster.ray.stop(job)
    cluster.until(lambda: cluster.ray.jobs()[job].ended)
    told = cluster.ray.jobs()[job]
    assert (told.status, told.message) == ("STOPPED", "Job was intentionally stopped.")
    cluster.ray.stop(job)
    done = submit(cluster, "echo done")
    cluster.until(lambda: cluster.ray.jobs()[done].ended)
    cluster.ray.stop(done)
    assert job_status(cluster, done) == "SUCCEEDED"
    assert cluster.ray.jobs()[job] == told


# -- packages and nodes ----------------------------------------------------------------------------------


def test_package_is_there_once_it_is_uploaded_and_may_be_uploaded_again(cluster: Cluster) -> None:
    one = archive([("one.txt", 0o644, uuid.uuid4().bytes)])
    assert not cluster.ray.has_package(one.package)
    cluster.ray.upload_package(one.package, one.content)
    assert cluster.ray.has_package(one.package)
    cluster.ray.upload_package(one.package, one.content)
    other = archive([("other.txt", 0o644, uuid.uuid4().bytes)])
    for _ in range(2):
        cluster.ray.keep_package(other)
        assert cluster.ray.has_package(other.package)


def test_nodes_tell_what_they_have_and_what_of_it_is_free(cluster: Cluster) -> None:
    capacity = cluster.ray.capacity((), cluster.ray.applications())
    assert capacity.totals()["CPU"] >= 1
    assert [node.head for node in capacity.nodes].count(True) == 1
    for node in capacity.nodes:
        assert node.known
        assert node.free.keys() == node.total.keys()
        assert all(0 <= node.free[key] <= node.total[key] for key in node.total)
    assert len(cluster.ray.free_gpus()) == len(capacity.nodes)
    assert not cluster.ray.capacity(None, ()).growth_unknown


# -- serve -----------------------------------------------------------------------------------------------


def test_application_runs_scales_and_is_deleted_when_no_config_names_it(
    cluster: Cluster, deployed: Deployed
) -> None:
    deployed.configs = {"contract-a": config("contract-a"), "contract-b": config("contract-b")}
    deployed.put()
    for name in deployed.configs:
        found = deployed.found(name)
        assert found is not None
        assert (found.status, found.config) == ("DEPLOYING", deployed.configs[name])
    for name in deployed.configs:
        deployed.until(name, "RUNNING")
    found = deployed.found("contract-a")
    assert found is not None
    [replica] = found.replicas
    assert (replica.state, found.target_replicas, dict(found.held)) == ("RUNNING", 1, {"CPU": 0.1})
    assert (found.declared, found.route_prefix) == (True, "/contract-a")
    assert replica.node_ip
    # More of them leave those that are there.
    deployed.configs["contract-a"] = config("contract-a", num_replicas=2, user_config={"a": 1})
    deployed.put()
    cluster.until(lambda: len(deployed.ids("contract-a")) == 2 and deployed.status("contract-a") == "RUNNING")
    assert replica.replica_id in deployed.ids("contract-a")
    # Other arguments are other code: every replica is another one.
    before = deployed.ids("contract-a")
    deployed.configs["contract-a"] = config("contract-a", word="other", num_replicas=2)
    deployed.put()
    # While it is built no replica is told of, though those before it go on.
    found = deployed.found("contract-a")
    assert found is not None
    assert (found.status, found.replicas, found.target_replicas, dict(found.held)) == ("DEPLOYING", (), 0, {})
    deployed.until("contract-a", "RUNNING")
    assert len(deployed.ids("contract-a") - before) == len(deployed.ids("contract-a")) == 2
    gone = deployed.configs.pop("contract-b")
    deployed.put()
    found = deployed.found("contract-b")
    assert found is None or (found.status, found.replicas, found.config) == ("DELETING", (), {})
    deployed.until("contract-b", None)
    assert deployed.status("contract-a") is not None
    deployed.configs["contract-b"] = gone


def test_config_that_is_refused_changes_nothing_for_anybody(cluster: Cluster, deployed: Deployed) -> None:
    deployed.configs = {"contract-a": config("contract-a")}
    deployed.put()
    deployed.until("contract-a", "RUNNING")
    before = deployed.found("contract-a")
    for change in REFUSED:
        deployed.configs = {
            "contract-a": config("contract-a", word="other"),
            "contract-b": config("contract-b") | change,
        }
        with pytest.raises(RefusedError, match=r"PUT .*\(400\)"):
            deployed.put()
        assert deployed.found("contract-a") == before, change
        assert deployed.status("contract-b") is None, change


def test_config_that_cannot_be_applied_is_stored_and_those_after_it_are_not_applied(
    cluster: Cluster, deployed: Deployed
) -> None:
    deployed.configs = {"contract-a": config("contract-a"), "contract-d": config("contract-d")}
    deployed.put()
    for name in deployed.configs:
        deployed.until(name, "RUNNING")
    bad = config("contract-b")
    bad["runtime_env"] = {"env_vars": {"COUNT": 1}}
    ours = {"contract-a": config("contract-a", num_replicas=2), "contract-b": bad}
    deployed.configs = ours | {"contract-c": config("contract-c")}
    with pytest.raises(RefusedError, match=r"PUT .*\(400\)"):
        deployed.put()
    for name, stored in ours.items():
        found = deployed.found(name)
        assert found is not None
        assert found.config == stored
    # Applied before the bad one; neither applied nor deleted after it.
    cluster.until(lambda: len(deployed.ids("contract-a")) == 2)
    assert deployed.status("contract-c") is None
    left = deployed.found("contract-d")
    assert left is not None
    assert (left.status, left.config) == ("RUNNING", {})
    # The bad one is never begun, and never fails.
    stuck = deployed.found("contract-b")
    assert stuck is not None
    assert (stuck.status, stuck.message, stuck.replicas) == ("DEPLOYING", "", ())
    deployed.configs["contract-d"] = config("contract-d")


def test_application_that_cannot_be_built_fails_alone_and_keeps_its_config(
    cluster: Cluster, deployed: Deployed
) -> None:
    deployed.configs = {"contract-a": config("contract-a")}
    deployed.put()
    deployed.until("contract-a", "RUNNING")
    unbuilt = config("contract-a") | {"import_path": "journeyman_contract:nothing"}
    deployed.configs = {"contract-a": unbuilt, "contract-b": config("contract-b")}
    deployed.put()
    deployed.until("contract-a", "DEPLOY_FAILED")
    deployed.until("contract-b", "RUNNING")
    failed = deployed.found("contract-a")
    assert failed is not None
    assert (failed.config, failed.replicas, failed.target_replicas) == (unbuilt, (), 0)
    assert "nothing" in failed.message
    # The next config is tried as if nothing had been.
    deployed.configs["contract-a"] = config("contract-a")
    deployed.put()
    deployed.until("contract-a", "RUNNING")


def test_application_of_somebody_else_stays_and_no_config_is_kept_for_it(
    cluster: Cluster, deployed: Deployed
) -> None:
    cluster.deploy_foreign("contract-foreign", "/contract-foreign")
    try:
        deployed.until("contract-foreign", "RUNNING")
        # A config that has its address is taken all the same.
        same = config("contract-a") | {"route_prefix": "/contract-foreign"}
        deployed.configs = {"contract-a": same}
        deployed.put()
        deployed.until("contract-a", "RUNNING")
        foreign = deployed.found("contract-foreign")
        assert foreign is not None
        assert (foreign.status, foreign.config) == ("RUNNING", {})
        assert (foreign.declared, foreign.route_prefix) == (False, "/contract-foreign")
    finally:
        cluster.remove_foreign("contract-foreign")


def test_controller_that_is_started_anew_finds_its_applications_again(
    cluster: Cluster, deployed: Deployed
) -> None:
    deployed.configs = {"contract-a": config("contract-a", num_replicas=2)}
    deployed.put()
    deployed.until("contract-a", "RUNNING")

    def found() -> Application | None:
        """Nothing is promised of the order of replicas."""
        seen = deployed.found("contract-a")
        by_id = sorted(seen.replicas, key=lambda replica: replica.replica_id) if seen else ()
        return replace(seen, replicas=tuple(by_id)) if seen else None

    before = found()
    cluster.restart_controller()
    cluster.until(lambda: found() == before)
    deployed.put()
    deployed.until("contract-a", "RUNNING")
    assert found() == before
