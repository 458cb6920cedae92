"""How much a turn of control asks of Ray, however many wait."""

from __future__ import annotations

from journeyman.tracking import records

from ..harness.world import World


def test_code_is_asked_for_where_a_job_would_start_with_it_alone() -> None:
    world = World()
    world.ray.use(world.node, {"CPU": 8.0})
    for number in range(20):
        job = world.submit(f"waits-{number}")
        world.mlflow.set_tags(job, {records.CODE_SHA256: f"c0de{number}"})
    world.begin()
    world.turn(3)
    assert world.requests.count("packages/get") == 0
    # There is room for one of them.
    world.ray.use(world.node, {"CPU": 7.0})
    world.requests.clear()
    world.turn()
    assert world.requests.count("packages/get") == 1
