"""A candidate that could not be tried for a cause that passes is tried again; one at fault is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeyman.client import Client
from journeyman.serve.control.swap import PASSING_TRIES, RETRY_S, is_awaited
from journeyman.serve.phases import Phase
from journeyman.serve.records import FAILED, PASSING, READY, Report, Rollout, read_rollout, write_rollout
from journeyman.tracking.records import ROLLOUT

from ..harness.world import SETTINGS, never_back, service_is
from .test_control import served
from .test_swap import LOADING, PROVEN, SURGING, decide, follow, of_candidate, report, seen

AWAY = "MLflow at http://mlflow.test does not answer"
PUT_OFF = replace(LOADING, retry_at_s=5 + RETRY_S, tries=1, put_off_because=AWAY)


def test_candidate_that_mlflow_was_away_for_is_put_off_and_not_refused() -> None:
    decision = decide(seen(LOADING, of_candidate(READY), of_candidate(PASSING, AWAY), version="4"), 5)
    assert decision.rollout == PUT_OFF
    assert decision.phase == Phase.SWAPPING
    assert decision.reason == f"version 4 could not be tried, and is after 60 s: {AWAY}"
    # Meanwhile replicas are told of none, and nobody waits for the next turn.
    assert (PUT_OFF.beside, PUT_OFF.target, PUT_OFF.target_generation) == (None, "3", 1)
    assert not is_awaited(decision, "RUNNING")
    waits = decide(seen(PUT_OFF, report(trial=2), version="4"), 4 + RETRY_S)
    assert (waits.rollout, waits.reason) == (PUT_OFF, decision.reason)


def test_candidate_is_tried_again_after_its_pause_and_what_it_said_before_does_not_count() -> None:
    again = decide(seen(PUT_OFF, of_candidate(PASSING, AWAY), version="4"), 5 + RETRY_S).rollout
    assert again is not None
    assert again == replace(LOADING, trial=3, candidate_since_s=5 + RETRY_S, tries=1)
    ready = report(trial=3, candidate="4", state=READY)
    done = decide(seen(again, ready, version="4"), 6 + RETRY_S).rollout
    assert done == replace(PROVEN, serving="4", trial=3, candidate_since_s=5 + RETRY_S)


def test_pauses_grow_and_a_candidate_is_put_off_for_as_long_as_it_takes() -> None:
    rollout, now, pauses = LOADING, 0.0, []
    for _ in range(10):
        said = report(trial=rollout.trial, candidate="4", state=PASSING, reason=AWAY)
        put_off = decide(seen(rollout, said, version="4"), now).rollout
        assert put_off is not None and put_off.retry_at_s is not None
        pauses.append(put_off.retry_at_s - now)
        now = put_off.retry_at_s
        tried = decide(seen(put_off, report(), version="4"), now).rollout
        assert tried is not None
        rollout = tried
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


def test_candidate_that_is_at_fault_is_refused_though_another_replica_could_not_try_it() -> None:
    both = seen(LOADING, of_candidate(PASSING, AWAY), of_candidate(FAILED, "it holds NaN"), version="4")
    assert decide(both).rollout == replace(PROVEN, trial=2, refused="4", refused_because="it holds NaN")


@pytest.mark.parametrize("version", ["3", "5"])
def test_another_order_ends_what_was_put_off(version: str) -> None:
    decided = decide(seen(PUT_OFF, report(trial=2), version=version), 6).rollout
    assert decided is not None
    assert (decided.retry_at_s, decided.tries, decided.put_off_because) == (None, 0, "")
    assert decided.candidate == (None if version == "3" else version)


def test_new_replicas_that_serve_gives_up_without_a_word_of_theirs_are_tried_again_some_times() -> None:
    """A node that died, or a server that was away, is no fault of the version."""
    rollout, now = SURGING, 0.0
    for number in range(1, PASSING_TRIES):
        failed = seen(
            rollout, report(), version="4", status="DEPLOY_FAILED", message="no", trial=rollout.trial
        )
        put_off = decide(failed, now).rollout
        assert put_off is not None and put_off.retry_at_s is not None
        assert (put_off.tries, put_off.surge, put_off.target, put_off.target_generation) == (
            number,
            False,
            "3",
            1,
        )
        now = put_off.retry_at_s
        tried = decide(seen(put_off, report(), version="4"), now).rollout
        assert tried is not None and tried.surge
        assert (tried.target, tried.target_generation) == ("4", put_off.trial + 1)
        rollout = tried
    last = decide(
        seen(rollout, report(), version="4", status="DEPLOY_FAILED", message="no", trial=rollout.trial), now
    )
    assert last.rollout is not None
    assert (last.rollout.candidate, last.rollout.refused, last.rollout.refused_because) == (None, "4", "no")
    assert (last.rollout.retry_at_s, last.rollout.tries) == (None, 0)


def test_new_replica_that_cannot_have_its_candidate_now_has_it_put_off() -> None:
    said = replace(of_candidate(PASSING, AWAY), generation=2, serving="")
    decided = decide(seen(SURGING, report(), told=(report(), said), version="4"), 5).rollout
    assert decided is not None
    assert (decided.put_off, decided.candidate, decided.put_off_because) == (True, "4", AWAY)
    assert (decided.target, decided.target_generation) == ("3", 1)


def test_service_that_is_not_well_says_so_while_its_candidate_is_put_off() -> None:
    dying = decide(seen(PUT_OFF, None, version="4", status="UNHEALTHY", message="a replica died"), 6)
    assert (dying.phase, dying.reason.partition(";")[0]) == (Phase.UNHEALTHY, "a replica died")


def test_order_that_is_lost_while_its_candidate_is_put_off_changes_nothing() -> None:
    lost = decide(seen(PUT_OFF, report(trial=2), version=None, trouble="gone"), 6)
    assert (lost.rollout, lost.reason[:10]) == (PUT_OFF, "order lost")


def test_record_without_what_is_new_is_the_one_that_versions_before_read() -> None:
    assert set(read_rollout(write_rollout(PUT_OFF)).__slots__) == set(Rollout.__slots__)
    assert read_rollout(write_rollout(PUT_OFF)) == PUT_OFF
    for rollout in (PROVEN, LOADING, SURGING):
        assert not {"retry_at_s", "tries", "put_off_because"} & set(write_rollout(rollout).split('"'))


def test_load_limit_is_counted_from_when_the_version_is_tried_again() -> None:
    loads = seen(None, None, version="4")
    begun = follow(PUT_OFF, (5 + RETRY_S, loads), (6 + RETRY_S, loads))
    assert begun.rollout is not None and begun.rollout.loading_since_s == 6 + RETRY_S


def test_report_in_the_words_of_before_still_refuses() -> None:
    told: Report = of_candidate(FAILED, AWAY)
    assert decide(seen(LOADING, told, version="4")).rollout == replace(
        PROVEN, trial=2, refused="4", refused_because=AWAY
    )


def test_service_takes_the_version_once_its_cause_has_passed_and_serves_the_one_before_meanwhile() -> None:
    world, [service] = served("letters")
    world.untried_versions.add("2")
    world.register("letters")
    world.settle()
    assert (world.told("letters")["serving"], world.told("letters")["candidate"]) == ("1", None)
    run = world.run(service)
    assert (run.phase, "MLflow does not answer" in run.reason) == (Phase.SWAPPING, True)
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert client.service("letters").refused_version is None
    world.turn(int(RETRY_S))
    assert read_rollout(world.run(service).tags[ROLLOUT]).tries == 2
    world.untried_versions.clear()
    world.restart()
    world.now_s += 2 * RETRY_S
    world.settle()
    assert list(service_is(world, service, "2")) == []
    assert list(never_back(world, "letters", ["1", "2"])) == []
