"""Which MLflow server a test of the records talks to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    """Of server: a parameter of its own, for one of `mlflow_url` would start the session's server anew."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="module")
def mlflow_url(request: pytest.FixtureRequest, mlflow_url: str, kind: str) -> Iterator[str]:
    """The server on SQLite, or where the kind is `production` the one on PostgreSQL and S3."""
    if kind == "sqlite":
        yield mlflow_url
        return
    environ = request.getfixturevalue("production_mlflow")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.setenv(name, environ[name])
        yield environ["MLFLOW_TRACKING_URI"]
