"""Every engine answers as the safest does, and a race says which is the fastest on this machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import onnx
import onnxruntime
import orjson
import pytest
import torch
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from torch import nn

from journeyman.models.arrays import Invocation, Run
from journeyman.models.engines import torch_program
from journeyman.models.engines.devices import move
from journeyman.models.engines.engine import Engine, Plan, alone
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.files import Version, look_at
from journeyman.models.model import ModelError, ServedModel, load_model, look
from journeyman.models.onnx_form import ONNX, add_onnx
from journeyman.models.packages import Package, save_package
from journeyman.serve.benchmark.race import race
from journeyman.serve.protocols.example import warm
from journeyman.serve.protocols.invocations import parse
from journeyman.serve.verdict import BATCH_SIZES, Verdict

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and onnxscript's own, while they export.


class Named(nn.Module):  # type: ignore[misc]
    """Two inputs, two outputs, one of them of integers."""

    def forward(self, pixels: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = pixels * weight
        return {"scores": scores, "best": scores.argmax(-1)}


class Doubled(nn.Module):  # type: ignore[misc]
    """Its ONNX form refuses nothing, but bfloat16 has no place in NumPy."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return (rows * 2).to(torch.bfloat16)


class Centred(nn.Module):  # type: ignore[misc]
    """A row's answer depends on the rows beside it."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows - rows.mean(0, keepdim=True)


class Placed(nn.Module):  # type: ignore[misc]
    """Has weights, a constant and a tensor that is made on the device of its input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4)
        self.register_buffer("shift", torch.ones(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        places = torch.arange(4, device=rows.device, dtype=rows.dtype)
        scale = torch.tensor([1.0, 2.0, 3.0, 4.0]).to(rows.device)
        return (self.linear(rows) * scale + self.shift * places).detach()


class Flat(nn.Module):  # type: ignore[misc]
    """Sees its input in another shape."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.view(-1, 12) * 2


ROWS = torch.arange(8.0).reshape(2, 4) / 8


def published(module: nn.Module, example: Any, folder: Path) -> Package:
    package = save_package(module, example, folder / "model")
    assert add_onnx(package) == ""
    return package


def loaded(folder: Path) -> dict[Engine, ServedModel]:
    version = look(folder)
    return {
        engine: load_model(version, False, alone(engine))
        for engine in version.engines
        if engine != Engine.AOTINDUCTOR
    }


def computed_on(device: str, version: Version) -> Run:
    place = torch.device(device)
    return torch_program.load(version.folder, version.signature, place)


def raced(folder: Path) -> Verdict:
    models = loaded(folder)
    first = next(iter(models.values()))
    example = parse(orjson.dumps(first.example), None, first.signature)
    return race(models, {}, example, this_hardware())


def test_published_version_has_two_engines_that_answer_alike_by_name(tmp_path: Path) -> None:
    models = loaded(published(Named(), (ROWS, ROWS + 1), tmp_path).path)
    assert list(models) == [Engine.TORCH_EXPORT, Engine.ONNXRUNTIME]
    for rows in (1, 3, 7):
        inputs = {"pixels": np.random.rand(rows, 4).astype("f4"), "weight": np.ones((rows, 4), "f4")}
        first, second = (model.predict(inputs) for model in models.values())
        assert first.keys() == second.keys() == {"scores", "best"}
        for name in first:
            assert first[name].dtype == second[name].dtype
            np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-6)


def test_program_exported_on_a_cpu_is_moved_to_where_it_is_computed_as_a_whole(tmp_path: Path) -> None:
    version = look(published(Placed(), ROWS, tmp_path).path)
    inputs = {"input": ROWS.numpy()}
    expected = Placed()(ROWS).numpy()
    np.testing.assert_allclose(computed_on("cpu", version)(inputs, None)["output"], expected)
    # A device that computes nothing is everywhere: only what all came to be there gets as far as back again.
    with pytest.raises(NotImplementedError, match="copy out of meta tensor"):
        computed_on("meta", version)(inputs, None)


def test_program_that_is_moved_takes_no_order_of_memory_for_granted(tmp_path: Path) -> None:
    # As on a GPU, where attention answers in another order than on the CPU that a program was exported on.
    rows = torch.arange(24.0).reshape(2, 3, 4)
    version = look(published(Flat(), rows, tmp_path).path)
    otherwise = rows.mT.contiguous().mT
    program = mlflow.pytorch.load_model(str(version.folder))
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        program(otherwise)
    move(program, torch.device("cpu"))
    assert torch.equal(program(otherwise), rows.flatten(1) * 2)


def test_onnx_form_is_a_file_that_onnxruntime_alone_runs_at_any_batch_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)
    path = published(linear, ROWS, tmp_path).path / ONNX
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["input"]
    assert [each.name for each in session.get_outputs()] == ["output"]
    for rows in (1, 5, 33):
        batch = torch.rand(rows, 4)
        with torch.no_grad():
            expected = linear(batch).numpy()
        [found] = session.run(None, {"input": batch.numpy()})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_module_stored_as_pickle_is_also_computed_without_mlflow_in_between(tmp_path: Path) -> None:
    torch.manual_seed(0)
    mlflow.pytorch.save_model(
        nn.Linear(4, 3),
        tmp_path / "model",
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 4))]),
            outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
        ),
        input_example=ROWS.numpy(),
        pip_requirements=["torch"],
        serialization_format="pickle",
    )
    version = look(tmp_path / "model")
    assert version.engines == (Engine.PYFUNC, Engine.EAGER)
    with pytest.raises(ModelError, match="pickle"):
        load_model(version, False, alone(Engine.EAGER))
    models = {engine: load_model(version, True, alone(engine)) for engine in version.engines}
    outputs = [model.predict({"input": ROWS.numpy()}) for model in models.values()]
    assert [list(each) for each in outputs] == [["output"], ["output"]]
    np.testing.assert_allclose(outputs[0]["output"], outputs[1]["output"], rtol=1e-5, atol=1e-6)
    example = parse(orjson.dumps(models[Engine.EAGER].example), None, version.signature)
    verdict = race(models, {}, example, this_hardware())
    assert (list(verdict.times_us), verdict.rejected) == ([Engine.PYFUNC, Engine.EAGER], {})


def test_program_that_onnx_cannot_answer_for_is_published_without_it(tmp_path: Path) -> None:
    package = save_package(Doubled(), ROWS, tmp_path / "model")
    assert "ONNX form" in add_onnx(package)
    assert not (package.path / ONNX).parent.exists()
    assert look(package.path).engines == (Engine.TORCH_EXPORT, Engine.AOTINDUCTOR)


def test_onnx_form_that_answers_otherwise_than_the_module_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = save_package(nn.Linear(4, 3), ROWS, tmp_path / "model")
    for answer in package.answers:
        answer.outputs["output"] += 0.1
    assert "differs in 'output' by up to 0.1" in add_onnx(package)
    assert not (package.path / ONNX).parent.exists()


def test_race_compares_times_and_tells_the_winner_for_each_batch_size(tmp_path: Path) -> None:
    verdict = raced(published(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), ROWS, tmp_path).path)
    assert verdict.batch_sizes == BATCH_SIZES
    assert list(verdict.times_us) == ["torch.export", "onnxruntime"]
    assert all(time > 0 for times in verdict.times_us.values() for time in times)
    assert len(verdict.winners) == len(BATCH_SIZES)
    assert (verdict.rejected, verdict.failed, verdict.rows_are_independent) == ({}, "", True)
    assert str(this_hardware()) == verdict.hardware


def test_engine_that_answers_otherwise_is_not_raced(tmp_path: Path) -> None:
    package = published(nn.Linear(4, 3), ROWS, tmp_path)
    other = published(nn.Linear(4, 3), ROWS, tmp_path / "other")
    (package.path / ONNX).write_bytes((other.path / ONNX).read_bytes())
    verdict = raced(package.path)
    assert list(verdict.times_us) == ["torch.export"]
    assert verdict.rejected["onnxruntime"].startswith("'output' differs by up to")


def test_rows_that_depend_on_each_other_are_never_joined(tmp_path: Path) -> None:
    assert not raced(published(Centred(), ROWS, tmp_path).path).rows_are_independent


def test_plan_of_two_engines_asks_each_for_its_rows(tmp_path: Path) -> None:
    version = look(published(nn.Linear(4, 3), ROWS, tmp_path).path)
    plan = Plan(((1, Engine.ONNXRUNTIME), (4, Engine.TORCH_EXPORT)))
    model = load_model(version, False, plan)
    asked: list[Engine] = []

    def noted(engine: Engine, run: Run) -> Run:
        def noted_run(inputs: Any, params: dict[str, Any] | None) -> Any:
            asked.append(engine)
            return run(inputs, params)

        return noted_run

    assert isinstance(model.runs, dict)
    model.runs.update({engine: noted(engine, run) for engine, run in model.runs.items()})
    for rows in (1, 2, 9):
        model.predict({"input": np.zeros((rows, 4), "f4")})
    assert asked == [Engine.ONNXRUNTIME, Engine.TORCH_EXPORT, Engine.TORCH_EXPORT]


def test_engine_that_does_not_apply_is_refused_with_those_that_do(tmp_path: Path) -> None:
    package = save_package(nn.Linear(4, 3), ROWS, tmp_path / "model")
    with pytest.raises(ModelError, match="has no ONNX form") as caught:
        load_model(look(package.path), False, alone(Engine.ONNXRUNTIME))
    assert "torch.export" in caught.value.hint


@pytest.mark.parametrize("named", [True, False])
def test_version_logged_as_onnx_is_run_without_mlflow_in_between(tmp_path: Path, named: bool) -> None:
    graph = published(nn.Linear(4, 3), ROWS, tmp_path).path / ONNX
    name = "input" if named else None
    mlflow.onnx.save_model(
        onnx.load(str(graph)),
        tmp_path / "logged",
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype("float32"), (-1, 4), name)]),
            Schema([TensorSpec(np.dtype("float32"), (-1, 3), "output" if named else None)]),
        ),
        input_example={"input": ROWS.numpy()} if named else ROWS.numpy(),
        pip_requirements=["onnxruntime"],
    )
    [(engine, model)] = loaded(tmp_path / "logged").items()
    assert (engine, model.platform) == (Engine.ONNXRUNTIME, "onnx_onnxv1")
    warm(model)
    expected = loaded(tmp_path / "model")[Engine.TORCH_EXPORT].predict({"input": ROWS.numpy()})
    np.testing.assert_allclose(
        model.predict({"input": ROWS.numpy()})["output"], expected["output"], rtol=1e-5, atol=1e-6
    )


def test_version_logged_as_onnx_with_another_dtype_goes_through_mlflow(tmp_path: Path) -> None:
    graph = published(nn.Linear(4, 3), ROWS, tmp_path).path / ONNX
    mlflow.onnx.save_model(
        onnx.load(str(graph)),
        tmp_path / "logged",
        # MLflow casts these to what the graph takes.
        signature=ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 4), "input")])),
        pip_requirements=["onnxruntime"],
    )
    version = look_at(tmp_path / "logged")
    assert version.engines == (Engine.PYFUNC,)
    model = load_model(version, False, alone(Engine.PYFUNC))
    assert model.predict({"input": np.ones((2, 4))})["output"].shape == (2, 3)


def test_options_by_which_onnxruntime_reads_and_writes_files_count_as_code(tmp_path: Path) -> None:
    secret = np.array([3.5, 7.25], "f4")
    (tmp_path / "secret.bin").write_bytes(secret.tobytes())
    weights = onnx.TensorProto(
        name="w", data_type=onnx.TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in {"location": "secret.bin", "offset": "0", "length": "8"}.items():
        weights.external_data.add(key=key, value=value)
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([add], "g", [x], [y], [weights])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = {"session.model_external_initializers_file_folder_path": str(tmp_path)}
    options["session.collect_node_memory_stats_to_file"] = str(tmp_path / "written.csv")
    metadata = Model(signature=ModelSignature(Schema([TensorSpec(np.dtype("float64"), (2,), "x")])))
    metadata.add_flavor("python_function", loader_module="mlflow.onnx", data="model.onnx")
    metadata.add_flavor("onnx", data="model.onnx", onnx_session_options={"extra_session_config": options})
    folder = tmp_path / "version"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    (folder / "secret.bin").write_bytes(bytes(8))
    metadata.save(str(folder / "MLmodel"))

    version = look_at(folder)
    with pytest.raises(ModelError, match="by which it reads and writes any file") as caught:
        load_model(version, False, alone(version.safest))
    assert "allow_code: true" in caught.value.hint
    assert not (tmp_path / "written.csv").exists()
    # The test can fail: this is what it would do.
    answer = load_model(version, True, alone(version.safest)).predict({"x": np.zeros(2)})
    np.testing.assert_array_equal(answer["y"], secret)
    assert (tmp_path / "written.csv").exists()
    # By itself the graph names no file outside of the version.
    weights.external_data[0].value = "../secret.bin"
    made.graph.initializer[0].CopyFrom(weights)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="escapes model directory"):
        look(folder)


@pytest.mark.parametrize("data", ["../model.onnx", "sub/model.onnx"])
def test_graph_beside_other_metadata_than_those_that_were_looked_at_is_not_opened(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = published(nn.Linear(4, 3), ROWS, tmp_path)
    folder = tmp_path / "version"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "model.onnx", folder / "sub" / "model.onnx"):
        path.write_bytes((package.path / ONNX).read_bytes())
    metadata = Model(signature=ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 4), "input")])))
    metadata.add_flavor("python_function", loader_module="mlflow.onnx", data=data)
    metadata.add_flavor("onnx", data=data)
    metadata.save(str(folder / "MLmodel"))
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("opened"))
    version = look_at(folder)
    with pytest.raises(ModelError, match="names another graph"):
        load_model(version, False, alone(version.safest))


def test_safest_that_does_not_answer_a_row_leaves_no_verdict() -> None:
    def run(inputs: Any, params: Any) -> Any:
        raise ArithmeticError("no")

    example = Invocation({"x": np.zeros((2, 1), "f4")})
    with pytest.raises(ModelError, match="ArithmeticError: no"):
        race({Engine.PYFUNC: SimpleNamespace(run=run)}, {}, example, this_hardware())  # type: ignore[dict-item]
