"""When engines are raced: once a version and kind of hardware, one race at a time, and not for ever."""

from __future__ import annotations

from collections.abc import Mapping

from journeyman.serve.preparation import (
    ATTEMPTS,
    DEADLINE_S,
    Decision,
    Preparation,
    Snapshot,
    decide,
    submission_id,
)


def preparation(version: str = "3", hardware: str = "a1") -> Preparation:
    return Preparation(
        mlflow_url="http://mlflow", model="digits", version=version, hardware=hardware, allow_code=False
    )


FIRST, SECOND = preparation(), preparation("4")


def seen(
    *lacking: Preparation, jobs: Mapping[str, str] | None = None, since_s: Mapping[str, float] | None = None
) -> Snapshot:
    return Snapshot(lacking=lacking, no_room=frozenset(), jobs=jobs or {}, since_s=since_s or {})


def decided(snapshot: Snapshot, now: float = 0.0) -> Decision:
    return decide(snapshot, now)


def test_first_that_lacks_a_verdict_is_raced_and_the_others_wait() -> None:
    decision = decided(seen(FIRST, SECOND))
    assert decision.submit == (submission_id(FIRST, 1), FIRST)
    for status in ("PENDING", "RUNNING"):
        assert decided(seen(FIRST, SECOND, jobs={submission_id(FIRST, 1): status})).submit is None
    ended = {submission_id(FIRST, 1): "SUCCEEDED"}
    assert decided(seen(SECOND, jobs=ended)).submit == (submission_id(SECOND, 1), SECOND)


def test_version_for_whose_race_there_is_no_room_keeps_no_other_from_its_turn() -> None:
    decision = decided(Snapshot(lacking=(FIRST, SECOND), no_room=frozenset({FIRST}), jobs={}, since_s={}))
    assert decision.submit == (submission_id(SECOND, 1), SECOND)
    assert decided(Snapshot(lacking=(FIRST,), no_room=frozenset({FIRST}), jobs={}, since_s={})).submit is None


def test_jobs_of_others_hold_up_no_race() -> None:
    assert decided(seen(FIRST, jobs={"f00d-1": "RUNNING"})).submit is not None


def test_race_that_brought_no_verdict_is_tried_again_and_then_given_up() -> None:
    jobs: dict[str, str] = {}
    for attempt in range(1, ATTEMPTS + 1):
        decision = decided(seen(FIRST, jobs=jobs))
        assert decision == decided(seen(FIRST, jobs=jobs))
        assert decision.submit == (submission_id(FIRST, attempt), FIRST)
        assert decision.give_up == ()
        jobs[submission_id(FIRST, attempt)] = "FAILED"
    decision = decided(seen(FIRST, SECOND, jobs=jobs))
    assert decision.give_up == ((submission_id(FIRST, ATTEMPTS), FIRST),)
    # What cannot be raced does not keep the next from its turn.
    assert decision.submit == (submission_id(SECOND, 1), SECOND)


def test_kinds_of_hardware_are_raced_apart() -> None:
    assert submission_id(preparation(hardware="b2"), 1) != submission_id(FIRST, 1)


def test_race_that_hangs_is_stopped_at_its_deadline_and_the_next_has_its_turn_whatever_becomes_of_it() -> (
    None
):
    hangs = submission_id(FIRST, 1)
    for status in ("PENDING", "RUNNING"):
        snapshot = seen(FIRST, SECOND, jobs={hangs: status, "f00d-1": status}, since_s={hangs: 100.0})
        assert decided(snapshot, 100.0 + DEADLINE_S) == Decision(submit=None, give_up=())
        late = decided(snapshot, 101.0 + DEADLINE_S)
        assert late == Decision(submit=(submission_id(SECOND, 1), SECOND), give_up=(), stop=(hangs,))


def test_race_that_hangs_each_time_is_given_up_and_comes_after_those_that_were_not_tried() -> None:
    tried = {submission_id(FIRST, 1): "STOPPED"}
    assert decided(seen(FIRST, SECOND, jobs=tried)).submit == (submission_id(SECOND, 1), SECOND)
    last = submission_id(FIRST, ATTEMPTS)
    jobs = {submission_id(FIRST, attempt): "STOPPED" for attempt in range(1, ATTEMPTS)} | {last: "RUNNING"}
    assert decided(seen(FIRST, jobs=jobs, since_s={last: 0.0}), DEADLINE_S).give_up == ()
    given_up = decided(seen(FIRST, jobs=jobs, since_s={last: 0.0}), DEADLINE_S + 1)
    assert given_up == Decision(submit=None, give_up=((last, FIRST),), stop=(last,))
