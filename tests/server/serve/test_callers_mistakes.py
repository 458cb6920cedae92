"""A model that refuses its input by MLflow's means: the caller's mistake, by every protocol."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import grpc
import mlflow
import orjson
import pytest

from journeyman.models.engines.engine import Engine, alone
from journeyman.models.model import load_model, look
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names
from journeyman.serve.replica.rpc import RpcEndpoint
from journeyman.serve.replica.version import LoadedVersion

from .test_endpoint import posted, request
from .test_open_inference_rpc import Context

COLUMN = "column_0"
"""As a model whose types alone are declared calls its input."""
CODE = """
import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_DOES_NOT_EXIST


class Picky(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str], params=None) -> list[str]:
        for text in model_input:
            if text == "swearword":
                raise MlflowException.invalid_parameter_value("no such words,\\n  please")
            if text == "early":
                raise MlflowException("ask later", error_code=BAD_REQUEST)
            if text == "lost":
                raise MlflowException("its index is gone", error_code=RESOURCE_DOES_NOT_EXIST)
            if text == "broken":
                raise MlflowException("a secret")
            if text == "table":
                raise MlflowException.invalid_parameter_value("begin " + "x " * 5000 + "end")
        return [text.upper() for text in model_input]


mlflow.models.set_model(Picky())
"""


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    folder: Path = tmp_path_factory.mktemp("picky")
    (folder / "picky.py").write_text(CODE)
    mlflow.pyfunc.save_model(
        folder / "model", python_model=str(folder / "picky.py"), pip_requirements=["mlflow"]
    )
    model = load_model(look(folder / "model"), True, alone(Engine.PYFUNC))
    return LoadedVersion("3", model, 0, 1, {"x-journeyman-version": "3"}, b"{}")


def scored(version: LoadedVersion, word: str) -> tuple[int, dict[str, Any]]:
    answer = posted(request(orjson.dumps({"inputs": ["fine", word]})), version)
    return answer.status_code, orjson.loads(answer.body)


def inferred(version: LoadedVersion, word: str) -> tuple[int, dict[str, Any]]:
    tensor = {"name": COLUMN, "datatype": "BYTES", "shape": [2], "data": ["fine", word]}
    asked = request(orjson.dumps({"inputs": [tensor]}))
    asked.scope["path"] = "/s/v2/models/m/infer"
    answer = posted(asked, version)
    return answer.status_code, orjson.loads(answer.body)


def called(version: LoadedVersion, word: str) -> Context:
    asked = messages.ModelInferRequest(model_name="m")
    tensor = asked.inputs.add(name=COLUMN, datatype="BYTES", shape=[2])
    tensor.contents.bytes_contents.extend([b"fine", word.encode()])
    metrics, context = Metrics("s", "m"), Context()
    rpc = RpcEndpoint(Names("s", "m"), ComputeQueue(metrics), metrics)
    asyncio.run(rpc.call("ModelInfer", asked, context, version))
    return context


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("swearword", "INVALID_PARAMETER_VALUE", "The model refuses this request: no such words, please"),
        ("early", "BAD_REQUEST", "The model refuses this request: ask later"),
    ],
)
def test_what_the_model_refuses_by_mlflows_means_is_the_callers_by_every_protocol(
    version: LoadedVersion, word: str, code: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert scored(version, "fine") == (200, {"predictions": ["FINE", "FINE"]})
    assert scored(version, word) == (400, {"error_code": code, "message": says})
    assert inferred(version, word) == (400, {"error": says})
    context = called(version, word)
    assert (context.code, context.details) == (grpc.StatusCode.INVALID_ARGUMENT, says)
    # It is no failure of the model: nobody is to look for one.
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("word", ["lost", "broken"])
def test_what_fails_inside_the_model_stays_its_failure(version: LoadedVersion, word: str) -> None:
    status, told = scored(version, word)
    assert (status, told["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in told["message"]
    assert inferred(version, word)[0] == 500
    assert called(version, word).code == grpc.StatusCode.INTERNAL


def test_a_long_refusal_keeps_its_beginning_and_its_end(version: LoadedVersion) -> None:
    _, told = scored(version, "table")
    assert len(told["message"]) < 500
    assert "request: begin x" in told["message"]
    assert told["message"].endswith("x end")
