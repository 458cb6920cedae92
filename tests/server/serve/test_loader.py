"""What a prepare job finds out about a version, and what replicas make of it on nodes that differ."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.models import Model
from mlflow.types import DataType, ParamSchema, ParamSpec
from torch import nn

from journeyman.errors import JourneymanError, NotFoundError, UnreachableError
from journeyman.models.cache import Fetched
from journeyman.models.engines import machine_code
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.files import Version
from journeyman.models.model import ModelError, ServedModel
from journeyman.models.packages import save_package
from journeyman.models.signature import Field, Signature
from journeyman.serve.benchmark.prepare_job import prepare
from journeyman.serve.preparation import Preparation
from journeyman.serve.replica.state import Away, Refused
from journeyman.serve.verdict import write_verdict
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ENGINES

with warnings.catch_warnings():
    # Ray's own, at import.
    warnings.simplefilter("ignore")
    from journeyman.serve.replica.deployment import Arguments
    from journeyman.serve.replica.loader import Loader, on_loop_bytes
    from journeyman.serve.replica.tasks import why_not

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, while it exports.

NAME = "heavy"
ROWS = {"input": np.random.rand(3, 2048).astype("f4")}


@pytest.fixture(scope="module")
def registry(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    """With a version that takes its time, and no ONNX form of it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2048, 2048), nn.GELU(), nn.LayerNorm(2048))
    package = save_package(module, torch.rand(2, 2048), tmp_path_factory.mktemp("model") / "m")
    client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
    run = client.create_run(client.create_experiment("loader"))
    client.log_artifacts(run.info.run_id, str(package.path), "model")
    client.create_registered_model(NAME)
    client.create_model_version(NAME, f"{run.info.artifact_uri}/model", run.info.run_id)
    yield client
    client.delete_registered_model(NAME)


