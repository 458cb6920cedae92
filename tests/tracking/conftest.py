"""Which MLflow server a test of the records talks to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def mlflow_url(request: pytest.FixtureRequest, mlflow_url: str) -> Iterator[str]:
    """The server on SQLite, or with `production` as its parameter the one on PostgreSQL and S3."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield mlflow_url
        return
    environ = request.getfixturevalue("production_mlflow")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.setenv(name, environ[name])
        yield environ["MLFLOW_TRACKING_URI"]
