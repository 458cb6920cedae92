"""Jobs and services stepped through, with one fault at each request of control in turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from ...records.golden import Golden, read_golden
from .world import Fault, Kind, Scenario, World, died, job_is, never_back, raised, service_is

Check = Callable[[], Iterator[str]]


def bystanders(world: World) -> Check:
    """A job and a service of somebody else, which nothing may hold up."""
    world.register("steady")
    service = world.deploy("steady")
    world.turn(6)
    world.begin()
    job = world.submit("other")

    def check() -> Iterator[str]:
        yield from job_is(world, job, "finished")
        yield from service_is(world, service, "1")

    return check


# -- jobs ----------------------------------------------------------------------------------------------


def runs(world: World) -> Check:
    others = bystanders(world)
    job = world.submit("job")
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "finished")

    return check


def cancelled_while_it_runs(world: World) -> Check:
    others = bystanders(world)
    world.slow.add("job")
    job = world.submit("job")
    world.turn(5)
    world.cancel(job)
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "cancelled")

    return check


def cancelled_before_it_starts(world: World) -> Check:
    others = bystanders(world)
    job = world.submit("job")
    world.cancel(job)
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "cancelled", attempts=0)

    return check


def stopped_at_its_limit(world: World) -> Check:
    others = bystanders(world)
    world.slow.add("job")
    job = world.submit("job", max_duration=5.0)
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "failed")

    return check


def its_driver_dies(world: World) -> Check:
    others = bystanders(world)
    world.behaviour["job"] = died
    job = world.submit("job")
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "finished", attempts=2)

    return check


def it_raises(world: World) -> Check:
    others = bystanders(world)
    world.behaviour["job"] = raised
    job = world.submit("job")
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "failed")

    return check


def ray_is_started_anew(world: World) -> Check:
    others = bystanders(world)
    world.slow.add("job")
    job = world.submit("job")
    world.turn(8)
    world.ray.restart_head()
    world.ray.add_node({"CPU": 8.0})
    world.slow.clear()
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from job_is(world, job, "finished", attempts=2)

    return check


# -- services ------------------------------------------------------------------------------------------


def deployed(world: World) -> Check:
    others = bystanders(world)
    world.register("letters")
    service = world.deploy("letters")
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from service_is(world, service, "1")

    return check


def swapped(graph_bytes: int) -> Callable[[World], Check]:
    def play(world: World) -> Check:
        others = bystanders(world)
        world.register("letters")
        service = world.deploy("letters", replicas="2")
        world.turn(8)
        world.register("letters", graph_bytes=graph_bytes)
        world.settle()

        def check() -> Iterator[str]:
            yield from others()
            yield from service_is(world, service, "2")
            yield from never_back(world, "letters", ["1", "2"])

        return check

    return play


def candidate_fails(world: World) -> Check:
    others = bystanders(world)
    world.register("letters")
    service = world.deploy("letters")
    world.turn(8)
    world.broken_versions.add("2")
    world.register("letters")
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        yield from service_is(world, service, "1")
        yield from never_back(world, "letters", ["1"])
        if "version 2: it holds NaN" not in world.run(service).reason:
            yield f"the reason says nothing of version 2: {world.run(service).reason}"

    return check


def undeployed(world: World) -> Check:
    others = bystanders(world)
    world.register("letters")
    service = world.deploy("letters")
    world.turn(8)
    world.undeploy(service)
    world.settle()

    def check() -> Iterator[str]:
        yield from others()
        run = world.run(service)
        if (run.phase, run.status) != ("undeployed", "FINISHED"):
            yield f"letters is {run.phase}, its run {run.status}: {run.reason}"
        if world.told("letters"):
            yield "Serve still has letters"

    return check


SCENARIOS = (
    Scenario(name="runs", play=runs),
    Scenario(name="cancelled while it runs", play=cancelled_while_it_runs),
    Scenario(name="cancelled before it starts", play=cancelled_before_it_starts),
    Scenario(name="stopped at its limit", play=stopped_at_its_limit),
    Scenario(name="its driver dies", play=its_driver_dies),
    Scenario(name="it raises", play=it_raises),
    Scenario(name="ray is started anew", play=ray_is_started_anew),
    Scenario(name="deployed", play=deployed),
    Scenario(name="swapped in place", play=swapped(0)),
    Scenario(name="swapped by new replicas", play=swapped(1024**2)),
    Scenario(name="candidate fails", play=candidate_fails),
    Scenario(name="undeployed", play=undeployed),
)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_one_fault_at_any_request_changes_no_end(scenario: Scenario, kind: Kind) -> None:
    faults = scenario.faults([kind])
    assert faults
    wrong: dict[Fault, list[str]] = {}
    for fault in faults:
        world, found = scenario.run(fault)
        if found:
            wrong[fault] = [world.requests[fault.at - 1], *found]
    assert wrong == {}


@pytest.fixture(scope="module")
def kept() -> Golden:
    return read_golden("1")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_records_of_another_day_are_in_nobodys_way(scenario: Scenario, kept: Golden) -> None:
    _, wrong = scenario.run(kept=kept)
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_two_faults_change_no_end_that_each_alone_does_not_change(seed: int) -> None:
    chance = random.Random(seed)
    wrong: dict[str, list[str]] = {}
    for _ in range(10):
        scenario = chance.choice(SCENARIOS)
        pair = chance.sample(scenario.faults(), 2)
        if any(scenario.run(fault)[1] for fault in pair):
            continue
        _, found = scenario.run(*pair)
        if found:
            wrong[f"{scenario.name}: {pair}"] = found
    assert wrong == {}
