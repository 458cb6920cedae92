"""Who follows a job sees every state of it, and its end soon after its driver has written it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from journeyman.cli import following
from journeyman.cli.following import ENDING_POLL_S, POLL_S
from journeyman.errors import UnreachableError


def state(outcome: str | None = None, *, ended: bool = False) -> Any:
    return SimpleNamespace(run_id="a1", outcome=outcome, ended=ended)


def test_looks_follow_faster_once_the_driver_has_said_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([state(), state(), state("finished"), state("finished"), state("finished", ended=True)])
    slept: list[float] = []
    monkeypatch.setattr("journeyman.cli.following.time.sleep", slept.append)
    client: Any = SimpleNamespace(job=lambda run_id: next(told))
    assert [job.ended for job in following._watch(client, state())] == [False] * 4 + [True]
    assert slept == [POLL_S, POLL_S, ENDING_POLL_S, ENDING_POLL_S]


def test_server_that_is_away_for_a_look_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([state(), None, state("finished", ended=True)])

    def look(run_id: str) -> Any:
        if (found := next(looks)) is None:
            raise UnreachableError("MLflow does not answer", "Try again.")
        return found

    monkeypatch.setattr("journeyman.cli.following.time.sleep", lambda seconds: None)
    client: Any = SimpleNamespace(job=look)
    assert [job.ended for job in following._watch(client, state())] == [False, False, True]
