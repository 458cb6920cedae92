"""What control does about a config that Serve stores and then cannot apply, its own or somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from journeyman.client import Client
from journeyman.serve.control.deployer import REFUSAL_PAUSE_S
from journeyman.serve.phases import Phase

from ..harness.world import SETTINGS, Kind, World, service_is
from .test_control import PUT, puts, served

BAD = "no such word"


def deploy(world: World, name: str, word: str) -> None:
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    client.deploy({"kind": "service", "name": name, "model": f"models:/{name}@champion", "env": {"A": word}})


def word(world: World, name: str) -> str:
    """What Serve has stored of the order."""
    [config] = [each.config for each in world.ray.applications() if each.name == name]
    environment: dict[str, Any] = config["deployments"][0]["ray_actor_options"]["runtime_env"]["env_vars"]
    return str(environment.get("A", ""))


def foreign(world: World, name: str) -> None:
    """A config of somebody else's that Serve stores and cannot apply, put beside ours."""
    theirs: dict[str, Any] = {"name": name, "import_path": "their.app:app", "route_prefix": f"/{name}"}
    theirs["deployments"] = [{"name": "app", "user_config": {"says": BAD}}]
    world.ray.refuse_to_apply(BAD)
    ours = [application.config for application in world.ray.applications()]
    with pytest.raises(Exception, match="cannot be applied"):
        world.ray.put_applications({"applications": [theirs, *ours]})


def test_config_that_serve_stores_and_cannot_apply_is_taken_back_and_the_others_get_theirs() -> None:
    world, [bad, *others] = served("cats", "ants", "dogs")
    world.ray.refuse_to_apply(BAD)
    deploy(world, "cats", BAD)
    deploy(world, "dogs", "good")
    world.turn(20)
    assert "cats cannot be applied" in world.run(bad).reason
    assert (word(world, "cats"), word(world, "dogs")) == ("", "good")
    for run in others:
        assert list(service_is(world, run, "1")) == []
    assert [len(each.replicas) for each in world.ray.applications()] == [1, 1, 1]
    deploy(world, "cats", "good")
    world.settle()
    assert list(service_is(world, bad, "1")) == []
    assert word(world, "cats") == "good"


LOST = (Kind.DOES_NOT_ARRIVE, Kind.IS_NOT_ANSWERED, Kind.KILLED_BEFORE, Kind.KILLED_AFTER)


@pytest.mark.parametrize("kind", LOST)
def test_nobody_else_is_blamed_where_any_of_the_requests_about_a_refusal_is_lost(kind: Kind) -> None:
    def play(lost: int | None) -> World:
        world, [bad, *others] = served("cats", "ants", "dogs")
        world.ray.refuse_to_apply(BAD)
        world.requests.clear()
        if lost is not None:
            world.faults = {lost: kind}
        deploy(world, "cats", BAD)
        deploy(world, "dogs", "good")
        world.turn(6)
        deploy(world, "ants", "good")
        world.turn(14)
        trouble = f"request {lost} lost: "
        assert [trouble + wrong for run in others for wrong in service_is(world, run, "1")] == []
        assert [word(world, name) for name in ("ants", "dogs")] == ["good", "good"], trouble
        assert "cats cannot be applied" in world.run(bad).reason, trouble
        # A control that is started anew does not know what Serve had before, and takes nothing away.
        known = ("",) if kind in (Kind.DOES_NOT_ARRIVE, Kind.IS_NOT_ANSWERED) else ("", BAD)
        assert word(world, "cats") in known, trouble
        deploy(world, "cats", "good")
        world.settle()
        assert [trouble + wrong for wrong in service_is(world, bad, "1")] == []
        return world

    world = play(None)
    sent = [at for at, request in enumerate(world.requests, start=1) if request == PUT]
    assert len(sent) > 3
    for at in sent:
        play(at)


def test_config_of_somebody_else_that_cannot_be_applied_is_sent_again_after_growing_pauses_alone() -> None:
    world, [ants, dogs] = served("ants", "dogs")
    foreign(world, "bats")
    deploy(world, "dogs", "good")
    world.turn(4)
    assert list(service_is(world, ants, "1")) == []
    assert word(world, "dogs") == "good"
    world.turn(10)
    assert list(service_is(world, dogs, "1")) == []
    tried = puts(world)
    world.turn(100)
    assert puts(world) - tried <= 3
    # What Serve deletes it deletes after all is applied.
    world.undeploy(ants)
    world.turn(3)
    assert world.run(ants).phase == Phase.UNDEPLOYING
    tried = puts(world)
    world.turn(int(10 * REFUSAL_PAUSE_S))
    assert 1 <= puts(world) - tried <= 8
    world.ray.refuse_nothing()
    world.now_s += 3600
    world.settle()
    assert {each.name for each in world.ray.applications()} == {"bats", "dogs"}
    assert world.run(ants).phase == Phase.UNDEPLOYED
