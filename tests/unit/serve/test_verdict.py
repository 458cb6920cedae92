"""What a race of engines decides: who computes how many rows, and whether requests are joined."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.models.engines.engine import Engine, Plan, alone
from journeyman.serve.verdict import WORTH, Verdict, judge, read_verdict, write_verdict

SIZES = (1, 4, 16, 64)
SAFEST, OTHER, THIRD = Engine.TORCH_EXPORT, Engine.ONNXRUNTIME, Engine.PYFUNC


def judged(times_us: Mapping[Engine, Sequence[float]], independent: bool = True) -> Verdict:
    return judge("a machine", 1.0, SIZES, times_us, {}, rows_are_independent=independent)


def test_fastest_engine_wins_and_a_win_below_a_tenth_does_not_count() -> None:
    assert judged({SAFEST: (100, 200, 400, 800), OTHER: (50, 90, 300, 700)}).winners == (OTHER,) * 4
    assert judged({SAFEST: (100, 200, 400, 800), OTHER: (91, 182, 364, 728)}).winners == (SAFEST,) * 4


def test_engines_share_the_batch_sizes_where_none_is_good_for_all() -> None:
    verdict = judged({SAFEST: (100, 200, 400, 800), OTHER: (50, 90, 800, 1600)})
    assert verdict.winners == (OTHER, OTHER, SAFEST, SAFEST)
    plan = verdict.plan
    assert plan is not None
    assert [plan.engine_for(rows) for rows in (1, 2, 4, 5, 64, 1000)] == [OTHER, OTHER, OTHER, *[SAFEST] * 3]
    assert (plan.engines, str(plan)) == ((OTHER, SAFEST), "onnxruntime, torch.export")


def test_one_engine_is_kept_where_a_second_would_bring_less_than_a_tenth() -> None:
    # OTHER is the best at three sizes; THIRD is within a tenth of the best at all of them.
    times = {SAFEST: (100, 200, 400, 800), OTHER: (50, 90, 200, 430), THIRD: (52, 95, 205, 400)}
    assert judged(times).winners == (OTHER,) * 4 or judged(times).winners == (THIRD,) * 4


def test_requests_are_joined_only_where_each_row_gains_more_than_its_hand_over() -> None:
    # 1,000 µs a row alone, 500 in sixteens, and little more in sixty-fours.
    gains = {SAFEST: (1000, 3200, 8000, 30_000), OTHER: (5000, 20_000, 80_000, 320_000)}
    assert judged(gains).joined_rows(alone(SAFEST)) == 16
    # What is ordered counts, whoever won; what was not raced is not known to gain.
    assert judged(gains).joined_rows(alone(OTHER)) == 1
    assert judged(gains).joined_rows(alone(THIRD)) == 1
    # Half of next to nothing is not worth the way to another thread.
    assert judged({SAFEST: (20, 40, 80, 200)}).joined_rows(alone(SAFEST)) == 1
    assert judged(gains, independent=False).joined_rows(alone(SAFEST)) == 1


times = st.floats(1, 1e6)


@given(st.lists(st.tuples(times, times, times), min_size=len(SIZES), max_size=len(SIZES)))
def test_no_engine_is_chosen_that_another_beats_by_a_tenth(by_size: list[tuple[float, ...]]) -> None:
    columns = list(zip(*by_size, strict=True))
    verdict = judged(dict(zip((SAFEST, OTHER, THIRD), columns, strict=True)))
    for index, winner in enumerate(verdict.winners):
        taken = verdict.times_us[winner][index]
        # Stored rounded to a tenth of a microsecond.
        assert taken * WORTH <= min(each[index] for each in verdict.times_us.values()) + 0.1
    assert verdict.plan is not None
    assert 1 <= verdict.joined_rows(verdict.plan) <= max(SIZES)
    assert read_verdict(write_verdict(verdict)) == verdict


def test_verdict_without_a_race_plans_nothing() -> None:
    failed = Verdict(hardware="a machine", times_us={}, rejected={}, failed="no example")
    assert (failed.plan, failed.joined_rows(alone(SAFEST))) == (None, 1)
    assert read_verdict(write_verdict(failed)) == failed


RACED: dict[str, Any] = {
    "hardware": "a CPU",
    "batch_sizes": [1, 4],
    "times_us": {SAFEST: [2.0, 3.0], OTHER: [1.0, 1.0]},
    "winners": [OTHER, OTHER],
    "rows_are_independent": True,
    "rejected": {},
}


WRONG: list[dict[str, Any]] = [
    {"hardware": 3},
    {"winners": []},
    {"winners": ["steam", OTHER]},
    {"winners": [OTHER]},
    {"batch_sizes": [0, 4]},
    {"times_us": {OTHER: [1.0]}},
    {"times_us": {OTHER: ["quick", "slow"]}},
    {"rejected": ["all"]},
]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"winners": ["steam"]}',
        "null",
        "[" * 5000,
        *(json.dumps(RACED | change) for change in WRONG),
    ],
)
def test_what_is_no_verdict_is_refused_in_short_words(text: str) -> None:
    with pytest.raises(ValueError, match="no verdict") as caught:
        read_verdict(text)
    assert len(str(caught.value)) <= 300


def test_verdict_of_a_race_is_read() -> None:
    assert read_verdict(json.dumps(RACED)).winners == (OTHER, OTHER)


def test_ordered_engine_computes_any_number_of_rows() -> None:
    assert alone(OTHER) == Plan(((1, OTHER),))
    assert {alone(OTHER).engine_for(rows) for rows in (1, 7, 10_000)} == {OTHER}
