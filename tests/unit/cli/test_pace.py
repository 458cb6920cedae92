"""How fast a followed job steps, and how long it will go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.cli.pace import Pace


def seen(*points: tuple[float, int]) -> Pace:
    pace = Pace()
    for now_s, step in points:
        pace.see(step, now_s)
    return pace


def test_pace_is_that_of_the_last_minute() -> None:
    assert seen((0, 0)).steps_per_s is None
    assert seen((0, 0), (10, 0), (20, 0)).steps_per_s is None
    assert seen((0, 0), (10, 5)).steps_per_s == pytest.approx(0.5)
    # Slow at first, as a compiler makes it.
    assert seen((0, 0), (100, 1), (110, 101), (155, 551)).steps_per_s == pytest.approx(10)


def test_attempt_that_goes_back_to_its_checkpoint_begins_anew() -> None:
    again = seen((0, 0), (10, 100), (20, 60))
    assert again.steps_per_s is None
    again.see(80, 30)
    assert again.steps_per_s == pytest.approx(2)


def test_time_left_goes_down_between_two_steps_and_is_never_negative() -> None:
    pace = seen((0, 0), (10, 20))
    assert pace.left_s(101, 10) == pytest.approx(40)
    assert pace.left_s(101, 25) == pytest.approx(25)
    assert pace.left_s(101, 100) == 0
    assert pace.left_s(None, 10) is None
    assert pace.left_s(20, 10) is None


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 10**15)), max_size=30), st.integers(1, 10**15))
def test_whatever_is_seen_a_pace_is_positive_or_unknown(points: list[tuple[float, int]], total: int) -> None:
    pace = seen(*sorted(points))
    assert pace.steps_per_s is None or pace.steps_per_s > 0
    left = pace.left_s(total, 2e9)
    assert left is None or left >= 0
