"""When a job is said to hang: never without a known pace, never for what nobody watched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.jobs.control.hang import (
    EARLY_FLOOR_S,
    FLOOR_S,
    LEAST_STEPS,
    LONGEST_TURN_S,
    Pace,
    Watch,
    hang_reason,
    leading_metrics,
    look_again,
    pace_of,
)
from journeyman.jobs.waits import Wait

QUICK = Pace(usual_s=0.4, longest_s=2.0)


def watched(*looks: tuple[float, dict[str, int]], attempt: int = 1) -> Watch:
    seen: Watch | None = None
    for now, steps in looks:
        seen = look_again(seen, attempt, steps, now)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("silent_s", "pace", "reason"),
    [
        (200.0, QUICK, "no step for 3 min 20 s, where one takes 0.4 s"),
        (60.0, QUICK, None),
        (60.5, QUICK, "no step for 1 min, where one takes 0.4 s"),
        (599.0, Pace(usual_s=60, longest_s=61), None),
        (601.0, Pace(usual_s=60, longest_s=61), "no step for 10 min 1 s, where one takes 1 min"),
        (599.0, Pace(usual_s=0.1, longest_s=300), None),
        (7260.0, Pace(usual_s=0.1, longest_s=300), "no step for 2 h 1 min, where one takes 0.1 s"),
        (1e9, None, None),
    ],
)
def test_silence_is_a_hang_past_the_floor_ten_usual_gaps_and_twice_the_longest(
    silent_s: float, pace: Pace | None, reason: str | None
) -> None:
    assert hang_reason(silent_s, pace) == reason


def test_pace_is_of_distinct_steps_since_the_workers_started() -> None:
    before = [(step, 10.0 * step) for step in range(6)]
    now = [(step, 1000.0 + 2 * step) for step in range(6, 11)]
    repeated = [(10, 1500.0)]
    assert pace_of(before + now + repeated, started_s=1000) == Pace(usual_s=2.0, longest_s=2.0)


def test_few_steps_tell_the_longest_gap_at_the_most_and_none_tells_nothing() -> None:
    assert pace_of([(step, 100.0 + 2 * step) for step in range(LEAST_STEPS - 1)], started_s=70) == Pace(
        usual_s=30.0, longest_s=30.0, floor_s=EARLY_FLOOR_S
    )
    assert pace_of([], started_s=0) is None
    # Steps of the attempt before say nothing of one that goes again over them.
    assert pace_of([(step, float(step)) for step in range(50)], started_s=50) is None


def waits(text: str) -> list[Wait]:
    """`r.s`: rank 0 waits in report, rank 1 moves, rank 2 is still."""
    kinds: dict[str, Any] = {"r": "report", "s": "still"}
    return [Wait(rank=rank, what=kinds[kind]) for rank, kind in enumerate(text) if kind != "."]


EARLY = Pace(usual_s=1, longest_s=1, floor_s=EARLY_FLOOR_S)


@pytest.mark.parametrize(
    ("silent_s", "pace", "ranks", "reason"),
    [
        (70, None, "rs", "1 min 10 s: rank 0 waits in ray.train.report for rank 1, which has not called it"),
        (70, EARLY, "ss", "nothing moves for 1 min 10 s: no rank has computed, read or printed anything"),
        (50, EARLY, "ss", None),
        (70, EARLY, "s.", None),
        # Rank 1 computes: that takes its time, and has an end.
        (299, None, "r.", None),
        (301, None, "r.", "nothing moves for 5 min 1 s: rank 0 waits in ray.train.report"),
        (301, None, "rr..", "ranks 0, 1 wait in ray.train.report for ranks 2, 3, which have not called it"),
        # All of them are there: it is Ray that they wait for.
        (301, EARLY, "rr", "no rank has computed, read or printed anything"),
        (601, EARLY, "..", "no step for 10 min 1 s, where one takes 1 s"),
        (599, EARLY, "..", None),
        # Where the pace is known it is what counts.
        (600, Pace(usual_s=100, longest_s=100), "ss", None),
        (70, QUICK, "r.", "no step for 1 min 10 s, where one takes 0.4 s: rank 0 waits in ray.train"),
    ],
)  # fmt: skip
def test_ranks_that_say_that_they_do_not_move_are_believed_where_no_pace_is_known(
    silent_s: float, pace: Pace | None, ranks: str, reason: str | None
) -> None:
    told = hang_reason(silent_s, pace, waits(ranks), len(ranks))
    assert told == reason if reason is None else reason in str(told)


def test_silence_is_what_was_watched_and_a_step_ends_it() -> None:
    seen = watched((0, {"loss": 1}), (2, {"loss": 1}), (4, {"loss": 1}))
    assert (seen.silent_s, seen.stepped) == (4.0, False)
    seen = look_again(seen, 1, {"loss": 2}, 5)
    assert (seen.silent_s, seen.stepped) == (0.0, True)
    assert look_again(seen, 2, {"loss": 2}, 6) == Watch(attempt=2, steps={"loss": 2}, looked_s=6)


def test_time_in_which_nobody_looked_and_clocks_that_jump_are_no_silence() -> None:
    hour_s = 3600.0
    seen = watched((0, {"loss": 1}), (hour_s, {"loss": 1}), (0, {"loss": 1}))
    assert seen.silent_s == LONGEST_TURN_S


def test_samples_of_the_system_are_no_steps() -> None:
    seen = watched((0, {"loss": 1, "system/cpu": 1}), (3, {"loss": 1, "system/cpu": 2}))
    assert (seen.silent_s, dict(seen.steps)) == (3.0, {"loss": 1})


def test_pace_is_learnt_from_the_metrics_that_have_come_furthest() -> None:
    assert leading_metrics({"loss": 900, "epoch_loss": 3, "accuracy": 900}, 3) == ["accuracy", "loss"]
    assert leading_metrics({"d": 1, "c": 1, "b": 1, "a": 1}, 3) == ["a", "b", "c"]
    assert leading_metrics({}, 3) == []


times = st.lists(st.floats(0, 1e6), min_size=LEAST_STEPS, max_size=40)


@given(times, st.floats(0, 1e7))
def test_no_job_hangs_within_what_it_has_shown_before(moments: list[float], silent_s: float) -> None:
    pace = pace_of(enumerate(moments), started_s=0)
    assert pace is not None
    reason = hang_reason(silent_s, pace)
    assert (reason is not None) == (silent_s > pace.patience_s)
    assert pace.patience_s >= max(FLOOR_S, 2 * pace.longest_s)
    assert pace.longest_s <= max(moments) - min(moments)


@given(times, st.floats(-1e5, 1e5))
def test_clock_of_the_worker_may_be_off(moments: list[float], off_s: float) -> None:
    true = pace_of(enumerate(moments), started_s=0)
    shifted = pace_of(enumerate(moment + off_s for moment in moments), started_s=off_s)
    if shifted is None:  # A moment that rounding took before the start.
        return
    assert true is not None
    assert shifted.longest_s == pytest.approx(true.longest_s, abs=1e-3, rel=1e-6)


@given(st.lists(st.tuples(st.floats(-10, 1e4), st.booleans()), max_size=60))
def test_silence_never_exceeds_what_the_turns_allow(turns: list[tuple[float, bool]]) -> None:
    seen, now, step, since = look_again(None, 1, {"loss": 0}, 0.0), 0.0, 0, 0
    for passed_s, steps in turns:
        now += passed_s
        step, since = (step + 1, 0) if steps else (step, since + 1)
        seen = look_again(seen, 1, {"loss": step}, now)
        assert 0 <= seen.silent_s <= since * LONGEST_TURN_S
    assert seen.stepped == (step > 0)
