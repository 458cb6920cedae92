"""Failures: the first cause is found behind its echoes, and only machines are retried."""

from __future__ import annotations

import pytest

from journeyman.jobs.failures import MAX_ATTEMPTS, Cause, Outcome, RankFailure, another_attempt, classify

RAISED = RankFailure(message="ValueError: no such column", traceback="Traceback …", raised=True)
ECHO = RankFailure(message="RuntimeError: Connection closed by peer", traceback="gloo", raised=True)
DEAD = RankFailure(message="The actor died: SIGKILL", traceback="", raised=False)


def test_own_exception_wins_over_the_echo_of_it_on_another_rank() -> None:
    outcome = classify({0: ECHO, 1: RAISED})
    assert (outcome.cause, outcome.rank, outcome.message) == (Cause.USER, 1, RAISED.message)


def test_dead_worker_wins_over_the_echo_of_it() -> None:
    outcome = classify({0: ECHO, 1: DEAD})
    assert (outcome.cause, outcome.rank) == (Cause.MACHINE, 1)


def test_echo_alone_is_the_machines_doing() -> None:
    assert classify({0: ECHO}).cause is Cause.MACHINE


def test_only_machine_failures_are_retried_and_not_forever() -> None:
    machine = Outcome(cause=Cause.MACHINE, message="gone")
    assert another_attempt(machine, 1)
    assert not another_attempt(machine, MAX_ATTEMPTS)
    assert not any(
        another_attempt(Outcome(cause=cause, message=""), 1) for cause in Cause if cause is not Cause.MACHINE
    )


@pytest.mark.parametrize("cause", list(Cause))
def test_outcome_survives_its_record(cause: Cause) -> None:
    outcome = Outcome(cause=cause, message="why — ünïcode", rank=3, detail="a\nb")
    assert Outcome.from_json(outcome.to_json()) == outcome
