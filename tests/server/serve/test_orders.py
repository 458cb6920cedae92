"""Orders for services: what a new one changes and how, and the way back to the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeyman.cluster.settings import Settings
from journeyman.errors import NotFoundError
from journeyman.serve.orders import HOW, changes, create_service, previous_order, redeploy
from journeyman.serve.spec import ServiceSpec
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ORDERS_ARTIFACT, SPEC

FIRST = ServiceSpec(name="digits", model="models:/digits@champion")
SECOND = FIRST.model_copy(update={"env": {"A": "1"}})
THIRD = FIRST.model_copy(update={"allow_code": True})


@pytest.fixture
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, os.environ)
    yield client
    client.close()


def settings(mlflow_url: str) -> Settings:
    return Settings(
        home=Path("/nowhere"),
        context="local",
        attached=False,
        cluster="orders",
        mlflow_url=mlflow_url,
        ray_url="",
        ray_token=None,
        serve_url="",
        grpc_address=None,
        storage="/nowhere/runs",
    )


def test_every_key_that_may_change_says_how() -> None:
    assert set(HOW) == set(ServiceSpec.model_fields) - {"kind", "name"}


def test_changes_name_the_key_the_values_and_the_way() -> None:
    assert changes(FIRST, FIRST) == []
    (line,) = changes(FIRST, SECOND)
    assert line.startswith("env: {} → {'A': '1'} (by new replicas")


def test_order_before_the_last_comes_back_and_so_does_the_one_it_replaced(
    mlflow: Mlflow, mlflow_url: str
) -> None:
    run = create_service(FIRST, mlflow, settings(mlflow_url))
    with pytest.raises(NotFoundError, match="no other order"):
        previous_order(run, mlflow)
    for spec in (SECOND, SECOND, THIRD):
        redeploy(spec, mlflow.run(run.run_id), mlflow)
    assert len(mlflow.artifacts(run.run_id, ORDERS_ARTIFACT)) == 3
    run = mlflow.run(run.run_id)
    assert previous_order(run, mlflow) == SECOND
    redeploy(SECOND, run, mlflow)
    run = mlflow.run(run.run_id)
    assert ServiceSpec.model_validate_json(run.tags[SPEC]) == SECOND
    assert previous_order(run, mlflow) == THIRD
