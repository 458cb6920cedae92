"""Choosing ports."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from journeyman.cluster.local.ports import SEARCHED, choose_ports, is_free, port_owner
from journeyman.errors import StackError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on loopback that this test listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_free_port_is_taken_as_wanted() -> None:
    wanted = _unused()
    choice = choose_ports({"mlflow": wanted})["mlflow"]
    assert (choice.port, choice.wanted, choice.owner) == (wanted, wanted, "")


def test_taken_port_names_its_owner_and_gives_the_next_free_one(taken: int) -> None:
    choice = choose_ports({"mlflow": taken})["mlflow"]
    assert choice.wanted == taken
    assert taken < choice.port <= taken + SEARCHED
    assert is_free(choice.port)
    assert f"pid {os.getpid()}" in choice.owner


def test_port_bound_on_all_interfaces_counts_as_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_port_of_a_server_that_just_ended_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listener.accept()
            # The side that closes first keeps its end in TIME_WAIT, and with it the server's port.
            served.close()
            client.recv(1)
    assert is_free(port)


def test_moved_port_leaves_the_wanted_port_of_a_later_name_alone(taken: int) -> None:
    choices = choose_ports({"first": taken, "second": taken + 1, "third": taken + 2})
    assert choices["first"].port not in (taken, taken + 1, taken + 2)
    assert len({choice.port for choice in choices.values()}) == 3


def test_no_free_port_up_to_the_last_one_is_an_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 65535))
        listener.listen()
        with pytest.raises(StackError, match="no free port for mlflow: 65535"):
            choose_ports({"mlflow": 65535})


def test_owner_of_a_port_nobody_has_is_not_made_up() -> None:
    assert port_owner(_unused()) == "a process that we may not look at"
