"""What a replica answers over HTTP, without Serve around it: bodies in pieces, late, or too large."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from mlflow.models import Model
from starlette.requests import Request
from starlette.responses import Response

from journeyman.models.engines.engine import Engine, alone
from journeyman.models.files import Version
from journeyman.models.model import ServedModel
from journeyman.models.signature import Field, Signature
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.http import HttpEndpoint
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names
from journeyman.serve.replica.version import LoadedVersion
from journeyman.serve.spec import Limits

ROWS = Signature(
    inputs=(Field("x", np.dtype("float32"), (-1, 2)),),
    outputs=(Field("output", np.dtype("float32"), (-1, 2)),),
    bare_input=True,
    bare_output=True,
)
BODY = orjson.dumps({"inputs": [[1, 2]]})


def doubled(inputs: Any, params: Any) -> Any:
    if inputs["x"][0, 0] == 13:
        raise ArithmeticError("a secret")
    return {"output": inputs["x"] * 2}


def loaded(on_loop_bytes: float = 1e9, joined_rows: int = 1) -> LoadedVersion:
    files = Version(Path("/nowhere"), Model(), ROWS, (Engine.PYFUNC,))
    model = ServedModel(files, None, alone(Engine.PYFUNC), {Engine.PYFUNC: doubled}, doubled)
    return LoadedVersion("3", model, on_loop_bytes, joined_rows, {"x-journeyman-version": "3"}, b"{}")


def request(*pieces: bytes, late_s: float = 0.0, leaves: bool = False, **headers: str) -> Request:
    """`late_s`: how long the last piece is waited for. `leaves`: whoever sent it is gone once all is sent."""
    messages = [
        {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ]

    async def receive() -> dict[str, Any]:
        if not messages and leaves:
            return {"type": "http.disconnect"}
        if not messages:
            await asyncio.Event().wait()
        if len(messages) == 1 and late_s:
            await asyncio.sleep(late_s)
        return messages.pop(0)

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/s/invocations", "root_path": "/s", "headers": sent}
    return Request(scope, receive)


def endpoint(limits: Limits | None = None) -> HttpEndpoint:
    metrics = Metrics("s", "m")
    queue = ComputeQueue(metrics)
    queue.limits = limits or Limits()
    return HttpEndpoint(Names("s", "m"), queue, metrics)


def posted(asked: Request, version: LoadedVersion, limits: Limits | None = None) -> Response:
    async def ask() -> Response:
        return await endpoint(limits).answer(asked, version)

    return asyncio.run(ask())


@pytest.mark.parametrize("version", [loaded(), loaded(0), loaded(0, 16)], ids=["loop", "thread", "joined"])
@pytest.mark.parametrize("pieces", [[BODY], [BODY[:4], BODY[4:9], BODY[9:]], [BODY, b""]])
def test_body_is_answered_in_however_many_pieces_it_comes(
    pieces: Sequence[bytes], version: LoadedVersion
) -> None:
    answer = posted(request(*pieces), version)
    assert (answer.status_code, answer.body) == (200, b'{"predictions":[[2.0,4.0]]}')
    assert answer.headers["x-journeyman-version"] == "3"


def test_body_that_does_not_arrive_in_time_is_408() -> None:
    answer = posted(request(BODY[:4], BODY[4:], late_s=5), loaded(), Limits(time=0.05))
    assert (answer.status_code, orjson.loads(answer.body)["error_code"]) == (408, "REQUEST_TIMEOUT")


def test_body_that_is_too_large_is_413_before_all_of_it_is_there() -> None:
    answer = posted(request(BODY, BODY, BODY, late_s=5), loaded(), Limits(body=len(BODY)))
    assert answer.status_code == 413


def test_bodies_that_are_still_on_their_way_are_bounded_too() -> None:
    async def ask() -> list[int]:
        http = endpoint(Limits(queue=1))
        late = [http.answer(request(BODY[:5], BODY[5:], late_s=0.1), loaded()) for _ in range(3)]
        # One that is there is answered meanwhile, and so is the next once there is room.
        answers = await asyncio.gather(*late, http.answer(request(BODY), loaded()))
        answers.append(await http.answer(request(BODY[:5], BODY[5:], late_s=0.1), loaded()))
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200, 200, 503, 200, 200]


def test_body_that_is_encoded_is_415() -> None:
    assert posted(request(BODY, content_encoding="gzip"), loaded()).status_code == 415


@pytest.mark.parametrize("version", [loaded(), loaded(0)], ids=["loop", "thread"])
def test_failure_of_the_model_tells_nothing_of_its_words(
    version: LoadedVersion, caplog: pytest.LogCaptureFixture
) -> None:
    answer = posted(request(b'{"inputs": [[13, 1]]}', x_request_id="mine"), version)
    assert (answer.status_code, b"secret" in answer.body) == (500, False)
    assert "failed on request mine" in caplog.text
    assert "ArithmeticError: a secret" in caplog.text


def test_what_nobody_waits_for_any_more_is_not_computed() -> None:
    begun, held = threading.Event(), threading.Event()
    seen: list[float] = []

    def held_up(inputs: Any, params: Any) -> Any:
        begun.set()
        seen.append(float(inputs["x"][0, 0]))
        held.wait(10)
        return {"output": inputs["x"]}

    version = loaded(0)
    version = replace(version, model=replace(version.model, run=held_up))

    async def ask() -> list[int]:
        http = endpoint()
        first = asyncio.create_task(http.answer(request(b'{"inputs": [[1, 1]]}'), version))
        await asyncio.to_thread(begun.wait)
        left = await http.answer(request(b'{"inputs": [[2, 2]]}', leaves=True), version)
        third = asyncio.create_task(http.answer(request(b'{"inputs": [[3, 3]]}'), version))
        await asyncio.sleep(0)
        held.set()
        return [each.status_code for each in (await first, left, await third)]

    assert asyncio.run(ask()) == [200, 499, 200]
    assert seen == [1.0, 3.0]
