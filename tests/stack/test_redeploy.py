"""How each key of a new order reaches a service that answers, as `deploy` says it will."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import pytest
import torch

from journeyman.client import Client
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings

from .conftest import ROW, registered

NAME = "reordered"
LIMIT_S = 180.0

Change = tuple[str, bool | None, int]
"""The key's new value, whether the replicas there are stay, and how many there are then."""

CHANGES: list[Change] = [
    ("replicas=2", True, 2),
    ("replicas=1", None, 1),
    ("limits={time: 30s, queue: 50}", True, 1),
    ("cors=[https://app.example.com]", True, 1),
    ("engine=torch.export", True, 1),
    ("env.GREETING=hello", False, 1),
    ("project=elsewhere", True, 1),
]
OTHERS: list[Change] = [
    ("resources.cpus=0.5", False, 1),
    ("allow_code=true", False, 1),
    ("project=elsewhere", True, 1),
]


def _lets_in_pages_of(origin: str, url: str) -> None:
    """As a browser asks: first whether it may, then what it wants, and both answers must say so."""
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    deadline = time.monotonic() + 30
    # Serve hands a new config to its replicas a moment after it has taken it.
    while (
        "vary"
        not in (ahead := httpx.options(f"{url}/invocations", headers={"origin": origin, **asks})).headers
    ):
        assert time.monotonic() < deadline, ahead.headers
        time.sleep(0.1)
    assert (ahead.status_code, ahead.headers["access-control-allow-headers"]) == (204, "content-type")
    posted = httpx.post(f"{url}/invocations", json=ROW, headers={"origin": origin})
    refused = httpx.get(f"{url}/v2/models/other", headers={"origin": origin})
    for answer, status in ((ahead, 204), (posted, 200), (refused, 404)):
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == origin
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
    other = httpx.post(f"{url}/invocations", json=ROW, headers={"origin": "https://other.example"})
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (200, False)


@pytest.mark.parametrize("table", [CHANGES, pytest.param(OTHERS, marks=pytest.mark.long)])
@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_each_key_arrives_as_it_is_told_and_no_request_fails(
    stack: Settings,
    asked: Callable[[str], AbstractContextManager[list[tuple[int, str]]]],
    tmp_path: Path,
    table: list[Change],
) -> None:
    rows = torch.ones(2, 4)
    registered(stack.mlflow_url, NAME, torch.nn.Linear(4, 3), rows, tmp_path / "model", "champion")
    spec = tmp_path / "service.yaml"
    spec.write_text(f"kind: service\nname: {NAME}\nmodel: models:/{NAME}@champion\n")

    with closing(Client(stack)) as client, closing(Ray(stack.ray_url, stack.ray_token, os.environ)) as ray:

        def replicas() -> set[str] | None:
            """Of the service once it is as it was ordered."""
            [application] = [each for each in ray.applications() if each.name == NAME]
            settled = client.service(NAME).phase == "healthy" and application.status == "RUNNING"
            alive = {each.replica_id for each in application.replicas if each.state == "RUNNING"}
            return alive if settled and len(alive) == len(application.replicas) else None

        def settled(wanted: Callable[[set[str]], bool]) -> set[str]:
            deadline = time.monotonic() + LIMIT_S
            while (found := replicas()) is None or not wanted(found):
                assert time.monotonic() < deadline, f"{found}: {client.service(NAME)}"
                time.sleep(0.2)
            return found

        client.deploy(spec)
        deadline = time.monotonic() + LIMIT_S
        while client.service(NAME).phase != "healthy":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        there = settled(lambda found: len(found) == 1)
        assert client.plan_deploy(spec) == []
        ordered: list[str] = []
        with asked(client.service(NAME).url) as answers:
            for assignment, stay, count in table:
                key = assignment.partition("=")[0].partition(".")[0]
                ordered = [each for each in ordered if each.partition("=")[0] != assignment.partition("=")[0]]
                ordered.append(assignment)
                [told] = client.plan_deploy(spec, ordered)
                assert told.startswith(f"{key}: ")
                assert ("new replicas" in told) == (stay is False), told
                client.deploy(spec, ordered)
                now = settled(
                    lambda found, stay=stay, count=count, there=there: (  # type: ignore[misc]
                        len(found) == count and (stay is not False or not found & there)
                    )
                )
                if stay:
                    assert there <= now, f"{assignment} replaced the replicas"
                there = now
                if key == "cors":
                    _lets_in_pages_of("https://app.example.com", client.service(NAME).url)
            _, [back] = client.rollback(NAME)
            assert back.startswith("project: elsewhere → default")
            time.sleep(1)
        assert {status for status, _ in answers} == {200}
        client.undeploy(NAME)
        while NAME in {service.name for service in client.services()}:
            assert time.monotonic() < deadline + 10 * LIMIT_S
            time.sleep(0.2)
