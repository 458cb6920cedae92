"""When engines are raced: once a version and kind of hardware, one race at a time, and not for ever."""

from __future__ import annotations

from collections.abc import Mapping

from journeyman.serve.preparation import ATTEMPTS, Preparation, Snapshot, decide, submission_id


def preparation(version: str = "3", hardware: str = "a1") -> Preparation:
    return Preparation(
        mlflow_url="http://mlflow", model="digits", version=version, hardware=hardware, allow_pickle=False
    )


FIRST, SECOND = preparation(), preparation("4")


def seen(*lacking: Preparation, jobs: Mapping[str, str] | None = None) -> Snapshot:
    return Snapshot(lacking=lacking, no_room=frozenset(), jobs=jobs or {})


def test_first_that_lacks_a_verdict_is_raced_and_the_others_wait() -> None:
    decision = decide(seen(FIRST, SECOND))
    assert decision.submit == (submission_id(FIRST, 1), FIRST)
    for status in ("PENDING", "RUNNING"):
        assert decide(seen(FIRST, SECOND, jobs={submission_id(FIRST, 1): status})).submit is None
    ended = {submission_id(FIRST, 1): "SUCCEEDED"}
    assert decide(seen(SECOND, jobs=ended)).submit == (submission_id(SECOND, 1), SECOND)


def test_version_for_whose_race_there_is_no_room_keeps_no_other_from_its_turn() -> None:
    decision = decide(Snapshot(lacking=(FIRST, SECOND), no_room=frozenset({FIRST}), jobs={}))
    assert decision.submit == (submission_id(SECOND, 1), SECOND)
    assert decide(Snapshot(lacking=(FIRST,), no_room=frozenset({FIRST}), jobs={})).submit is None


def test_jobs_of_others_hold_up_no_race() -> None:
    assert decide(seen(FIRST, jobs={"f00d-1": "RUNNING"})).submit is not None


def test_race_that_brought_no_verdict_is_tried_again_and_then_given_up() -> None:
    jobs: dict[str, str] = {}
    for attempt in range(1, ATTEMPTS + 1):
        decision = decide(seen(FIRST, jobs=jobs))
        assert decision == decide(seen(FIRST, jobs=jobs))
        assert decision.submit == (submission_id(FIRST, attempt), FIRST)
        assert decision.give_up == ()
        jobs[submission_id(FIRST, attempt)] = "FAILED"
    decision = decide(seen(FIRST, SECOND, jobs=jobs))
    assert decision.give_up == ((submission_id(FIRST, ATTEMPTS), FIRST),)
    # What cannot be raced does not keep the next from its turn.
    assert decision.submit == (submission_id(SECOND, 1), SECOND)


def test_kinds_of_hardware_are_raced_apart() -> None:
    assert submission_id(preparation(hardware="b2"), 1) != submission_id(FIRST, 1)
