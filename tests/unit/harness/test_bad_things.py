"""One bad thing beside everything else: an unreadable record, a refusal that stays, an order cut in half."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from _pytest.mark.structures import ParameterSet

from journeyman.client import Client
from journeyman.cluster.archive import archive
from journeyman.errors import JourneymanError, RefusedError
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.submit.submission import submit
from journeyman.serve.orders import create_service
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking import records

from .test_faults import Check, bystanders
from .world import SETTINGS, Killed, Kind, World, job_is, order, service_is

LONG = "训练数据无法读取，请检查路径。" * 400
"""A message of 6,000 characters, each of which JSON writes as six."""


def bug(number: int, fault: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=f"bug {number}: {fault}")


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


def unreadable(kinds: Mapping[str, Mapping[str, str]], *fine: str) -> list[ParameterSet]:
    """Each kind; all but those that are fine already are marked."""
    mark = bug(1, "a record that cannot be read ends the turn, and with it every other job and service")
    return [pytest.param(tags, id=kind, marks=[] if kind in fine else [mark]) for kind, tags in kinds.items()]


SET_ASIDE = ("a spec that is no object", "a spec of another version", "no code")
LISTED = ("a spec of another version", "a phase of another version", "a request to cancel that is no number")


@pytest.mark.parametrize("tags", unreadable(UNREADABLE_JOBS, *SET_ASIDE))
def test_job_that_cannot_be_read_holds_up_nobody_else(tags: Mapping[str, str]) -> None:
    world = World()
    job = world.submit("job")
    world.mlflow.set_tags(job, tags)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []


@pytest.mark.parametrize("tags", unreadable(UNREADABLE_SERVICES, "a spec that is no JSON"))
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


@bug(1, "an outcome in Chinese is cut by MLflow in the middle of its JSON")
def test_job_that_fails_in_any_language_ends_and_holds_up_nobody_else() -> None:
    world = World()
    world.behaviour["job"] = lambda world, run_id, attempt: Outcome(
        cause=Cause.USER, message=f"ValueError: {LONG[:1000]}", rank=0, detail=LONG[:3000]
    )
    job = world.submit("job")
    others = bystanders(world)
    world.settle()
    assert wrong(world, others, lambda: job_is(world, job, "failed")) == []


@pytest.mark.parametrize("tags", unreadable(UNREADABLE_JOBS, *LISTED, "no code"))
def test_listing_shows_the_jobs_beside_one_that_cannot_be_read(tags: Mapping[str, str]) -> None:
    world = World()
    world.mlflow.set_tags(world.submit("job"), tags)
    world.submit("other")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert {"other"} <= {job.name for job in client.jobs()}


@bug(13, "the order of a service is not looked at for its size, and is cut as it is written")
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


@bug(3, "a job that Ray does not take is sent for ever, and counts as taken what it asks for")
def test_job_that_ray_never_takes_fails_and_holds_up_nobody_else() -> None:
    world = World()
    job = world.submit("job", workers="8")
    world.ray.refuse("jobs/submit", job)
    others = bystanders(world)
    for _ in range(5):
        world.turn(20)
        world.now_s += 600
    assert wrong(world, others) == []
    assert world.run(job).phase == "failed"
    assert "cannot be taken" in world.run(job).reason


@bug(4, "one application that Serve refuses keeps every other from its config")
def test_service_that_serve_refuses_says_so_and_holds_up_nobody_else() -> None:
    world = World()
    world.register("letters")
    service = world.deploy("letters")
    world.ray.refuse("serve/put", "letters")
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []
    assert "cannot be taken" in world.run(service).reason


@bug(12, "the reason grows by the same words each turn")
def test_reason_says_once_what_is_refused_each_turn() -> None:
    world = World()
    world.package = archive([("journeyman/__init__.py", 0o644, b"")])
    job = world.submit("job")
    world.ray.refuse("packages/put", world.package.package)
    world.turn(12)
    assert world.run(job).reason.count("cannot be taken") == 1


@bug(36, "a run that control may not write to ends the turn for all others")
@pytest.mark.parametrize("phase", ["queued", "running"])
def test_run_that_nobody_may_write_to_holds_up_nobody_else(phase: str) -> None:
    world = World()
    job = world.submit("job")
    world.mlflow.set_tags(job, {records.SPEC: "{}", records.PHASE: phase})
    world.mlflow.close_run(job)
    others = bystanders(world)
    world.settle()
    assert wrong(world, others) == []


# -- orders --------------------------------------------------------------------------------------------


def interrupted() -> Iterator[int]:
    """The numbers of the requests of a submission."""
    world = World()
    world.begin()
    submit(order("job"), world.on_trial(), SETTINGS, "key")
    return iter(range(1, len(world.requests) + 1))


@bug(10, "an order that was cut in half is listed for ever, and nobody can cancel it")
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


@bug(10, "a param that MLflow refuses leaves half an order behind")
def test_order_that_mlflow_refuses_leaves_nothing_behind() -> None:
    world = World()
    with pytest.raises(RefusedError):
        submit(order("job", config={"loss(mse)": 1}), world.mlflow, SETTINGS, "key")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert client.jobs() == []


@bug(11, "of two runs of one name the client means the newest and control the oldest")
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


@bug(5, "what Serve has is compared with what was sent, and healthy does not look")
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


@bug(25, "a rolling update that waits for a node is given up for good after ten minutes")
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
