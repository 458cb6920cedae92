"""Tests of decisions and parsers: no server, no framework, seconds for all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FRAMEWORKS = ("torch", "ray", "mlflow")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run of these tests alone that has loaded a framework: what they test must do without."""
    alone = all(item.path.is_relative_to(HERE) for item in session.items)
    loaded = [name for name in FRAMEWORKS if name in sys.modules]
    if alone and loaded:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write(f"\nunit tests have loaded {', '.join(loaded)}\n")
