"""The fake Ray keeps the contract; and what it does that no real cluster can be made to do in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from journeyman.cluster.capacity import Growth
from journeyman.cluster.ray_api import RayApi
from journeyman.errors import RefusedError
from journeyman.testing import FakeRay

from ...contracts.ray_contract import *  # noqa: F403
from ...contracts.ray_contract import config

TURNS = 20


class FakeCluster:
    """Time passes in turns: jobs start and end by their entrypoints, and Serve does what it does next."""

    def __init__(self) -> None:
        self._ray = FakeRay()
        self._ray.add_node({"CPU": 4.0})
        self._ray.add_node({"CPU": 4.0})

    @property
    def ray(self) -> RayApi:
        return self._ray

    @property
    def others(self) -> Sequence[Mapping[str, Any]]:
        return ()

    def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(TURNS):
            if holds():
                return
            self._turn()
        assert holds()

    def _turn(self) -> None:
        for submission in self._ray.submissions:
            job = self._ray.jobs()[submission.submission_id]
            entrypoint = submission.entrypoint
            if job.ended:
                continue
            if job.submission_id in self._ray.stopping:
                self._ray.end_job(job.submission_id, "STOPPED")
            elif job.status == "PENDING":
                self._ray.start_job(job.submission_id)
            elif entrypoint.startswith("echo "):
                self._ray.end_job(job.submission_id, "SUCCEEDED", output=entrypoint.removeprefix("echo "))
            elif "exit 1" in entrypoint:
                self._ray.end_job(job.submission_id, "FAILED", output="trouble")
        for application in self._ray.applications():
            if str(application.config.get("import_path", "")).endswith(":nothing"):
                self._ray.fail_application(application.name, "no attribute 'nothing'")
        self._ray.advance()

    def deploy_foreign(self, name: str, route_prefix: str) -> None:
        self._ray.deploy_foreign(name, route_prefix)

    def remove_foreign(self, name: str) -> None:
        self._ray.remove_foreign(name)

    def restart_controller(self) -> None:
        self._ray.restart_controller()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


# -- the fake alone --------------------------------------------------------------------------------------


def test_every_living_node_is_told_of_however_many_there_are() -> None:
    ray = FakeRay()
    ids = [ray.add_node({"CPU": 1.0, "GPU": 1.0}) for _ in range(250)]
    assert len(ray.capacity((), ()).nodes) == len(ray.free_gpus()) == 250
    for node_id in sorted(ids)[:30]:
        ray.lose_node(node_id)
    assert len(ray.capacity((), ()).nodes) == len(ray.free_gpus()) == 220


def test_node_of_which_ray_does_not_tell_has_nothing_free() -> None:
    ray = FakeRay()
    node = ray.add_node({"CPU": 4.0, "GPU": 2.0})
    ray.use(node, None)
    [told] = ray.capacity((), ()).nodes
    assert (told.total, told.free, told.known) == ({"CPU": 4.0, "GPU": 2.0}, {}, False)
    assert list(ray.free_gpus().values()) == [0]


def test_growth_is_unknown_where_an_autoscaler_runs_and_nobody_said_what_it_adds() -> None:
    ray = FakeRay()
    ray.add_node({"CPU": 4.0})
    assert not ray.capacity(None, ()).growth_unknown
    ray.autoscale()
    assert ray.capacity(None, ()).growth_unknown
    growth = (Growth(total={"CPU": 4.0}, nodes=3),)
    for _ in range(2):
        ray.add_node({"CPU": 4.0})
    told = ray.capacity(growth, ())
    assert (told.growth_unknown, len(told.to_come), len(told.nodes)) == (False, 1, 3)


def test_what_of_a_node_is_in_use_is_not_free() -> None:
    ray = FakeRay()
    node = ray.add_node({"CPU": 4.0, "GPU": 2.0}, ip="10.0.0.7")
    ray.use(node, {"CPU": 3.0, "GPU": 1.5})
    [told] = ray.capacity((), ()).nodes
    assert (told.total, told.free) == ({"CPU": 4.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 0.5})
    assert ray.free_gpus() == {"10.0.0.7": 0.5}
    ray.set_stack(node, 101, "Thread 101")
    assert ray.stack(node, 101) == "Thread 101"
    for node_id, pid in ((node, 102), ("nowhere", 101)):
        with pytest.raises(RefusedError):
            ray.stack(node_id, pid)


def test_replicas_start_beside_those_that_they_follow() -> None:
    ray = FakeRay()
    ray.add_node({"CPU": 4.0}, ip="10.0.0.7")
    ray.put_applications({"applications": [config("a", num_replicas=2)]})

    def states() -> list[str]:
        [told] = ray.applications()
        return [told.status, *(replica.state for replica in told.replicas)]

    assert states() == ["DEPLOYING"]
    ray.settle()
    assert states() == ["RUNNING", "RUNNING", "RUNNING"]
    ray.put_applications({"applications": [config("a", word="other", num_replicas=2)]})
    seen = [states()]
    while ray.advance():
        seen.append(states())
    assert seen == [
        ["DEPLOYING"],
        ["DEPLOYING", "RUNNING", "RUNNING"],
        ["DEPLOYING", "RUNNING", "RUNNING", "STARTING", "STARTING"],
        ["DEPLOYING", "STOPPING", "STOPPING", "RUNNING", "RUNNING"],
        ["RUNNING", "RUNNING", "RUNNING"],
    ]
    ray.restart_controller()
    assert states() == ["DEPLOYING", "RECOVERING", "RECOVERING"]
    ray.settle()
    assert states() == ["RUNNING", "RUNNING", "RUNNING"]
    [told] = ray.applications()
    ray.lose_replica("a", told.replicas[0].replica_id)
    ray.settle()
    assert states() == ["RUNNING", "RUNNING", "RUNNING"]


def test_autoscaler_stays_within_what_the_config_allows() -> None:
    ray = FakeRay()
    scaling = {"min_replicas": 1, "max_replicas": 3}
    ray.put_applications({"applications": [config("a", autoscaling_config=scaling)]})
    ray.settle()
    for asked, replicas in ((5, 3), (0, 1), (2, 2)):
        ray.scale("a", asked)
        ray.settle()
        [told] = ray.applications()
        assert len(told.replicas) == told.target_replicas == replicas


def test_head_that_starts_anew_knows_nothing() -> None:
    ray = FakeRay()
    ray.add_node({"CPU": 4.0})
    ray.submit("a", "sleep 1", {}, {})
    ray.upload_package("a.zip", b"")
    ray.put_applications({"applications": [config("a")]})
    client = ray.another()
    ray.restart_head()
    assert (client.jobs(), client.applications(), client.capacity((), ()).nodes) == ({}, (), ())
    assert not client.has_package("a.zip")
    assert list(client.stopping) == []
    client.submit("a", "sleep 1", {}, {})
    ray.forget_job("a")
    assert client.jobs() == {}
