"""Whoever waits for an order is told of that order, and of none before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from journeyman.client import Client
from journeyman.client import services as client_services
from journeyman.client.services import Service
from journeyman.errors import JourneymanError
from journeyman.serve.phases import Phase
from journeyman.tracking import records

from ..harness.world import SETTINGS, World
from .test_control import served

ORDER = {"kind": "service", "name": "letters", "model": "models:/letters@champion"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_services, "_POLL_S", 0.0)


def turning(world: World, seen: list[str], idle: int = 0) -> Callable[[Service], None]:
    """Control takes a turn after each look, once it has been idle for some."""

    def report(service: Service) -> None:
        seen.append(service.phase)
        if len(seen) > idle:
            world.turn()

    return report


def client_of(world: World) -> Client:
    return Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)


def test_order_over_a_healthy_service_is_waited_for_however_late_control_sees_it() -> None:
    world, [service] = served("letters")
    client = client_of(world)
    assert client.deploy({**ORDER, "env": {"A": "1"}}).phase == Phase.HEALTHY
    assert not client.service("letters").order_seen
    seen: list[str] = []
    client.wait_until_healthy("letters", 60, turning(world, seen, idle=7))
    assert seen[:8] == ["healthy"] * 8
    assert "deploying" in seen[8:]
    [application] = world.ray.applications()
    assert (application.status, len(application.replicas)) == ("RUNNING", 1)
    told = application.config["deployments"][0]["ray_actor_options"]["runtime_env"]["env_vars"]
    assert told["A"] == "1"


def test_same_order_over_a_healthy_service_is_waited_for_no_longer_than_a_look() -> None:
    world, _ = served("letters")
    client = client_of(world)
    client.deploy(ORDER)
    seen: list[str] = []
    client.wait_until_healthy("letters", 60, seen_only(seen))
    assert seen == ["healthy"]


def seen_only(seen: list[str]) -> Callable[[Service], None]:
    return lambda service: seen.append(service.phase)


def test_alias_that_was_moved_is_waited_for_though_the_order_is_the_same() -> None:
    world, _ = served("letters")
    client = client_of(world)
    world.register("letters")
    client.deploy(ORDER)
    found = client.wait_until_healthy("letters", 60, turning(world, [], idle=3))
    assert (found.serving_version, found.ordered_version) == ("2", "2")


def test_order_that_is_refused_is_told_and_not_the_one_before_it() -> None:
    world, _ = served("letters")
    world.broken_versions.add("2")
    client = client_of(world)
    world.register("letters")
    with pytest.raises(JourneymanError, match="keeps version 1: version 2: it holds NaN"):
        client.wait_until_healthy("letters", 60, turning(world, [], idle=3))


def test_service_is_not_healthy_while_serve_has_the_config_before() -> None:
    world, [service] = served("letters")
    client_of(world).deploy({**ORDER, "env": {"A": "1"}})
    world.turn()
    run = world.run(service)
    assert (run.phase, run.reason) == (Phase.DEPLOYING, "Serve is told its new config")
    assert run.tags[records.OBSERVED].endswith(" 1")