@pytest.fixture
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, os.environ)
    yield client
    client.close()


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture
def node(node_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this node keeps what it has of versions. It may be as slow as it likes."""
    monkeypatch.setenv("JOURNEYMAN_HOME", str(node_folder))
    monkeypatch.setattr(machine_code, "LIMIT_S", 900.0)
    return node_folder


@pytest.mark.usefixtures("cpp_compiler")
def test_version_is_raced_as_machine_code_and_another_node_waits_until_it_has_some(
    registry: MlflowClient, mlflow: Mlflow, node: Path
) -> None:
    hardware = this_hardware().key
    verdict = prepare(
        Preparation(mlflow_url=mlflow.url, model=NAME, version="1", hardware=hardware, allow_code=False),
        mlflow,
    )
    assert set(verdict.times_us) == {Engine.TORCH_EXPORT, Engine.AOTINDUCTOR}, verdict.rejected

    # Whoever won: it is machine code that the next node lacks.
    winners = (str(Engine.AOTINDUCTOR),) * len(verdict.batch_sizes)
    tag = write_verdict(dataclasses.replace(verdict, winners=winners))
    registry.set_model_version_tag(NAME, "1", f"{ENGINES}.{hardware}", tag)
    loader = Loader(arguments(mlflow), mlflow)
    here = loader.load("1", None)
    assert here.model.plan.engines == (Engine.AOTINDUCTOR,)
    assert here.to_compile is None
    (code,) = node.rglob(".machine-code/*.pt2")
    elsewhere = code.rename(code.with_suffix(".elsewhere"))
    there = loader.load("1", None)
    assert there.model.plan.engines == (Engine.TORCH_EXPORT,)
    assert there.engine_trouble == "stays with torch.export until the version is compiled on this node"
    np.testing.assert_allclose(
        there.model.predict(ROWS)["output"], here.model.predict(ROWS)["output"], rtol=1e-3, atol=1e-5
    )
    assert there.to_compile is not None
    elsewhere.rename(code)
    assert loader.load("1", None, there).model.plan.engines == (Engine.AOTINDUCTOR,)


@pytest.mark.usefixtures("cpp_compiler")
def test_engine_that_is_ordered_is_compiled_where_it_lacks(
    registry: MlflowClient, mlflow: Mlflow, node: Path
) -> None:
    for code in node.rglob(".machine-code/*.pt2"):
        code.unlink()
    ordered = Loader(arguments(mlflow), mlflow).load("1", Engine.AOTINDUCTOR)
    assert ordered.model.plan.engines == (Engine.AOTINDUCTOR,)
    assert ordered.model.predict(ROWS)["output"].shape == (3, 2048)


def test_only_graphs_without_params_are_computed_on_the_event_loop(tmp_path: Path) -> None:
    def quick(inputs: Any, params: Any) -> Any:
        return {"output": inputs["x"]}

    rows = Signature(inputs=(Field("x", np.dtype("float32"), (-1, 1)),), bare_input=True, bare_output=True)

    def on_loop(engine: Engine, params: ParamSchema | None) -> bool:
        files = Version(tmp_path, Model(), dataclasses.replace(rows, params=params), (engine,))
        model = ServedModel(files, {"inputs": [[1.0]]}, alone(engine), {engine: quick}, quick)
        return on_loop_bytes(model) > 0

    tokens = ParamSchema([ParamSpec("max_tokens", DataType.long, 8)])
    assert [engine for engine in Engine if on_loop(engine, None)] == [
        Engine.TORCH_EXPORT,
        Engine.ONNXRUNTIME,
        Engine.AOTINDUCTOR,
    ]
    assert on_loop(Engine.ONNXRUNTIME, ParamSchema([]))
    assert not on_loop(Engine.ONNXRUNTIME, tokens)


def arguments(mlflow: Mlflow) -> Arguments:
    return Arguments(service="heavy", run_id="", model=NAME, mlflow_url=mlflow.url, allow_code=False)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (UnreachableError("MLflow does not answer", "Start it."), Away),
        (NotFoundError("there is no version 4"), Refused),
        (ModelError("it holds NaN"), Refused),
        (ValueError("x" * 1000), Refused),
        (SystemExit("enough"), Refused),
    ],
)
def test_server_that_is_away_is_no_fault_of_a_version(
    error: BaseException, result: type[Away | Refused]
) -> None:
    told = why_not(1, error)
    assert type(told) is result
    assert len(told.reason) <= 400
    assert not isinstance(error, JourneymanError) or error.message in told.reason


def test_version_that_runs_code_is_not_compiled_before_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_package(nn.Linear(4, 3), torch.rand(2, 4), tmp_path / "version").path
    metadata = Model.load(str(folder))
    metadata.flavors["pytorch"]["code"] = "code"
    metadata.save(str(folder / "MLmodel"))
    compiled: list[Path] = []
    for module in ("journeyman.serve.replica.loader", "journeyman.serve.benchmark.prepare_job"):
        monkeypatch.setattr(f"{module}.fetch", lambda *_: Fetched(folder, "", {}))
        monkeypatch.setattr(f"{module}.compile_version", compiled.append)
    # However little there is to win.
    monkeypatch.setattr("journeyman.serve.benchmark.prepare_job.WORTH_COMPILING_US", 0.0)
    mlflow = Mlflow("http://127.0.0.1:1", {})
    with pytest.raises(ModelError, match="brings Python of its own"):
        Loader(arguments(mlflow), mlflow).load("1", Engine.AOTINDUCTOR)
    hardware = this_hardware().key
    asked = Preparation(mlflow_url=mlflow.url, model=NAME, version="1", hardware=hardware, allow_code=False)
    assert "brings Python of its own" in prepare(asked, mlflow).failed
    assert compiled == []
    allowed = arguments(mlflow).model_copy(update={"allow_code": True})
    with pytest.raises(ModelError, match="is not compiled on this node"):
        Loader(allowed, mlflow).load("1", Engine.AOTINDUCTOR)
    assert compiled == [folder]
