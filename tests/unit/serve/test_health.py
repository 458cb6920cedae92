"""How long one call may compute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeyman.serve.replica.health import Ailment, Pulse, ailment_of

IDLE = Pulse(computing_since_s=None, longest_s=0.0, timeout_s=5.0, dead=())


@pytest.mark.parametrize(
    ("longest_s", "timeout_s", "limit_s"),
    [(0.0, 5.0, 60.0), (100.0, 5.0, 300.0), (0.0, 60.0, 120.0), (10.0, 300.0, 600.0)],
)
def test_limit_is_the_largest_of_three(longest_s: float, timeout_s: float, limit_s: float) -> None:
    pulse = replace(IDLE, computing_since_s=1000.0, version="1", longest_s=longest_s, timeout_s=timeout_s)
    assert ailment_of(pulse, 1000.0 + limit_s) is None
    hung = ailment_of(pulse, 1000.1 + limit_s)
    assert hung == Ailment(f"a call has been computing for more than {limit_s:.0f} s", "1")


def test_nobody_is_replaced_who_computes_nothing() -> None:
    assert ailment_of(IDLE, 1e9) is None


def test_dead_thread_is_enough() -> None:
    assert ailment_of(replace(IDLE, dead=("model",)), 0.0) == Ailment("its thread model has died")
