"""For how long each parser is fed: seconds beside the unit tests, minutes in `make chaos`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, help="Of the clock, for each target of tests/fuzz."
    )


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    # Where another folder is collected first, pytest has not heard of the option.
    return float(request.config.getoption("--fuzz-seconds", 1.0))
