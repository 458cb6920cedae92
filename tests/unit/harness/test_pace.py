"""How soon control looks again: at once where somebody waits, seldom where nothing happens unheard."""

from __future__ import annotations

from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.serve.control.controller import ServiceController
from journeyman.tracking import records
from journeyman.tracking.pace import Pace

from .world import World


class Pausing(World):
    """Nothing happens in it from some moment on but what control does."""

    paused = False

    def others_go_on(self) -> None:
        if not self.paused:
            super().others_go_on()


def test_job_is_awaited_but_while_it_runs() -> None:
    world, paces = World(), dict[str, set[Pace]]()
    world.turn(2)
    assert world.paces[JobController] is Pace.CALLED
    job = world.submit("job")
    for _ in range(40):
        world.turn()
        run = world.run(job)
        # What control read in this turn may be older than what there is after it.
        paces.setdefault(run.phase, set()).add(world.paces[JobController])
    assert run.phase == "finished"
    assert Pace.WATCHED in paces["running"]
    assert Pace.CALLED not in paces["starting"] | paces["running"]
    assert world.paces[JobController] is Pace.CALLED


def test_job_whose_driver_wrote_how_it_ended_is_awaited_until_ray_says_so() -> None:
    world = Pausing()
    job = world.submit("job")
    while world.run(job).phase != "running":
        world.turn()
    world.paused = True
    world.turn(2)
    assert world.paces[JobController] is Pace.WATCHED
    ended = Outcome(cause=Cause.FINISHED, message="training finished")
    world.mlflow.set_tags(job, {f"{records.OUTCOME}.1": ended.to_json()})
    world.turn(2)
    assert world.run(job).phase == "running"
    assert world.paces[JobController] is Pace.AWAITED


def test_service_is_looked_after_until_it_is_healthy_and_when_its_replicas_change() -> None:
    world, paces = World(), list[tuple[str, Pace]]()
    world.register("model")
    service = world.deploy("model")
    for _ in range(60):
        world.turn()
        paces.append((world.run(service).phase, world.paces[ServiceController]))
    assert {pace for phase, pace in paces if phase != "healthy"} <= {Pace.AWAITED, Pace.WATCHED}
    assert paces[-1] == ("healthy", Pace.CALLED)
