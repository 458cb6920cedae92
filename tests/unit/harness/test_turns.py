"""What a turn of control reads: what can have changed; and all there is, at first and each minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from journeyman.client import Client
from journeyman.jobs.admission import TURN
from journeyman.jobs.control.observe import FEW
from journeyman.serve.control import observe
from journeyman.serve.phases import Phase as ServicePhase
from journeyman.serve.records import read_rollout
from journeyman.tracking import records
from journeyman.tracking.live_runs import MAX_STRANGERS

from .world import CODE, SETTINGS, WRITES, Kind, World, died, job_is, service_is

MINUTE = 60
WAITING = 20


def queue(count: int = WAITING) -> tuple[World, list[str]]:
    """Jobs that wait behind the first of them, which needs more than there is now."""
    world = World()
    world.ray.use(world.node, {"CPU": 4.0})
    jobs = [world.submit("large", workers="8")]
    for number in range(1, count):
        world.now_s += 1
        jobs.append(world.submit(f"job-{number}"))
    world.turn(2)
    world.begin()
    return world, jobs


def services(count: int) -> tuple[World, list[str]]:
    """Services that answer with version 1."""
    world = World()
    runs = []
    for number in range(count):
        world.register(f"service-{number}")
        runs.append(world.deploy(f"service-{number}"))
    world.settle()
    assert [world.run(run).phase for run in runs] == ["healthy"] * count
    world.begin()
    return world, runs


def make_room(world: World) -> None:
    world.ray.use(world.node, {})


# -- what nothing happens to -----------------------------------------------------------------------------


def test_jobs_that_wait_are_not_read_again() -> None:
    world, _ = queue()
    world.turn(10)
    assert world.runs_read == 0
    jobs_searches = world.requests.count("runs/search") - 10 * 2
    assert jobs_searches == 10 * 2
    assert not WRITES.intersection(world.requests)
    assert world.requests.count("jobs/list") == world.requests.count("jobs/get") == 0


def test_services_that_answer_are_not_read_again() -> None:
    world, _ = services(6)
    world.turn(10)
    assert world.runs_read == 0
    assert world.requests.count("runs/search") == 10 * (2 + 2)
    assert world.requests.count("registered-models/search") == 10
    assert not WRITES.intersection(world.requests)


def test_services_that_nobody_asks_have_one_point_of_traffic() -> None:
    world, runs = services(3)
    world.turn(4 * MINUTE)
    assert world.requests.count("runs/log-batch") <= len(runs)
    assert [len(world.mlflow.metric_history(run, "requests")) for run in runs] == [1, 1, 1]


def test_all_are_listed_each_minute() -> None:
    world, _ = queue()
    world.turn(3 * MINUTE)
    assert world.runs_read == 3 * WAITING


def test_all_are_listed_at_the_start_of_a_term() -> None:
    world, _ = queue()
    world.restart()
    world.turn()
    assert world.runs_read == WAITING


def test_clock_that_was_set_back_puts_no_listing_off() -> None:
    world, _ = queue()
    world.now_s -= 3600
    world.turn()
    assert world.runs_read == WAITING


# -- orders ----------------------------------------------------------------------------------------------


def _submitted(world: World) -> str:
    return world.submit("new")


def _half_written_before(world: World) -> str:
    """Its code took long to upload."""
    run_id = world.submit("new")
    whole = world.run(run_id)
    half = {key: value for key, value in whole.tags.items() if key != records.SUBMITTED_MS}
    world.mlflow.adopt(replace(whole, tags=half), {})
    world.turn(5)
    assert records.TAKEN_UP_MS not in world.run(run_id).tags
    world.mlflow.set_tags(run_id, {records.SUBMITTED_MS: str(world.mlflow.now_ms())})
    return run_id


def _in_a_new_project(world: World) -> str:
    run = world.run(world.submit("new"))
    world.mlflow.delete_run(run.run_id)
    moved = world.mlflow.create_run(world.mlflow.experiment_id("elsewhere"), "new", run.tags)
    world.mlflow.update_run(moved.run_id, "SCHEDULED")
    world.mlflow.upload(moved, records.CODE_ARTIFACT, CODE.content)
    return moved.run_id


def _of_an_older_version(world: World) -> str:
    run_id = world.submit("new")
    old = {records.SCHEMA: "1", records.REASON: "anything"}
    world.mlflow.set_tags(run_id, old)
    return run_id


def _without_reason_or_key(world: World) -> str:
    run_id = world.submit("new")
    for key in (records.REASON, records.SUBMISSION_KEY):
        world.mlflow.delete_tag(run_id, key)
    return run_id


def _long_ago_by_its_clock(world: World) -> str:
    run_id = world.submit("new")
    world.mlflow.adopt(replace(world.run(run_id), start_ms=5), {})
    return run_id


@pytest.mark.parametrize(
    "order",
    [
        _submitted,
        _half_written_before,
        _in_a_new_project,
        _of_an_older_version,
        _without_reason_or_key,
        _long_ago_by_its_clock,
    ],
)
def test_order_of_a_job_is_taken_up_in_the_next_turn_however_it_was_made(
    order: Callable[[World], str],
) -> None:
    world, _ = queue()
    world.turn(3)
    run_id = order(world)
    world.runs_read = 0
    world.turn()
    assert (world.run(run_id).phase, world.run(run_id).reason) == ("queued", TURN)
    assert records.TAKEN_UP_MS in world.run(run_id).tags
    assert world.runs_read == 1


def test_jobs_come_back_to_the_queue_and_wait_as_others_do() -> None:
    world, jobs = queue(2)
    make_room(world)
    world.behaviour["large"] = died
    for _ in range(20):
        world.turn()
        if world.run(jobs[0]).phase == "queued" and world.attempts(jobs[0]):
            break
    world.ray.use(world.node, {"CPU": 4.0})
    world.runs_read = 0
    # Its pause is over before the minute is.
    world.turn(MINUTE - 30)
    assert world.run(jobs[0]).reason.startswith("waits: needs 8")
    world.runs_read = 0
    world.turn(3)
    assert world.runs_read == 0
    make_room(world)
    world.settle()
    assert list(job_is(world, jobs[0], "finished", attempts=2)) == []


def test_order_of_a_service_is_taken_up_in_the_next_turn() -> None:
    world, _ = services(4)
    world.register("new")
    run_id = world.deploy("new")
    world.turn()
    assert read_rollout(world.run(run_id).tags[records.ROLLOUT]).serving == "1"
    assert world.told("new")["serving"] == "1"


def test_changed_order_of_a_service_is_taken_up_in_the_next_turn() -> None:
    world, runs = services(4)
    world.register("other")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    spec = {"kind": "service", "name": "service-0", "model": "models:/other@champion"}
    for model in ("other", "service-0"):
        client.deploy(spec | {"model": f"models:/{model}@champion"})
        world.turn()
        assert read_rollout(world.run(runs[0]).tags[records.ROLLOUT]).model == model


def test_order_to_undeploy_is_taken_up_in_the_next_turn() -> None:
    world, runs = services(4)
    world.undeploy(runs[0])
    world.turn()
    assert world.run(runs[0]).phase == ServicePhase.UNDEPLOYING
    world.settle()
    assert world.run(runs[0]).status != "RUNNING"
    assert [world.run(run).phase for run in runs[1:]] == ["healthy"] * 3


def test_alias_that_moves_is_followed_in_the_next_turn_and_recorded_as_its_record_is_read() -> None:
    world, runs = services(4)
    world.register("service-0")
    world.turn(2)
    assert read_rollout(world.run(runs[0]).tags[records.ROLLOUT]).candidate == "2"
    world.settle()
    assert list(service_is(world, runs[0], "2")) == []


def test_of_many_models_the_aliases_are_asked_about_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "ALIASES_A_TURN", 2)
    world, runs = services(7)
    for number in range(7):
        world.register(f"service-{number}")
    followed = []
    for _ in range(5):
        world.turn()
        rollouts = (read_rollout(world.run(run).tags[records.ROLLOUT]) for run in runs)
        followed.append(sum(rollout.serving == "2" or rollout.candidate == "2" for rollout in rollouts))
    # Those whose record is read anew are asked about anew, beside two others.
    assert followed == sorted(followed)
    assert followed[0] == 0
    assert followed[-1] == 7


# -- cancelling ------------------------------------------------------------------------------------------


def test_cancel_of_a_job_that_waits_is_seen_in_the_next_turn() -> None:
    world, jobs = queue()
    world.cancel(jobs[7])
    world.turn()
    assert list(job_is(world, jobs[7], "cancelled", attempts=0)) == []
    assert world.runs_read == 1
    world.turn()
    assert world.runs_read == 1


def test_cancel_of_a_job_that_runs_is_seen_in_the_next_turn() -> None:
    world, jobs = queue()
    make_room(world)
    world.slow = {"large"}
    world.turn(8)
    assert world.run(jobs[0]).phase == "running"
    world.cancel(jobs[0])
    world.turn()
    assert world.run(jobs[0]).phase == "cancelling"


def test_cancel_of_a_job_that_waits_and_cannot_be_read_is_seen_in_the_next_turn() -> None:
    world, jobs = queue()
    world.mlflow.set_tags(jobs[3], {records.SPEC: "{"})
    world.turn(MINUTE)
    world.cancel(jobs[3])
    # Whether anything of it lives is asked of Ray first.
    world.turn(2)
    assert world.run(jobs[3]).status == "KILLED"
    assert "jobs/list" in world.requests


def test_job_that_cannot_be_read_is_not_ended_while_its_driver_lives() -> None:
    world = World(slow={"digits"})
    job = world.submit("digits")
    world.turn(6)
    world.mlflow.set_tags(job, {records.PHASE: "no such phase"})
    world.turn(2)
    world.cancel(job)
    ended_while_it_lived = False
    for _ in range(6):
        lived = bool(world.living(job))
        world.turn()
        ended_while_it_lived |= lived and world.run(job).status == "KILLED"
    assert not ended_while_it_lived
    assert world.living(job) == []
    assert world.run(job).status == "KILLED"


# -- what no filter covers -------------------------------------------------------------------------------


def test_record_that_was_changed_by_hand_is_read_within_a_minute() -> None:
    world, jobs = queue()
    smaller = (
        world.run(jobs[0]).tags[records.SPEC].replace('"8"', '"2"').replace('"workers":8', '"workers":2')
    )
    assert smaller != world.run(jobs[0]).tags[records.SPEC]
    world.mlflow.set_tags(jobs[0], {records.SPEC: smaller})
    world.turn(MINUTE + 2)
    assert world.attempts(jobs[0]) == [f"{jobs[0]}-1"]


def test_run_that_was_deleted_and_one_that_came_back_are_seen_within_a_minute() -> None:
    world, jobs = queue()
    kept = world.run(jobs[0])
    world.mlflow.delete_run(jobs[0])
    # Seen, brought to the cluster, started: the next one has room.
    world.turn(MINUTE + 2)
    assert world.attempts(jobs[1]) == [f"{jobs[1]}-1"]
    world.mlflow.adopt(kept, {records.CODE_ARTIFACT: CODE.content})
    world.settle()
    world.turn(MINUTE)
    make_room(world)
    world.settle()
    assert list(job_is(world, jobs[0], "finished")) == []


def test_order_of_a_service_that_was_changed_by_hand_is_read_within_a_minute() -> None:
    world, runs = services(3)
    world.register("other")
    changed = world.run(runs[1]).tags[records.SPEC].replace("models:/service-1@", "models:/other@")
    world.mlflow.set_tags(runs[1], {records.SPEC: changed})
    world.turn(MINUTE)
    assert read_rollout(world.run(runs[1]).tags[records.ROLLOUT]).model == "other"


def test_nothing_is_written_to_a_record_that_was_made_unreadable_since_it_was_read() -> None:
    world, jobs = queue()
    for run_id in (jobs[0], jobs[1]):
        world.mlflow.set_tags(run_id, {records.SCHEMA: "9"})
    before = [world.run(run_id).tags for run_id in (jobs[0], jobs[1])]
    make_room(world)
    world.turn(6)
    assert [world.run(run_id).tags for run_id in (jobs[0], jobs[1])] == before
    assert world.attempts(jobs[0]) == world.attempts(jobs[1]) == []
    # And those behind them are not held up.
    assert world.attempts(jobs[2]) == [f"{jobs[2]}-1"]


# -- what replicas say -----------------------------------------------------------------------------------


def test_replicas_that_come_and_go_are_read_as_they_report() -> None:
    world = World()
    world.register("letters")
    run_id = world.deploy("letters", replicas="1..3")
    world.settle()
    world.begin()
    for replicas in (3, 1, 2):
        world.ray.scale("letters", replicas)
        phases = []
        for _ in range(10):
            world.turn()
            phases.append(world.run(run_id).phase)
        assert set(phases) == {"healthy"}, phases
        tags = world.run(run_id).tags
        told = {key.removeprefix(f"{records.REPLICA}.") for key in tags if key.startswith(records.REPLICA)}
        [application] = world.ray.applications()
        assert told == {replica.replica_id for replica in application.replicas}
        world.runs_read = 0
        world.turn(3)
        assert world.runs_read == 0


def test_replica_that_dies_is_replaced_and_its_service_healthy_again() -> None:
    world, runs = services(3)
    [replica] = world.ray.applications()[0].replicas
    world.ray.lose_replica("service-0", replica.replica_id)
    world.settle()
    assert list(service_is(world, runs[0], "1")) == []
    assert f"{records.REPLICA}.{replica.replica_id}" not in world.run(runs[0]).tags


# -- what Ray is asked -----------------------------------------------------------------------------------


def running(count: int, faults: Mapping[int, Kind] | None = None) -> World:
    world = World(faults or {})
    world.ray.use(world.node, {})
    world.slow = {f"job-{number}" for number in range(count)}
    for number in range(count):
        world.submit(f"job-{number}", resources={"cpus": 0.5})
    world.turn(8)
    world.begin()
    return world


def test_ray_is_asked_about_few_jobs_one_by_one_and_about_many_at_once() -> None:
    few, many = running(FEW), running(FEW + 1)
    for world in (few, many):
        assert len([job for job in world.ray.jobs().values() if not job.ended]) >= FEW
        world.turn(3)
    assert (few.requests.count("jobs/get"), few.requests.count("jobs/list")) == (3 * FEW, 0)
    assert (many.requests.count("jobs/get"), many.requests.count("jobs/list")) == (0, 3)


def test_attempt_whose_run_is_deleted_is_told_to_stop_until_it_has_ended() -> None:
    def deleted(faults: Mapping[int, Kind]) -> World:
        world = running(2, faults)
        for submission_id in world.ray.jobs():
            world.mlflow.delete_run(submission_id.rpartition("-")[0])
        world.turn(6)
        assert all(job.ended for job in world.ray.jobs().values())
        assert world.requests.count("jobs/list") == 0
        return world

    stop = deleted({}).requests.index("jobs/stop") + 1
    deleted({stop: Kind.DOES_NOT_ARRIVE})


# -- reasons ---------------------------------------------------------------------------------------------


def test_position_in_the_queue_is_told_by_who_reads_and_written_to_no_record() -> None:
    world, jobs = queue()
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert client.job(jobs[9]).reason == f"waits behind job large ({jobs[0][:8]})"
    second = world.submit("second", workers="7")
    world.turn(2)
    world.requests.clear()
    world.cancel(jobs[0])
    for run_id in jobs[1:]:
        world.cancel(run_id)
    world.now_s += 1
    last = world.submit("last")
    world.turn(3)
    assert client.job(last).reason == f"waits behind job second ({second[:8]})"
    listed = {job.run_id: job.reason for job in client.unfinished_jobs()}
    assert listed[last] == f"waits behind job second ({second[:8]})"
    assert listed[second].startswith("waits: needs 7 × 1 CPU")
    assert {job.reason for job in client.jobs(1)} == {f"waits behind job second ({second[:8]})"}


def test_another_first_in_the_queue_changes_two_records() -> None:
    world, jobs = queue()
    world.mlflow.set_tags(jobs[1], {records.SPEC: world.run(jobs[0]).tags[records.SPEC]})
    world.turn(MINUTE)
    world.requests.clear()
    world.cancel(jobs[0])
    world.turn(3)
    # The one that is cancelled, and the one that comes first now.
    assert world.requests.count("runs/log-batch") == 2
    assert {world.run(run_id).reason for run_id in jobs[2:]} == {TURN}


# -- other clusters --------------------------------------------------------------------------------------


def test_many_orders_of_a_cluster_without_control_are_left_out() -> None:
    world, _ = queue()
    for number in range(MAX_STRANGERS + 1):
        world.mlflow.set_tags(world.submit(f"stranger-{number}"), {records.CLUSTER: "elsewhere"})
    world.turn()
    assert world.runs_read == MAX_STRANGERS + 1
    world.turn(5)
    assert world.runs_read == MAX_STRANGERS + 1
    mine = world.submit("mine")
    world.turn()
    assert world.run(mine).reason == TURN
