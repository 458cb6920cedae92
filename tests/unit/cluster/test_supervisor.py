"""What the supervisor starts when, and what it says of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journeyman.cluster.local.supervisor import (
    ADOPTION_LIMIT_S,
    FAILED_AFTER,
    MAX_BACKOFF_S,
    MAX_STEP_S,
    SILENT_S,
    STEADY_S,
    Life,
    adopted,
    answered,
    backoff_s,
    decide,
    died,
    exit_in_words,
    refused,
    silent,
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


def watched_in_silence(life: Life, silent_s: float) -> Life:
    for _ in range(round(silent_s)):
        life = silent(life, 1.0)
    return life


def test_part_with_a_limit_is_ended_once_it_was_silent_for_longer() -> None:
    life = answered(started(Life(silence_limit_s=60), NOW), NOW + 1)
    assert not decide({"control": watched_in_silence(life, 60)}, NOW + 61)["control"].end
    hung = watched_in_silence(life, 61)
    decision = decide({"control": hung}, NOW + 62)["control"]
    assert (decision.end, decision.start, decision.state) == (True, False, "restarting")
    assert decision.reason == "hangs: has not answered for 61 s; is ended and started again"
    assert not decide({"control": answered(hung, NOW + 62)}, NOW + 62)["control"].end


def test_silence_while_nobody_watched_counts_for_little() -> None:
    slept = silent(answered(started(Life(silence_limit_s=60), NOW), NOW + 1), 8 * 3600)
    assert slept.silent_s == MAX_STEP_S
    assert not decide({"control": slept}, NOW + 8 * 3600)["control"].end
    assert silent(slept, -3600).silent_s == MAX_STEP_S


def test_part_that_hangs_again_and_again_was_never_steady() -> None:
    life = started(Life(silence_limit_s=60, deaths_in_a_row=2), NOW)
    hung = watched_in_silence(answered(life, NOW + 1), 61)
    assert died(hung, NOW + 62, "ended").deaths_in_a_row == 3


def test_adopted_part_has_a_while_to_answer_and_is_then_as_any_other() -> None:
    life = adopted(Life(), NOW)
    waiting = decide({"ray": watched_in_silence(life, ADOPTION_LIMIT_S)}, NOW)["ray"]
    assert (waiting.end, waiting.reason) == (False, "does not answer yet")
    assert decide({"ray": watched_in_silence(life, ADOPTION_LIMIT_S + 1)}, NOW)["ray"].end
    answers = answered(life, NOW + 1)
    assert not decide({"ray": watched_in_silence(answers, 10 * ADOPTION_LIMIT_S)}, NOW)["ray"].end


def test_what_the_system_refuses_is_tried_again_after_growing_pauses() -> None:
    life = refused(Life(), NOW, "cannot be started: no memory")
    early = decide({"ray": life}, NOW + 0.1)["ray"]
    assert (early.start, early.state) == (False, "starting")
    assert early.reason == "cannot be started: no memory; tried again after 0.5 s"
    assert decide({"ray": life}, NOW + 0.5)["ray"].start
    again = refused(life, NOW + 0.5, "cannot be started: no memory")
    assert not decide({"ray": again}, NOW + 1.4)["ray"].start
    assert decide({"ray": again}, NOW + 1.5)["ray"].start
    thrice = refused(again, NOW + 1.5, "cannot be started: no memory")
    assert decide({"ray": thrice}, NOW + 1.5)["ray"].state == "failed"
    assert started(thrice, NOW + 4).refusals_in_a_row == 0


def test_hung_part_that_cannot_be_ended_is_asked_again_after_pauses() -> None:
    hung = watched_in_silence(started(Life(silence_limit_s=60), NOW), 61)
    stuck = refused(hung, NOW + 62, "cannot be ended: 4711")
    decision = decide({"control": stuck}, NOW + 62.1)["control"]
    assert (decision.end, decision.reason) == (False, "cannot be ended: 4711; tried again after 0.5 s")
    assert decide({"control": stuck}, NOW + 62.5)["control"].end


LIVES = st.builds(
    Life,
    started_at=st.none() | st.floats(NOW, NOW + 100),
    up_at=st.none() | st.floats(NOW, NOW + 100),
    answered_at=st.none() | st.floats(NOW, NOW + 100),
    died_at=st.none() | st.floats(NOW, NOW + 100),
    deaths_in_a_row=st.integers(1, 20),
    silence_limit_s=st.none() | st.just(60.0),
    silent_s=st.floats(0, 1000),
    adopted=st.booleans(),
    refused_at=st.none() | st.floats(NOW, NOW + 100),
    refusals_in_a_row=st.integers(1, 10_000),
    refusal=st.just("cannot be started: no memory"),
)


@given(LIVES, st.floats(NOW, NOW + 200))
def test_running_part_is_never_started_and_one_that_does_not_run_never_ended(life: Life, now: float) -> None:
    decision = decide({"ray": life}, now)["ray"]
    runs = life.started_at is not None and life.died_at is None
    assert not (decision.start and runs)
    assert not (decision.end and not runs)


@given(LIVES)
def test_part_that_does_not_run_is_started_within_the_longest_pause_whatever_happened(life: Life) -> None:
    if life.started_at is None or life.died_at is not None:
        assert decide({"ray": life}, NOW + 100 + MAX_BACKOFF_S + 1)["ray"].start


def test_clock_that_was_set_back_does_not_postpone_a_restart() -> None:
    life = died(started(Life(), NOW), NOW, "exit code 1")
    assert decide({"ray": life}, NOW - 3600)["ray"].start


@given(st.integers(min_value=1, max_value=10_000))
def test_backoff_grows_and_stays_below_its_limit(deaths: int) -> None:
    assert 0 < backoff_s(deaths) <= backoff_s(deaths + 1) <= MAX_BACKOFF_S


def test_exit_is_told_in_words() -> None:
    assert exit_in_words(3) == "exit code 3"
    assert exit_in_words(-9) == "killed by signal 9: Killed"
