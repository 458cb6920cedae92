"""Attempts: which failures count, how long the next one waits, how large it is, when a start is given up."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from journeyman.cluster.capacity import Capacity, Node
from journeyman.errors import UnreadableError
from journeyman.jobs.attempt import Attempt, admitted_text, moment, ran_s, read_attempts
from journeyman.jobs.control.attempts import (
    READY_S,
    Retry,
    attempt_sizes,
    missing_ranks,
    next_attempt,
    retry_due_s,
    start_overdue,
    why_final,
)
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run

SPEC = TrainSpec(name="digits", entrypoint="train:loop")


def told(history: str) -> list[Retry | None]:
    """What follows each attempt, a word each: what ended it, and the step of its last checkpoint.

    `m` a machine, `p` a node that was taken away, `o` want of memory, `d` a driver that died without a word.
    """
    attempts: list[Attempt] = []
    follow = []
    reached: int | None = None
    for number, word in enumerate(history.split(), start=1):
        step = int(word[1:]) if word[1:] else None
        cause = Cause.PREEMPTED if word[0] == "p" else Cause.MACHINE
        silent = word[0] == "d"
        outcome = Outcome(
            cause=cause,
            message="gone",
            out_of_memory=word[0] == "o",
            checkpoint_step=None if silent else step,
        )
        attempt = Attempt(number=number, resumed_step=reached, ended_ms=1000 * number)
        follow.append(next_attempt([*attempts, attempt], outcome))
        attempts.append(
            Attempt(
                number=number,
                resumed_step=reached,
                ended_ms=1000 * number,
                outcome=None if silent else outcome,
            )
        )
        reached = reached if step is None else step
    return follow


def pauses(history: str) -> list[float | None]:
    return [None if each is None else each.pause_s for each in told(history)]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        # Pauses grow, and the fifth failure is the last.
        ("m m m m m", [0, 10, 30, 60, None]),
        # A checkpoint further on starts the count anew, and the failure after it counts as the first.
        ("m m m5 m m m m", [0, 10, 0, 10, 30, 60, None]),
        # One no further on, as of code that begins again each time, does not.
        ("m5 m5 m5 m5 m5", [0, 10, 30, 60, None]),
        # Nodes that are taken away after a checkpoint never count.
        ("p1 p2 p3 p4 p5 p6 p7 p8", [0] * 8),
        # Two without one are free, all that follow count.
        ("p p p p p p p", [0, 10, 30, 60, 120, 120, None]),
        ("p p m m m m m", [0, 10, 30, 60, 120, 120, None]),
        # Want of memory counts with a checkpoint too.
        ("o1 o2 o3 o4 o5", [0, 0, 0, 0, None]),
        ("o1 p2 o3 m4 o5 o6 m7", [0, 0, 0, 0, 0, 0, None]),
        # What a dead driver did not tell, the next one does by what it resumes from.
        ("d1 d2 d3 d4 d5 d6 d7", [0, 10, 10, 10, 10, 10, 10]),
    ],
)
def test_failures_are_counted_and_pauses_grow(history: str, expected: list[float | None]) -> None:
    assert pauses(history) == expected


@pytest.mark.parametrize("cause", set(Cause) - {Cause.MACHINE, Cause.PREEMPTED})
def test_only_what_machines_did_is_made_good(cause: Cause) -> None:
    outcome = Outcome(cause=cause, message="")
    assert next_attempt([Attempt(number=1)], outcome) is None
    assert why_final([Attempt(number=1)], outcome) == ""


def test_reason_tells_the_pause_and_what_ended_the_attempt_before() -> None:
    outcome = Outcome(cause=Cause.MACHINE, message="its node is gone", rank=1)
    first = next_attempt([Attempt(number=1)], outcome)
    second = next_attempt([Attempt(number=1), Attempt(number=2)], outcome)
    assert first is not None and second is not None
    assert first.reason == "resumes from its last checkpoint (attempt 1 died: rank 1: its node is gone)"
    assert second.reason == (
        "retries in 10 s, from its last checkpoint (attempt 2 died: rank 1: its node is gone)"
    )


def test_next_attempt_is_due_after_its_pause() -> None:
    assert retry_due_s([]) == 0.0
    assert retry_due_s([Attempt(number=1)]) == 0.0
    assert retry_due_s([Attempt(number=1), Attempt(number=2, ended_ms=50_000)]) == 60.0


def test_time_that_workers_ran_is_that_of_all_attempts() -> None:
    attempts = [
        Attempt(number=1, started_ms=10_000, ended_ms=40_000),
        Attempt(number=2),
        Attempt(number=3, started_ms=100_000),
        Attempt(number=4, admitted_ms=110_000, started_ms=120_000),
    ]
    assert ran_s(attempts, 125.0) == 30 + 10 + 5


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (Attempt(number=1, admitted_ms=0), ""),
        (Attempt(number=1, ready_ms=950_000), ""),
        (Attempt(number=1, ready_ms=100_000), "it did not start within its start_timeout of 60 s"),
        (Attempt(number=1, ready_ms=100_000, started_ms=101_000), ""),
        (
            Attempt(number=1, admitted_ms=int(-READY_S * 1000)),
            f"its nodes and its environment were not there after {READY_S + 60:g} s",
        ),
    ],
)
def test_start_is_given_up_after_its_time(attempt: Attempt, expected: str) -> None:
    assert start_overdue(attempt, 60.0, 1000.0) == expected


def test_ranks_that_are_missing_are_named() -> None:
    assert missing_ranks(4, (0, 2)) == "ranks 1, 3 are missing"
    assert missing_ranks(2, (1,)) == "rank 0 is missing"
    assert missing_ranks(2, (0, 1)) == missing_ranks(None, ()) == ""


def test_attempt_takes_the_most_that_fits_beside_the_least_of_the_others() -> None:
    def spec(workers: str) -> TrainSpec:
        return TrainSpec.model_validate({"name": "a", "entrypoint": "a:b", "workers": workers})

    def sizes(free: float, *workers: str) -> list[int]:
        capacity = Capacity(nodes=(Node(total={"CPU": 8.0}, free={"CPU": free}),))
        return attempt_sizes([spec(each) for each in workers], capacity)

    assert sizes(8, "2") == [2]
    assert sizes(3, "1..4") == [3]
    assert sizes(8, "1..4") == [4]
    assert sizes(5, "1..8", "2..4") == [3, 2]
    # The rest of it comes with growth.
    assert sizes(1, "2..4") == [2]


def run(attempt: int, params: Mapping[str, str], tags: Mapping[str, str]) -> Run:
    return Run(
        run_id="a" * 32,
        experiment_id="1",
        run_name="digits",
        status="RUNNING",
        artifact_uri="",
        start_ms=0,
        end_ms=None,
        tags={records.ATTEMPT: str(attempt), **tags},
        params=params,
        metrics={},
        steps={},
    )


def test_attempts_are_read_from_their_run() -> None:
    ended = Outcome(cause=Cause.MACHINE, message="gone", checkpoint_step=7)
    params = {
        "attempt.1": "control-1",
        moment(1, "admitted"): admitted_text(1000, 2),
        moment(1, "ready_ms"): "2000",
        moment(1, "started_ms"): "3000",
        moment(1, "first_step_ms"): "4000",
        moment(1, "ended_ms"): "5000",
        moment(2, "resumed"): "7 1/checkpoint_2026",
    }
    first, second = read_attempts(run(2, params, {f"{records.OUTCOME}.1": ended.to_json()}), 2)
    assert first == Attempt(
        number=1,
        workers=2,
        admitted_ms=1000,
        ready_ms=2000,
        started_ms=3000,
        first_step_ms=4000,
        ended_ms=5000,
        outcome=ended,
    )
    assert second == Attempt(number=2, resumed_step=7)


def test_record_of_before_tells_when_its_newest_attempt_started() -> None:
    first, second = read_attempts(run(2, {}, {records.WORKERS_STARTED_MS: "9000"}), 2)
    assert (first.started_ms, second.started_ms) == (None, 9000)


@pytest.mark.parametrize(
    "text", ['{"cause": "user", "mess', '{"cause": "witchcraft", "message": ""}', "[]", "", "\u8bad"]
)
def test_attempt_whose_outcome_cannot_be_read_has_ended_all_the_same(text: str) -> None:
    assert read_attempts(run(1, {}, {f"{records.OUTCOME}.1": text}), 1) == (Attempt(number=1),)


def test_moment_that_cannot_be_read_and_attempts_without_number_are_told() -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_attempts(run(1, {}, {records.WORKERS_STARTED_MS: "now"}), 1)
    with pytest.raises(UnreadableError, match="no job has more"):
        read_attempts(run(1, {}, {}), 10**12)
