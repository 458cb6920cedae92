"""An attempt between its claim and its first step: its size, its place, and since when it is waited for."""

from __future__ import annotations

import pytest

from journeyman.jobs.attempt import READY_MS, moment
from journeyman.jobs.control.attempts import READY_S
from journeyman.jobs.control.controller import poll_interval_s
from journeyman.jobs.records import read_job
from journeyman.tracking import records
from journeyman.tracking.job_store.environment import WORKERS

from ..harness.world import Kind, World, job_is

CPUS = 8.0
"""Of the one node there is."""


class Still(World):
    """Nothing happens in it but what control does."""

    def others_go_on(self) -> None:
        pass


def workers_of(world: World, run_id: str) -> list[str]:
    """Of each of its Ray jobs, as it was submitted."""
    return [
        each.runtime_env["env_vars"][WORKERS]
        for each in world.ray.submissions
        if each.submission_id.startswith(f"{run_id}-")
    ]


def refused_once(world: World, name: str, **spec: str) -> str:
    """A job whose first submission Ray refused."""
    job = world.submit(name, **spec)
    world.ray.refuse("jobs/submit", job)
    world.turn(2)
    assert world.run(job).phase == "starting"
    world.ray.refuse_nothing()
    return job


def test_attempt_that_is_submitted_again_takes_the_size_that_the_cluster_has_then() -> None:
    world = World()
    job = refused_once(world, "job", workers="1..8")
    assert read_job(world.run(job)).attempts[-1].workers == 8
    world.ray.use(world.node, {"CPU": 5.0})
    world.now_s += 10
    world.turn(2)
    assert workers_of(world, job) == ["3"]
    assert read_job(world.run(job)).attempts[-1].workers == 3


def test_attempt_that_is_submitted_again_and_grows_takes_nobody_elses_place() -> None:
    world = World()
    world.ray.use(world.node, {"CPU": 6.0})
    job = refused_once(world, "job", workers="1..8")
    assert read_job(world.run(job)).attempts[-1].workers == 2
    other = world.submit("other", workers="4")
    world.ray.use(world.node, {})
    world.now_s += 10
    world.turn(2)
    assert workers_of(world, job) == ["8"]
    # All is taken: it is not admitted in the turn in which the first one grows.
    assert (workers_of(world, other), world.run(other).phase) == ([], "queued")


def test_attempt_that_does_not_fit_any_more_is_submitted_again_with_its_least() -> None:
    world = World()
    job = refused_once(world, "job", workers="2..8")
    world.ray.use(world.node, {"CPU": CPUS})
    world.now_s += 10
    world.turn(2)
    assert workers_of(world, job) == ["2"]


@pytest.mark.parametrize("away_s", [READY_S + 1200, 10 * READY_S])
def test_time_in_which_nobody_controlled_counts_against_no_attempt(away_s: float) -> None:
    def play(killed: int | None) -> World:
        world = World({killed: Kind.KILLED_BEFORE} if killed else {})
        world.begin()
        job = world.submit("job")
        while len(world.requests) < (killed or submitted or 1):
            world.turn()
        world.now_s += away_s
        world.turn(3)
        assert world.run(job).phase in ("starting", "running", "finished"), killed
        world.settle()
        assert list(job_is(world, job, "finished")) == [], killed
        return world

    submitted = 0
    world = play(None)
    submitted = world.requests.index("jobs/submit") + 1
    for at in range(1, submitted + 1):
        play(at)


def test_attempt_of_a_version_before_is_waited_for_from_when_it_was_seen_first_and_not_for_ever() -> None:
    world = Still()
    job = world.submit("job")
    tags = {records.SCHEMA: "1", records.PHASE: "starting", records.ATTEMPT: "1"}
    world.mlflow.set_tags(job, tags)
    world.mlflow.claim(job, f"{records.CLAIM_PARAM}.1", "a control of before")
    world.ray.submit(f"{job}-1", "python train.py", {}, {})
    # It may have waited in the queue for days.
    world.now_s += 100 * READY_S
    world.turn(3)
    seen_s = world.now_s
    assert world.run(job).phase == "starting"
    assert read_job(world.run(job)).attempts[-1].admitted_ms == int((seen_s - 2) * 1000)
    world.now_s = seen_s + READY_S
    world.turn(3)
    assert (world.run(job).phase, world.ray.stopping) == ("starting", [])
    world.now_s += 1000
    world.turn(2)
    assert set(world.ray.stopping) == {f"{job}-1"}
    assert "were not there after 4500 s" in world.run(job).tags[f"{records.OUTCOME}.1"]


def test_attempt_of_a_version_before_runs_once_its_workers_say_so() -> None:
    world = Still()
    job = world.submit("job")
    world.mlflow.set_tags(job, {records.SCHEMA: "1", records.PHASE: "starting", records.ATTEMPT: "1"})
    world.ray.submit(f"{job}-1", "python train.py", {}, {})
    world.ray.start_job(f"{job}-1")
    world.turn(3)
    world.mlflow.set_tags(job, {records.WORKERS_STARTED_MS: str(world.mlflow.now_ms())})
    world.turn(2)
    assert world.run(job).phase == "running"


@pytest.mark.parametrize("ready", [False, True])
def test_place_of_a_job_whose_workers_are_there_is_taken_once(ready: bool) -> None:
    world = Still()
    job = world.submit("job", workers="4")
    world.turn(2)
    world.ray.start_job(f"{job}-1")
    # Its placement group stands, and Ray counts it as taken.
    world.ray.use(world.node, {"CPU": 4.0})
    if ready:
        world.mlflow.claim(job, moment(1, READY_MS), str(world.mlflow.now_ms()))
    other = world.submit("other", workers="4")
    world.turn(2)
    # Until its workers have told, it may have nothing yet.
    assert world.run(other).phase == ("starting" if ready else "queued")


@pytest.mark.parametrize(
    ("workers", "interval_s"), [(1, 0.25), (2, 0.25), (8, 0.25), (16, 0.5), (64, 2.0), (1000, 2.0)]
)
def test_controller_of_few_workers_looks_after_them_often(workers: int, interval_s: float) -> None:
    assert poll_interval_s(workers) == interval_s


def test_interval_of_an_attempt_follows_its_workers_and_a_spec_may_set_its_own() -> None:
    world = World()
    world.ray.add_node({"CPU": 16.0})
    told = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
    plain = world.submit("plain", workers="16")
    own = world.submit("own", workers="2", env={told: "1"})
    world.turn(2)
    intervals = {
        submission.submission_id.rpartition("-")[0]: submission.runtime_env["env_vars"][told]
        for submission in world.ray.submissions
    }
    assert intervals == {plain: "0.5", own: "1"}
