"""One bad thing beside everything else: an unreadable record, a refusal that stays, an order cut in half."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import pytest

from journeyman.client import Client
from journeyman.cluster.archive import archive
from journeyman.errors import JourneymanError, NotFoundError, RefusedError
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.submit.submission import submit
from journeyman.serve.orders import create_service
from journeyman.serve.spec import ServiceSpec
from journeyman.testing.wire import Wire
from journeyman.tracking import records

from .test_faults import Check, bystanders
from .world import SETTINGS, Killed, Kind, World, job_is, order, service_is

Result = TypeVar("Result")
LONG = "训练数据无法读取，请检查路径。" * 400
"""A message of 6,000 characters, each of which JSON writes as six."""


def wrong(world: World, *checks: Check) -> list[str]:
    """What does not hold in the end; turns that failed among it."""
    return [*(each for check in checks for each in check()), *dict.fromkeys(world.crashes)]


# -- records that cannot be read -----------------------------------------------------------------------

UNREADABLE_JOBS: Mapping[str, Mapping[str, str]] = {
    "a spec that is no JSON": {records.SPEC: '{"kind": "train", "name": "jo'},
    "a spec that is no object": {records.SPEC: "[]"},
    "a spec of another version": {records.SPEC: '{"kind": "train", "name": "job", "quota": "gold"}'},
    "a phase of another version": {records.PHASE: "preempted"},
    "an attempt that is no number": {records.ATTEMPT: "second"},
    "a time that is no number": {records.SUBMITTED_MS: "yesterday"},
    "a request to cancel that is no number": {records.CANCEL_MS: "now"},
    "no code": {records.CODE_SHA256: ""},
}
UNREADABLE_SERVICES: Mapping[str, Mapping[str, str]] = {
    "a spec that is no JSON": {records.SPEC: '{"kind": "service", "name": "let'},
    "a rollout that is cut": {records.ROLLOUT: '{"model": "letters", "serv'},
    "a rollout of another version": {records.ROLLOUT: '{"model": "letters", "serving": "1", "weights": {}}'},
    "a report that is cut": {f"{records.REPLICA}.0a1b": '{"generation": 1, "serving": "1", "rea'},
}


@pytest.mark.parametrize("tags", UNREADABLE_JOBS.values(), ids=UNREADABLE_JOBS)
def test_job_that_cannot_be_read_holds_up_nobody_else(tags: Mapping[str, str]) -> None:
    world = World()
    job = world.submit("job")
    world.mlflow.set_tags(job, tags)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []


@pytest.mark.parametrize("tags", UNREADABLE_JOBS.values(), ids=UNREADABLE_JOBS)
def test_job_that_cannot_be_read_runs_on_as_it_is_until_it_is_cancelled(tags: Mapping[str, str]) -> None:
    world = World()
    world.slow.add("job")
    job = world.submit("job")
    # One whose number of attempts cannot be read may have any.
    world.ray.submit(f"{job}-2", "python train.py", {}, {})
    world.turn(6)
    world.mlflow.set_tags(job, {key: value for key, value in tags.items() if key != records.CANCEL_MS})
    before = world.run(job)
    if records.CANCEL_MS not in tags:
        world.turn(8)
        assert world.run(job) == before
        assert world.living(job) == [f"{job}-2", f"{job}-1"]
    world.mlflow.set_tags(job, {records.CANCEL_MS: "now"})
    asked = world.run(job)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []
    assert world.living(job) == []
    assert (world.run(job).status, world.run(job).tags) == ("KILLED", asked.tags)


@pytest.mark.parametrize("whole", ["run", "project"])
def test_job_that_was_deleted_in_mlflow_is_ended_and_once_restored_says_so(whole: str) -> None:
    world = World()
    world.slow.add("job")
    job, other = world.submit("job"), world.submit("other")
    world.slow.add("other")
    strange = "f" * 32 + "-1"
    world.ray.submit(strange, "python train.py", {}, {})
    world.turn(6)
    assert world.living(job) == [f"{job}-1"]
    if whole == "run":
        world.mlflow.delete_run(job)
    else:
        world.mlflow.delete_experiment(world.run(job).experiment_id)
    world.turn(75)
    assert world.living(job) == []
    assert bool(world.living(other)) is (whole == "run")
    # What is nobody's job is left alone.
    assert not world.ray.jobs()[strange].ended
    if whole == "run":
        world.mlflow.restore_run(job)
        world.turn(75)
        assert world.run(job).phase == "cancelled"
        assert "while its run was deleted in MLflow" in world.run(job).reason
        assert world.attempts(job) == [f"{job}-1"]
    assert world.crashes == []


@pytest.mark.parametrize("tags", UNREADABLE_SERVICES.values(), ids=UNREADABLE_SERVICES)
def test_service_that_cannot_be_read_holds_up_nobody_else(tags: Mapping[str, str]) -> None:
    world = World()
    world.register("letters")
    service = world.deploy("letters")
    world.turn(6)
    world.mlflow.set_tags(service, tags)
    before = world.told("letters")
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []
    # What runs goes on.
    assert world.told("letters") == before


def test_job_that_fails_in_any_language_ends_and_holds_up_nobody_else() -> None:
    world = World()
    world.behaviour["job"] = lambda world, run_id, attempt: Outcome(
        cause=Cause.USER, message=f"ValueError: {LONG[:1000]}", rank=0, detail=LONG[:3000]
    )
    job = world.submit("job")
    others = bystanders(world)
    world.settle()
    assert wrong(world, others, lambda: job_is(world, job, "failed")) == []


@pytest.mark.parametrize("tags", UNREADABLE_JOBS.values(), ids=UNREADABLE_JOBS)
def test_listing_shows_the_jobs_beside_one_that_cannot_be_read(tags: Mapping[str, str]) -> None:
    world = World()
    job = world.submit("job")
    world.mlflow.set_tags(job, tags)
    world.submit("other")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert sorted(found.name for found in client.jobs()) == ["job", "other"]
    assert sorted(found.name for found in client.unfinished_jobs()) == ["job", "other"]
    # It can be named and cancelled all the same.
    for reference in (job, job[:8], "job"):
        assert client.job(reference).run_id == job
    assert client.cancel(job).run_id == job
    assert world.run(job).tags[records.CANCEL_MS].isdigit()


@pytest.mark.parametrize("tags", UNREADABLE_SERVICES.values(), ids=UNREADABLE_SERVICES)
def test_listing_shows_the_services_beside_one_that_cannot_be_read(tags: Mapping[str, str]) -> None:
    world = World()
    service = world.deploy("letters")
    world.mlflow.set_tags(service, tags)
    world.deploy("numbers")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert [found.name for found in client.services()] == ["letters", "numbers"]
    for reference in (service, service[:8], "letters"):
        assert client.service(reference).run_id == service
    assert client.undeploy(service).run_id == service
    assert records.UNDEPLOY_MS in world.run(service).tags


def test_order_for_a_service_that_does_not_fit_is_refused() -> None:
    world = World()
    world.register("letters")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    client.deploy({"kind": "service", "name": "letters", "model": "models:/letters@champion"})
    large = {f"VARIABLE_{number}": "x" * 40 for number in range(200)}
    with pytest.raises(JourneymanError, match="8,000"):
        client.deploy(
            {"kind": "service", "name": "letters", "model": "models:/letters@champion", "env": large}
        )
    assert [service.name for service in client.services()] == ["letters"]


# -- refusals that stay --------------------------------------------------------------------------------


def test_job_that_ray_never_takes_fails_and_holds_up_nobody_else() -> None:
    world = World()
    job = world.submit("job", workers="8")
    world.ray.refuse("jobs/submit", job)
    others = bystanders(world)
    world.turn(20)
    # It is tried again, and takes no place meanwhile.
    assert wrong(world, others) == []
    assert world.run(job).phase == "starting"
    for _ in range(4):
        world.turn(20)
        world.now_s += 600
    assert wrong(world, others) == []
    assert world.run(job).phase == "failed"
    assert "cannot be taken" in world.run(job).reason


def test_job_whose_code_is_lost_fails_and_holds_up_nobody_else() -> None:
    world = World()
    job = world.submit("job", workers="8")
    # It is no other job's.
    world.mlflow.set_tags(job, {records.CODE_SHA256: "c0de"})
    world.mlflow.delete_artifact(world.run(job), records.CODE_ARTIFACT)
    others = bystanders(world)
    world.turn(20)
    assert wrong(world, others) == []
    for _ in range(4):
        world.turn(20)
        world.now_s += 600
    assert wrong(world, others, lambda: job_is(world, job, "failed", attempts=0)) == []
    assert "has no artifact code/code.zip" in world.run(job).reason


def test_job_that_ray_refuses_for_a_while_starts_in_the_same_attempt() -> None:
    world = World()
    job = world.submit("job")
    world.ray.refuse("jobs/submit", job)
    world.turn(12)
    assert "is tried again after 20 s" in world.run(job).reason
    world.ray.refuse_nothing()
    world.now_s += 20
    world.settle()
    assert wrong(world, lambda: job_is(world, job, "finished")) == []
    assert world.attempts(job) == [f"{job}-1"]


def test_service_that_serve_refuses_says_so_and_holds_up_nobody_else() -> None:
    world = World()
    world.register("letters")
    service = world.deploy("letters")
    world.ray.refuse("serve/put", "letters")
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []
    assert "cannot be taken" in world.run(service).reason


def test_reason_says_once_what_is_refused_each_turn() -> None:
    world = World()
    world.package = archive([("journeyman/__init__.py", 0o644, b"")])
    job = world.submit("job")
    world.ray.refuse("packages/put", world.package.package)
    world.turn(12)
    assert world.run(job).reason.count("cannot be taken") == 1


def test_stop_that_ray_refuses_is_sent_again_and_its_phase_and_reason_stay() -> None:
    world = World()
    world.slow.add("job")
    job = world.submit("job")
    world.turn(5)
    world.cancel(job)
    world.ray.refuse("jobs/stop", job)
    others = bystanders(world)
    world.turn(12)
    run = world.run(job)
    assert (run.phase, run.reason.count("cannot be taken")) == ("cancelling", 1)
    world.ray.refuse_nothing()
    world.settle()
    assert wrong(world, others, lambda: job_is(world, job, "cancelled")) == []


@pytest.mark.parametrize("phase", ["queued", "running"])
def test_run_that_nobody_may_write_to_holds_up_nobody_else(phase: str) -> None:
    world = World()
    job = world.submit("job")
    world.mlflow.set_tags(job, {records.SPEC: "{}", records.PHASE: phase})
    world.mlflow.close_run(job)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []


def test_job_that_waits_and_that_nobody_may_write_to_takes_no_place() -> None:
    world = World()
    job = world.submit("job", workers="8")
    world.mlflow.close_run(job)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []


# -- orders --------------------------------------------------------------------------------------------


def interrupted() -> Iterator[int]:
    """The numbers of the requests of a submission, each of which may be its last."""
    world = World()
    world.begin()
    submit(order("job"), world.on_trial(), SETTINGS, "key")
    return iter(range(1, len(world.requests) + 1))


def test_order_that_was_cut_in_half_is_whole_or_not_there() -> None:
    left: dict[int, str] = {}
    for at in interrupted():
        world = World({at: Kind.KILLED_AFTER})
        world.begin()
        with pytest.raises(Killed):
            submit(order("job"), world.on_trial(), SETTINGS, "key")
        client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
        for job in client.jobs():
            if not job.ended:
                client.cancel(job.run_id)
        world.settle()
        if living := [job.phase for job in client.jobs() if not job.ended]:
            left[at] = ", ".join(living)
    assert left == {}


def failing(at: int, trouble: BaseException) -> Wire:
    """Has the request of one number fail, and all others answered."""
    numbers = itertools.count(1)

    def wire(name: str, request: Callable[[], Result], /) -> Result:
        if next(numbers) == at:
            raise trouble
        return request()

    return wire


@pytest.mark.parametrize("trouble", [RefusedError("no"), KeyboardInterrupt()], ids=["refused", "interrupted"])
def test_order_that_is_refused_or_interrupted_is_whole_or_leaves_nothing_behind(
    trouble: BaseException,
) -> None:
    left: list[int] = []
    for at in interrupted():
        world = World()
        with pytest.raises(type(trouble)):
            submit(order("job"), world.mlflow.another(wire=failing(at, trouble)), SETTINGS, "key")
        left.append(len(world.run_ids()))
        client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
        assert len(client.jobs()) == left[-1]
    # The last request of all only looks at the order, which is whole by then.
    assert left == [0] * (len(left) - 1) + [1]


def test_half_an_order_is_cancelled_by_its_id_alone_and_no_other_verb_knows_it() -> None:
    world = World()
    run_id = half_an_order(world)
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert (client.jobs(), client.unfinished_jobs()) == ([], [])
    for reference in (run_id, run_id[:8], "job"):
        with pytest.raises(NotFoundError):
            client.job(reference)
    with pytest.raises(NotFoundError):
        client.cancel("job")
    assert not client.job_to_cancel(run_id[:8]).ended
    assert client.cancel(run_id[:8]).phase == "cancelled"
    assert world.run(run_id).status == "KILLED"
    # The same submission, tried again, does not go on with what was cancelled.
    again = submit(order("job"), world.mlflow, SETTINGS, "key")
    assert again.run_id != run_id
    assert [job.run_id for job in client.jobs()] == [again.run_id]


def test_half_an_order_is_deleted_by_control_a_day_later() -> None:
    world = World()
    half_an_order(world)
    others = bystanders(world)
    runs = len(world.run_ids())
    world.settle()
    assert len(world.run_ids()) == runs
    world.now_s += 25 * 3600
    world.settle()
    assert len(world.run_ids()) == runs - 1
    assert wrong(world, others) == []


def half_an_order(world: World) -> str:
    """Of a submitter that died before the last word; the id of its run."""
    client = world.mlflow.another(wire=failing(len(list(interrupted())) - 1, Killed()))
    with pytest.raises(Killed):
        submit(order("job"), client, SETTINGS, "key")
    (run_id,) = world.run_ids()
    return run_id


def test_two_orders_of_one_name_are_one_service() -> None:
    world = World()
    world.register("letters")
    spec = ServiceSpec(name="letters", model="models:/letters@champion")
    first = create_service(spec, world.mlflow, SETTINGS).run_id
    world.now_s += 1
    create_service(spec, world.mlflow, SETTINGS)
    world.turn(8)
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    client.deploy(
        {"kind": "service", "name": "letters", "model": "models:/letters@champion", "replicas": "2"}
    )
    world.settle()
    assert wrong(world, lambda: service_is(world, first, "1")) == []
    [application] = world.ray.applications()
    assert application.target_replicas == 2
    client.undeploy("letters")
    world.settle()
    assert world.ray.applications() == ()


# -- what is there is not what was sent ----------------------------------------------------------------


def test_config_that_somebody_else_puts_is_put_right() -> None:
    world = World()
    world.register("letters")
    service = world.deploy("letters")
    others = bystanders(world)
    world.turn(8)
    old = [application.config for application in world.ray.applications()]
    world.register("letters")
    world.turn(8)
    assert wrong(world, lambda: service_is(world, service, "2")) == []
    world.ray.put_applications({"applications": old})
    world.settle()
    assert wrong(world, others, lambda: service_is(world, service, "2")) == []


def test_cluster_of_many_nodes_is_seen_whole() -> None:
    world = World()
    for _ in range(120):
        world.ray.lose_node(world.ray.add_node({"CPU": 8.0}))
    for _ in range(120):
        world.ray.add_node({"CPU": 8.0})
    job = world.submit("job", workers="120", resources={"cpus": 8})
    world.settle()
    assert wrong(world, lambda: job_is(world, job, "finished")) == []


def test_new_replicas_that_wait_for_a_node_are_waited_for() -> None:
    world = World()
    world.register("letters")
    service = world.deploy("letters")
    world.turn(8)
    world.register("letters", graph_bytes=1024**2)
    world.turn(1)
    # As long as a machine takes to be provisioned and replicas of many gigabytes to load.
    world.now_s += 700
    world.settle()
    assert wrong(world, lambda: service_is(world, service, "2")) == []


def test_harness_sees_what_is_wrong() -> None:
    """A check that could not fail would find nothing."""
    world = World()
    job = world.submit("job")
    assert wrong(world, lambda: job_is(world, job, "finished")) == [
        "job is queued and not finished: submitted",
        "job was started 0 times and not 1",
    ]


# -- what a spec must not say, and older ones do ----------------------------------------------------------


def test_env_of_an_older_spec_sets_nothing_of_who_a_process_is_and_the_reason_tells() -> None:
    world = World()
    theirs = {"MLFLOW_RUN_ID": "0" * 32, "JOURNEYMAN_RUN_ID": "0" * 32, "RAY_ADDRESS": "http://else:8265"}
    world.register("letters")
    job = world.submit("job", env={"A": "b"} | theirs)
    service = world.deploy("letters", env={"A": "b"} | theirs)
    reasons = set()
    for _ in range(8):
        world.turn()
        reasons.add(world.run(job).reason)
    told = "of its env JOURNEYMAN_RUN_ID, MLFLOW_RUN_ID, RAY_ADDRESS is left out, which a spec does not set"
    assert any(reason.endswith(told) for reason in reasons)
    assert told in world.run(service).reason
    (submitted,) = world.ray.submissions
    variables = submitted.runtime_env["env_vars"]
    assert (variables["A"], variables["JOURNEYMAN_RUN_ID"]) == ("b", job)
    assert not {"MLFLOW_RUN_ID", "RAY_ADDRESS"} & variables.keys()
    deployment = world._configs()["letters"]["deployments"][0]
    variables = deployment["ray_actor_options"]["runtime_env"]["env_vars"]
    assert variables["A"] == "b" and not theirs.keys() & variables.keys()
