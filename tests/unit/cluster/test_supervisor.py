"""What the supervisor starts when, and what it says of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journeyman.cluster.local.supervisor import (
    FAILED_AFTER,
    MAX_BACKOFF_S,
    SILENT_S,
    STEADY_S,
    Life,
    answered,
    backoff_s,
    decide,
    died,
    exit_in_words,
    started,
)

NOW = 1_800_000_000.0


def test_first_turn_starts_every_part_at_once() -> None:
    decisions = decide({"mlflow": Life(), "ray": Life(), "control": Life()}, NOW)
    assert list(decisions) == ["mlflow", "ray", "control"]
    assert [decision.start for decision in decisions.values()] == [True, True, True]
    assert {decision.state for decision in decisions.values()} == {"starting"}


def test_started_part_that_does_not_answer_yet_is_left_starting() -> None:
    decision = decide({"ray": started(Life(), NOW)}, NOW + 5)["ray"]
    assert (decision.start, decision.state, decision.reason) == (False, "starting", "does not answer yet")


def test_part_that_answers_is_up_with_nothing_to_say() -> None:
    life = answered(started(Life(), NOW), NOW + 4)
    decision = decide({"ray": life}, NOW + 5)["ray"]
    assert (decision.start, decision.state, decision.reason) == (False, "up", "")
    assert life.up_at == NOW + 4


def test_later_answers_do_not_move_the_time_it_came_up() -> None:
    life = answered(answered(started(Life(), NOW), NOW + 4), NOW + 9)
    assert (life.up_at, life.answered_at) == (NOW + 4, NOW + 9)


def test_dead_part_waits_out_its_backoff_and_starts_then() -> None:
    life = died(started(Life(), NOW), NOW + 1, "exit code 1")
    early = decide({"mlflow": life}, NOW + 1.1)["mlflow"]
    assert (early.start, early.state) == (False, "restarting")
    assert early.reason == "ended (exit code 1); starts again after 0.5 s"
    assert decide({"mlflow": life}, NOW + 1.5)["mlflow"].start


def test_restarted_part_says_so_while_it_starts_and_when_it_is_up() -> None:
    life = started(
        died(answered(started(Life(), NOW), NOW + 2), NOW + 3, "killed by signal 9: Killed"), NOW + 4
    )
    starting = decide({"mlflow": life}, NOW + 5)["mlflow"]
    assert starting.state == "restarting"
    assert starting.reason == "was restarted 1x, last: killed by signal 9: Killed; does not answer yet"
    up = decide({"mlflow": answered(life, NOW + 6)}, NOW + 7)["mlflow"]
    assert (up.state, up.reason) == ("up", "was restarted 1x, last: killed by signal 9: Killed")
    assert life.restarts == 1


def test_part_that_keeps_dying_is_failed_and_still_tried_again() -> None:
    life = Life()
    for turn in range(FAILED_AFTER):
        life = died(started(life, NOW + turn), NOW + turn, "exit code 2")
    decision = decide({"control": life}, life.died_at or 0)["control"]
    assert decision.state == "failed"
    assert f"{FAILED_AFTER} times in a row" in decision.reason
    later = (life.died_at or 0) + backoff_s(life.deaths_in_a_row)
    assert decide({"control": life}, later)["control"].start
    assert decide({"control": started(life, later)}, later)["control"].state == "failed"
    assert decide({"control": answered(started(life, later), later)}, later)["control"].state == "up"


def test_death_after_a_steady_while_counts_as_the_first() -> None:
    life = Life(started_at=NOW, up_at=NOW, deaths_in_a_row=5)
    assert died(life, NOW + STEADY_S, "exit code 1").deaths_in_a_row == 1
    assert died(life, NOW + STEADY_S - 1, "exit code 1").deaths_in_a_row == 6


def test_part_that_runs_and_falls_silent_is_left_running_and_told() -> None:
    life = answered(started(Life(), NOW), NOW + 1)
    decision = decide({"ray": life}, NOW + 1 + SILENT_S + 1)["ray"]
    assert (decision.start, decision.state) == (False, "up")
    assert decision.reason.startswith("runs, but has not answered since ")


def test_clock_that_was_set_back_does_not_postpone_a_restart() -> None:
    life = died(started(Life(), NOW), NOW, "exit code 1")
    assert decide({"ray": life}, NOW - 3600)["ray"].start


@given(st.integers(min_value=1, max_value=10_000))
def test_backoff_grows_and_stays_below_its_limit(deaths: int) -> None:
    assert 0 < backoff_s(deaths) <= backoff_s(deaths + 1) <= MAX_BACKOFF_S


def test_exit_is_told_in_words() -> None:
    assert exit_in_words(3) == "exit code 3"
    assert exit_in_words(-9) == "killed by signal 9: Killed"
