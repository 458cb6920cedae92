"""Failures: the first cause is found behind its echoes."""

from __future__ import annotations

import pickle

import pytest

from journeyman.jobs.control.attempts import driverless
from journeyman.jobs.driver.classify import classify, death_of_worker
from journeyman.jobs.outcome import Cause, Outcome, Raised, RankError

RAISED = RankError("ValueError: no such column", detail="Traceback …")
ECHO = RankError("RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer", detail="…")
DEAD = RankError("The actor died: SIGKILL", cause=Cause.MACHINE)


def test_own_exception_wins_over_the_echo_of_it_on_another_rank() -> None:
    outcome = classify({0: ECHO, 1: RAISED})
    assert (outcome.cause, outcome.rank, outcome.message) == (Cause.USER, 1, RAISED.message)


def test_dead_worker_wins_over_the_echo_of_it() -> None:
    outcome = classify({0: ECHO, 1: DEAD})
    assert (outcome.cause, outcome.rank) == (Cause.MACHINE, 1)


def test_echo_alone_is_the_machines_doing() -> None:
    assert classify({0: ECHO}).cause is Cause.MACHINE


def test_echo_that_a_script_printed_is_one_too() -> None:
    printed = "Traceback …\ntorch.distributed.DistBackendError: NCCL error in: …\n[rank0] destroyed"
    script = RankError("train.py exited with code 1: [rank0] destroyed", detail=printed)
    assert classify({0: script, 1: DEAD}).rank == 1


def test_own_trouble_with_a_connection_is_no_echo() -> None:
    refused = RankError("ConnectionRefusedError: [Errno 111] Connection refused")
    assert classify({0: refused}).cause is Cause.USER


def test_rank_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(RankError("died", cause=Cause.MACHINE, detail="why")))
    assert (error.message, error.cause, error.detail) == ("died", Cause.MACHINE, "why")


NO_GPU = "RuntimeError: ProcessGroupNCCL is only supported with GPUs, no GPUs found!"
TWICE = "torch.distributed.DistBackendError: NCCL error: Duplicate GPU detected : rank {} and rank {}"


@pytest.mark.parametrize("messages", [[NO_GPU, NO_GPU], [TWICE.format(0, 1), TWICE.format(1, 0)], [NO_GPU]])
def test_set_up_that_fails_on_every_rank_is_not_the_machines_doing(messages: list[str]) -> None:
    errors = {rank: RankError(message) for rank, message in enumerate(messages)}
    outcome = classify(errors, len(messages))
    assert (outcome.cause, outcome.rank, outcome.message) == (Cause.USER, 0, messages[0])


def test_peers_that_lost_one_another_all_at_once_are_the_machines_doing() -> None:
    """As where the network between them goes."""
    assert classify({0: ECHO, 1: ECHO}, 2).cause is Cause.MACHINE


def test_failed_collective_is_an_echo_while_a_rank_has_not_told_its_end() -> None:
    failed = RankError("torch.distributed.DistBackendError: NCCL error in: ncclSystemError")
    assert classify({0: failed}, 2).cause is Cause.MACHINE
    assert classify({0: failed, 1: DEAD}, 2).rank == 1


def test_node_that_was_taken_away_explains_what_the_others_raise() -> None:
    taken = RankError("its node was taken away", cause=Cause.PREEMPTED)
    outcome = classify({0: RAISED, 1: taken, 2: DEAD}, 3)
    assert (outcome.cause, outcome.rank) == (Cause.PREEMPTED, 1)


def test_want_of_memory_on_any_rank_is_kept() -> None:
    memory = RankError("its node ran out of memory", cause=Cause.MACHINE, out_of_memory=True)
    assert classify({0: DEAD, 1: memory}).out_of_memory
    assert not classify({0: DEAD}).out_of_memory


@pytest.mark.parametrize(("nodes", "first"), [(("a", "a", "a"), 2), (("a", "b", "a"), 0)])
def test_first_in_time_is_told_where_one_clock_tells_it(nodes: tuple[str, ...], first: int) -> None:
    errors = {
        rank: RankError(f"ValueError: {rank}", raised=Raised(node=node, time_s=100.0 - rank))
        for rank, node in enumerate(nodes)
    }
    assert classify(errors, 3).rank == first


def test_outcome_of_a_version_before_is_read() -> None:
    outcome = Outcome.from_json('{"cause": "user", "message": "no", "rank": null, "node": "", "detail": ""}')
    assert (outcome.out_of_memory, outcome.checkpoint_step) == (False, None)


@pytest.mark.parametrize("cause", list(Cause))
def test_outcome_survives_its_record(cause: Cause) -> None:
    outcome = Outcome(cause=cause, message="why — ünïcode", rank=3, detail="a\nb")
    assert Outcome.from_json(outcome.to_json()) == outcome


@pytest.mark.parametrize(
    ("told", "meaning"),
    [
        (
            "The actor died unexpectedly before finishing this task. Worker exit type: SYSTEM_ERROR "
            "Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.",
            "its process died without an error message: it was killed, as when memory runs out, "
            "or it crashed, as by SIGSEGV",
        ),
        (
            "A worker health check has been hanging for 15.02 seconds. Marking the worker as dead.",
            "its process did not answer for 15 s: it was stopped, or something held its interpreter",
        ),
        ("Worker exits by exit code '3'.", "its process exited with code 3"),
        ("The node it ran on died: NODE_DIED", "its node is gone"),
        ("Task was killed due to the node running low on memory.", "its node ran out of memory"),
    ],
)
def test_death_of_a_worker_is_told_in_a_line(told: str, meaning: str) -> None:
    assert meaning in death_of_worker(told)


def test_words_that_tell_of_no_death_are_left_as_they_are() -> None:
    assert death_of_worker("ValueError: shapes do not fit") == ""
    assert driverless("one\nthe last line", ()).message == "the driver died: the last line"
    assert driverless("", ()).message == "the driver died: cause unknown"
