"""A job that no node holds, from its submit to its end, on clusters that grow, may grow, and do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from journeyman.client import Client
from journeyman.cluster.capacity import Growth
from journeyman.errors import UsageError
from journeyman.jobs.admission import GROWTH_LIMIT_S
from journeyman.jobs.attempt import STARTED_MS, moment
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records

from ..harness.world import BEGAN_S, SETTINGS, Immediate

UNKNOWN = replace(SETTINGS, attached=True, growth=None)
SAID = replace(UNKNOWN, growth=(Growth(total={"CPU": 4.0}, nodes=1),))


class Cluster:
    """A head of one CPU that an autoscaler watches, with a client and a control."""

    def __init__(self, folder: Path, known: bool) -> None:
        self.now_s = BEGAN_S
        self.mlflow, self.ray = FakeMlflow(lambda: self.now_s), FakeRay()
        self.ray.add_node({"CPU": 1.0})
        self.ray.autoscale()
        settings = SAID if known else UNKNOWN
        self.client = Client(settings, mlflow=self.mlflow, ray=self.ray)
        self._control = JobController(
            self.mlflow, self.ray, settings, "control", None, lambda count, name: Immediate()
        )
        (folder / "train.py").write_text("def loop(config): ...\n")
        self._folder = folder
        self.warnings: list[str] = []

    def submit(self, name: str, cpus: int) -> str:
        self.now_s += 1.0
        file = self._folder / f"{name}.yaml"
        lines = ("kind: train", f"name: {name}", "entrypoint: train:loop", "storage: /nowhere")
        file.write_text("\n".join((*lines, f"resources: {{cpus: {cpus}}}")))
        return self.client.submit(file, warn=self.warnings.append).run_id

    def turn(self, seconds: float = 1.0) -> None:
        self.now_s += seconds
        for _ in range(3):
            self._control.step(self.now_s)
        for job_id in self.ray.stopping:
            self.ray.end_job(job_id, "STOPPED")
        self._control.step(self.now_s)

    def told(self, run_id: str) -> tuple[str, str]:
        run = self.mlflow.run(run_id)
        return run.phase, run.reason

    def finish(self, run_id: str) -> None:
        self.mlflow.claim(run_id, moment(1, STARTED_MS), str(self.mlflow.now_ms()))
        self.turn()
        done = Outcome(cause=Cause.FINISHED, message="training finished").to_json()
        self.mlflow.set_tags(run_id, {f"{records.OUTCOME}.1": done})
        self.ray.end_job(f"{run_id}-1", "SUCCEEDED")
        self.turn()


@pytest.fixture
def cluster(tmp_path: Path) -> Callable[[bool], Cluster]:
    return lambda known: Cluster(tmp_path, known)


BEYOND = "needs 1 × 4 CPUs, and the cluster has 1 CPU (largest node: 1 CPU)"


def test_job_that_may_fit_after_growth_is_warned_of_and_finishes_when_its_node_comes(
    cluster: Callable[[bool], Cluster],
) -> None:
    grows = cluster(False)
    big, other, small = grows.submit("big", 4), grows.submit("other", 4), grows.submit("small", 1)
    assert [text.partition(": ")[2].partition("\n")[0] for text in grows.warnings] == [
        f"fits no node there is: {BEYOND}; the cluster may grow for it"
    ] * 2
    grows.turn()
    for ray_job in grows.ray.jobs():
        grows.ray.start_job(ray_job)
    # What fits is not held up, and the second is not tried beside the first.
    assert [each.submission_id for each in grows.ray.submissions] == [f"{big}-1", f"{small}-1"]
    grows.turn()
    assert grows.told(big) == ("starting", f"waits for nodes: {BEYOND}")
    assert grows.told(other)[1].endswith(f"whether it grows is tried for job big ({big[:8]}) first")
    grows.ray.use(grows.ray.add_node({"CPU": 4.0}), {"CPU": 4.0})
    grows.turn(GROWTH_LIMIT_S + 10)
    assert grows.told(big)[0] == "starting"
    grows.finish(big)
    assert grows.told(big)[0] == "finished"


def test_job_for_which_no_node_comes_fails_and_the_next_is_tried(cluster: Callable[[bool], Cluster]) -> None:
    grows = cluster(False)
    big, other = grows.submit("big", 4), grows.submit("other", 4)
    grows.turn()
    grows.ray.start_job(f"{big}-1")
    grows.turn(GROWTH_LIMIT_S - 10)
    assert grows.told(big)[0] == "starting"
    grows.turn(20)
    assert grows.told(big) == ("failed", f"no nodes came for it within 15 min: {BEYOND}")
    grows.turn()
    assert [each.submission_id for each in grows.ray.submissions] == [f"{big}-1", f"{other}-1"]


def test_growth_that_is_said_starts_what_it_holds_and_refuses_what_it_does_not(
    cluster: Callable[[bool], Cluster],
) -> None:
    grows = cluster(True)
    big = grows.submit("big", 4)
    with pytest.raises(UsageError, match=r"can never run: needs 1 × 5 CPUs, and the cluster has 1 CPU"):
        grows.submit("huge", 5)
    assert grows.warnings == []
    grows.turn()
    assert grows.told(big) == ("starting", "starts: 1 × 4 CPUs will be there once the cluster has grown")
