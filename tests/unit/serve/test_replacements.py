"""Replicas that were replaced since they did not get on are told; the third soon after marks the version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeyman.serve.control.replacements import WINDOW_S
from journeyman.serve.phases import Phase
from journeyman.serve.records import Report, Rollout, read_report, read_rollout, write_report, write_rollout
from journeyman.tracking import records

from ..harness.world import World
from .test_swap import PROVEN, SURGING, decide, report, seen

HUNG = "a call has been computing for more than 120 s"


def gone(number: int, at_s: float, version: str = "3", why: str = HUNG) -> tuple[str, Report]:
    return f"r{number}", replace(report(), serving=version, unhealthy=why, unhealthy_since_s=at_s)


def after(*ats: float, version: str = "3", start: Rollout = PROVEN, of: str = "3") -> Rollout:
    """What is decided after replicas were replaced at these times, a turn for each."""
    rollout: Rollout | None = start
    for number, at_s in enumerate(ats):
        now = replace(report(), generation=start.generation)
        snapshot = seen(rollout, now, version=version, replaced=(gone(number, at_s, of),))
        rollout = decide(snapshot, at_s + 20).rollout
    assert rollout is not None
    return rollout


def test_a_call_that_outlived_a_swap_marks_the_version_that_hangs() -> None:
    """Three replicas hang on version 2 after 3 has taken its place."""
    last = [
        (replica_id, replace(each, unhealthy_version="2"))
        for replica_id, each in (gone(number, 1000.0 + number) for number in range(3))
    ]
    rollout = decide(seen(PROVEN, report(), replaced=tuple(last)), 1010.0).rollout
    assert rollout is not None
    assert {each.version for each in rollout.replaced} == {"2"}
    assert rollout.failing == ""
    assert read_report(write_report(last[0][1])).unhealthy_version == "2"


def test_one_is_told_for_ten_minutes_and_the_service_is_healthy() -> None:
    once = after(1000.0)
    decision = decide(seen(once, report()), 1000.0 + WINDOW_S - 1)
    assert (decision.phase, decision.reason) == (
        Phase.HEALTHY,
        f"1 replica was replaced in the last ten minutes, since {HUNG}",
    )
    assert decide(seen(once, report()), 1000.0 + WINDOW_S).reason == ""


def test_same_replica_is_counted_once_however_often_it_is_seen() -> None:
    rollout = PROVEN
    for now in range(1010, 1020):
        decided = decide(seen(rollout, report(), replaced=(gone(1, 1000.0),)), now).rollout
        assert decided is not None
        rollout = decided
    assert len(rollout.replaced) == 1


@pytest.mark.parametrize(
    ("ats", "marked"),
    [((0, 200), False), ((0, 200, 570), True), ((0, 300, 650), False), ((0, 300, 650, 700), True)],
)
def test_third_within_ten_minutes_marks_the_version(ats: tuple[float, ...], marked: bool) -> None:
    rollout = after(*(1000.0 + at for at in ats))
    assert rollout.failing == ("3" if marked else "")
    decision = decide(seen(rollout, report()), 1000.0 + ats[-1] + 25)
    assert (decision.phase is Phase.UNHEALTHY) == marked
    if marked:
        assert decision.reason == (
            f"version 3 fails: 3 of its replicas were replaced within ten minutes, the last since {HUNG}"
        )


def test_mark_goes_when_nothing_of_it_is_recent_and_with_the_version() -> None:
    marked = after(1000.0, 1100.0, 1200.0)
    later = decide(seen(marked, report()), 1700.0)
    assert (later.phase, later.rollout and later.rollout.failing) == (Phase.UNHEALTHY, "3")
    healed = decide(seen(later.rollout, report()), 1200.0 + WINDOW_S)
    assert (healed.phase, healed.reason, healed.rollout and healed.rollout.failing) == (Phase.HEALTHY, "", "")
    other = replace(marked, serving="4")
    assert decide(seen(other, replace(report(), serving="4"), version="4"), 1300.0).phase is Phase.HEALTHY


def test_candidate_of_new_replicas_is_refused_with_the_reason() -> None:
    rollout = after(1000.0, 1100.0, 1200.0, version="4", start=SURGING, of="4")
    assert (rollout.candidate, rollout.refused) == (None, "4")
    assert rollout.refused_because == (
        f"3 of its replicas were replaced within ten minutes, the last since {HUNG}"
    )


def test_word_that_comes_from_a_clock_ahead_or_from_another_day_is_no_trouble() -> None:
    ahead = decide(seen(PROVEN, report(), replaced=(gone(1, 9e9),)), 1000.0).rollout
    assert ahead is not None and [each.at_s for each in ahead.replaced] == [1000.0]
    old = decide(seen(PROVEN, report(), replaced=(gone(1, 1.0),)), 1000.0).rollout
    assert old is not None and old.replaced == ()


def test_records_are_read_back_and_those_of_before_too() -> None:
    rollout = after(1000.0, 1100.0, 1200.0)
    assert read_rollout(write_rollout(rollout)) == rollout
    assert "replaced" not in write_rollout(PROVEN)
    long = after(1000.0, 1100.0, 1200.0)
    assert len(write_rollout(replace(long, refused_because="x" * 9000))) <= 8000
    said = gone(1, 5.0)[1]
    assert read_report(write_report(said)) == said
    assert "unhealthy" not in write_report(report())


def test_service_tells_of_a_replica_that_hung_and_was_replaced() -> None:
    """With everything that control asks and writes in between."""
    world = World()
    world.register("m")
    run_id = world.deploy("s", "models:/m@champion")
    world.turn(12)
    [hung] = next(each for each in world.ray.applications() if each.name == "s").replicas
    key = f"{records.REPLICA}.{hung.replica_id}"
    last = replace(read_report(world.run(run_id).tags[key]), unhealthy=HUNG, unhealthy_since_s=world.now_s)
    world.silent.add(hung.replica_id)
    world.mlflow.set_tags(run_id, {key: write_report(last)})
    world.turn()
    assert world.run(run_id).tags[records.REASON] == "", "it may get on again"
    world.ray.lose_replica("s", hung.replica_id)
    world.turn(8)
    tags = world.run(run_id).tags
    assert key not in tags
    assert (tags[records.PHASE], tags[records.REASON]) == (
        "healthy",
        f"1 replica was replaced in the last ten minutes, since {HUNG}",
    )
