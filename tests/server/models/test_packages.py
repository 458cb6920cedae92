"""A trained module becomes a verified package, a model of its run, a registered version; or says why not."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.models import Model
from torch import nn

from journeyman.errors import PublishError
from journeyman.models import packages
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import (
    EXPORTED,
    Package,
    load_exported,
    named_outputs,
    save_package,
)
from journeyman.models.registry import log_package, register, registered_version
from journeyman.models.weights import save_weights, unwrap

torch.set_num_threads(1)

# MLflow on SQLite, and on PostgreSQL and S3 behind a password.
each_server = pytest.mark.parametrize("kind", ["sqlite", "production"], indirect=True)

Pair = namedtuple("Pair", "mean spread")


class Net(nn.Module):  # type: ignore[misc]
    """A linear layer and whatever `forward` a test gives it."""

    def __init__(self, answer: Callable[[Any, torch.Tensor], Any] = lambda net, y: y) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.answer = answer

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.answer(self, self.layer(pixels))


class Two(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, pixels: torch.Tensor, weight: torch.Tensor, *, scale: float = 2.0) -> Any:
        return {"scores": self.layer(pixels) * weight * scale, "best": self.layer(pixels).argmax(1)}


class Words(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.table(tokens).mean(1)


class Everything(nn.Module):  # type: ignore[misc]
    """Takes its inputs as they come."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.cat(tensors, 1)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def shapes(schema: Any) -> list[tuple[str | None, str, tuple[int, ...]]]:
    return [(spec.name, str(spec.type), tuple(spec.shape)) for spec in schema.inputs]


BATCH = torch.arange(8.0).reshape(2, 4) / 8


def answers(package: Package, *inputs: torch.Tensor) -> Any:
    with torch.no_grad():
        return load_exported(package.path / EXPORTED).module()(*inputs)


# -- what can be published -----------------------------------------------------------------------------


def test_save_package_of_a_model_in_training_answers_as_in_eval_and_leaves_it_training(
    tmp_path: Path,
) -> None:
    model = mlp().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    package = save_package(model, BATCH, tmp_path / "package")

    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model._forward_hooks
    rows = torch.randn(7, 4)
    with torch.no_grad():
        expected = model.eval()(rows)
    torch.testing.assert_close(answers(package, rows), expected)


def test_save_package_names_nothing_for_one_array_and_writes_an_mlflow_model(tmp_path: Path) -> None:
    package = save_package(mlp(), BATCH, tmp_path / "package")

    assert shapes(package.signature.inputs) == [(None, "float32", (-1, 4))]
    assert shapes(package.signature.outputs) == [(None, "float32", (-1, 3))]
    metadata = Model.load(str(package.path))
    assert metadata.signature == package.signature
    np.testing.assert_array_equal(metadata.load_input_example(str(package.path)), BATCH.numpy())
    requirements = (package.path / "requirements.txt").read_text().split()
    assert f"torch=={torch.__version__.split('+')[0]}" in requirements
    loaded = mlflow.pyfunc.load_model(str(package.path))
    assert loaded.predict(BATCH.numpy()).shape == (2, 3)


def test_save_package_repeats_an_example_of_one_row_and_keeps_two_rows_of_many(tmp_path: Path) -> None:
    one = save_package(mlp(), BATCH[:1], tmp_path / "one")
    many = save_package(mlp(), torch.randn(64, 4), tmp_path / "many")

    for package in (one, many):
        assert Model.load(str(package.path)).load_input_example(str(package.path)).shape == (2, 4)
        assert answers(package, torch.randn(9, 4)).shape == (9, 3)


# torch.compile imports what torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_save_package_takes_off_wrappers_and_saves_the_module_inside(tmp_path: Path) -> None:
    model = mlp()
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        wrapped = torch.compile(nn.parallel.DistributedDataParallel(model))
        assert unwrap(wrapped) is model
        save_package(wrapped, BATCH, tmp_path / "ddp")
    finally:
        torch.distributed.destroy_process_group()
    assert unwrap(nn.DataParallel(model)) is model


def test_unwrap_leaves_a_module_that_merely_has_a_member_called_module() -> None:
    model = Net()
    model.module = nn.Linear(1, 1)
    assert unwrap(model) is model


def test_save_package_names_several_inputs_by_forwards_parameters(tmp_path: Path) -> None:
    model, weight = Two(), torch.ones(2, 1)
    by_position = save_package(model, (BATCH, weight), tmp_path / "tuple")
    by_name = save_package(model, {"weight": weight, "pixels": BATCH.numpy()}, tmp_path / "dict")

    for package in (by_position, by_name):
        assert shapes(package.signature.inputs) == [
            ("pixels", "float32", (-1, 4)),
            ("weight", "float32", (-1, 1)),
        ]
        assert shapes(package.signature.outputs) == [
            ("scores", "float32", (-1, 3)),
            ("best", "int64", (-1,)),
        ]
        example = Model.load(str(package.path)).load_input_example(str(package.path))
        np.testing.assert_array_equal(example["pixels"], BATCH.numpy())
        np.testing.assert_array_equal(example["weight"], weight.numpy())


def test_save_package_of_integer_inputs_keeps_their_dtype(tmp_path: Path) -> None:
    package = save_package(Words(), torch.tensor([[1, 2, 3], [4, 5, 6]]), tmp_path / "package")
    assert shapes(package.signature.inputs) == [(None, "int64", (-1, 3))]
    assert answers(package, torch.tensor([[9, 9, 9]])).shape == (1, 4)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda net, y: (y, y.argmax(1)), [("output_0", "float32", (-1, 3)), ("output_1", "int64", (-1,))]),
        (lambda net, y: [y, None], [("output_0", "float32", (-1, 3))]),
        (
            lambda net, y: Pair(y.mean(1), y.std(1)),
            [("mean", "float32", (-1,)), ("spread", "float32", (-1,))],
        ),
        (
            lambda net, y: {"scores": y, "total": y.sum(), "absent": None},
            [("scores", "float32", (-1, 3)), ("total", "float32", ())],
        ),
        (lambda net, y: y > 0, [(None, "bool", (-1, 3))]),
        (lambda net, y: y.to(torch.bfloat16), [(None, "float32", (-1, 3))]),
        (lambda net, y: y.masked_fill(y > 0, float("-inf")), [(None, "float32", (-1, 3))]),
        (lambda net, y: y.double(), [(None, "float64", (-1, 3))]),
    ],
)
def test_save_package_names_outputs(tmp_path: Path, answer: Any, expected: Any) -> None:
    package = save_package(Net(answer), BATCH, tmp_path / "package")
    assert shapes(package.signature.outputs) == expected


def test_save_package_does_not_need_the_modules_own_classes_to_be_read(tmp_path: Path) -> None:
    package = save_package(Net(lambda net, y: Pair(y, y)), BATCH, tmp_path / "package")
    assert type(answers(package, BATCH)) is dict


# -- what cannot, and why ------------------------------------------------------------------------------


class NotKept:
    """Copies of it fail, as those of a lock or a socket do."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def _hard_coded_batch(net: Any, y: torch.Tensor) -> Any:
    return y.reshape(2, 3)


def _drifting(net: Any, y: torch.Tensor) -> Any:
    net.calls = getattr(net, "calls", 0) + 1
    return y + net.calls


@pytest.mark.parametrize(
    ("answer", "cause", "remedy"),
    [
        (lambda net, y: y if y.sum() > 0 else -y, "torch.export refuses the model: Guard", "torch.where"),
        (lambda net, y: torch.from_numpy(y.numpy() * 2), "torch.export refuses", "NumPy"),
        (_hard_coded_batch, "and not on 1 of its rows", "Dimension 0 of every input is the batch"),
        (lambda net, y: y * int(y.shape[0]), "the batch, of the example became fixed at 2", "-1 in view"),
        (
            lambda net, y: y.squeeze(),
            r"a single row: float32\[3\] for 1 row, float32\[5, 3\] for 5",
            "squeeze",
        ),
        (lambda net, y: y * float("nan"), "output 'output' holds NaN", "diverged"),
        (lambda net, y: y + torch.rand(3), "changes from call to call", "random"),
        (_drifting, "changes from call to call", "state"),
        (lambda net, y: y + net.missing, "does not run on its example", "shape and dtype"),
        (lambda net, y: "text", "output 'output' is a str, not a tensor", "tuple of tensors"),
        (lambda net, y: (y, (y, y)), "output 'output_1' is a tuple", "flat"),
        (lambda net, y: {}, "returns nothing", "Return"),
        (lambda net, y: torch.complex(y, y), "which JSON cannot hold", "view_as_real"),
    ],
)
def test_save_package_of_a_model_that_cannot_be_served_says_why(
    tmp_path: Path, answer: Any, cause: str, remedy: str
) -> None:
    with pytest.raises(PublishError, match=cause) as caught:
        save_package(Net(answer), BATCH, tmp_path / "package")
    assert remedy in caught.value.hint


@pytest.mark.parametrize(
    ("example", "cause", "remedy"),
    [
        (BATCH[:, :3], r"does not run on its example \(float32\[2, 3\]\)", "shape and dtype"),
        (BATCH.double(), r"does not run on its example \(float64\[2, 4\]\)", "shape and dtype"),
        (BATCH[0], "and not on 1 of its rows", "sample"),
        (torch.tensor(1.0), "there is no batch in it", "sample"),
        (BATCH[:0], "there is no batch in it", "sample"),
        (BATCH.to(torch.bfloat16), "bfloat16", "float32"),
        ([[1.0, 2.0]], "is a list", "torch tensors or NumPy arrays"),
        (np.array(["a"]), "holds <U1", "numbers"),
        ({}, "is empty", "one batch"),
        ({"image": BATCH}, "the example names 'image', and forward's first parameters are 'pixels'", "wrap"),
        ((BATCH, BATCH), "the example has 2 inputs, and forward takes 'pixels'", "tuple"),
    ],
)
def test_save_package_of_an_unfit_example_says_why(
    tmp_path: Path, example: Any, cause: str, remedy: str
) -> None:
    with pytest.raises(PublishError, match=cause) as caught:
        save_package(Net(), example, tmp_path / "package")
    assert remedy in caught.value.hint


def test_save_package_of_inputs_with_different_batches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"pixels float32\[2, 4\], weight float32\[1, 1\]"):
        save_package(Two(), (BATCH, torch.ones(1, 1)), tmp_path / "package")


def test_save_package_of_a_forward_that_does_not_name_its_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="2 inputs, and forward takes none") as caught:
        save_package(Everything(), (BATCH, BATCH), tmp_path / "package")
    assert "`*args` cannot be exported" in caught.value.hint


@pytest.mark.parametrize("model", [{"layer.weight": BATCH}, None, "model.pt"])
def test_unwrap_of_what_is_no_module_is_refused(model: Any) -> None:
    with pytest.raises(PublishError, match="is a torch.nn.Module"):
        unwrap(model)


def test_save_package_of_a_module_that_holds_a_lock_is_refused(tmp_path: Path) -> None:
    model = Net()
    model.keeper = NotKept()
    with pytest.raises(PublishError, match="cannot be copied") as caught:
        save_package(model, BATCH, tmp_path / "package")
    assert "only what forward needs" in caught.value.hint


def test_save_package_into_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PublishError, match="exists already"):
        save_package(Net(), BATCH, tmp_path)


def test_save_package_whose_export_answers_otherwise_says_by_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(path: Path) -> torch.export.ExportedProgram:
        program = load_exported(path)
        program.state_dict["layer.bias"].data.add_(0.25)
        return program

    monkeypatch.setattr(packages, "load_exported", shifted)
    with pytest.raises(
        PublishError, match=r"output 'output' at batch size 1 differs between .* by up to 0\.25"
    ):
        save_package(Net(), BATCH, tmp_path / "package")


def test_named_outputs_leaves_out_what_is_absent() -> None:
    assert list(named_outputs((BATCH, None, BATCH))) == ["output_0", "output_2"]


# -- the weights ---------------------------------------------------------------------------------------


def test_save_weights_of_a_wrapped_model_load_into_the_bare_one_without_pickle(tmp_path: Path) -> None:
    model, other = mlp(), mlp()
    path = tmp_path / "weights" / "model.pt"

    save_weights(nn.DataParallel(model), path)
    other.load_state_dict(torch.load(path, weights_only=True))

    assert [p.name for p in path.parent.iterdir()] == ["model.pt"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


# -- the run and the registry --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return save_package(mlp(), BATCH, tmp_path_factory.mktemp("packages") / "package")


@pytest.fixture
def client(mlflow_url: str) -> MlflowClient:
    return MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)


def new_run(client: MlflowClient) -> str:
    run = client.create_run("0", tags={"mlflow.source.name": "train.py"})
    client.log_param(run.info.run_id, "lr", "0.1")
    client.log_param(run.info.run_id, "attempt.1", "control-7")
    return str(run.info.run_id)


@each_server
def test_log_package_shows_the_verified_folder_as_a_model_of_the_run(
    client: MlflowClient, mlflow_url: str, package: Package, tmp_path: Path
) -> None:
    run_id = new_run(client)

    model_id = log_package(client, package, run_id, "digits")

    logged = client.get_logged_model(model_id)
    assert (logged.name, str(logged.status), logged.source_run_id) == ("digits", "READY", run_id)
    assert logged.params == {"lr": "0.1"}
    assert logged.tags["mlflow.source.name"] == "train.py"
    assert [output.model_id for output in client.get_run(run_id).outputs.model_outputs] == [model_id]
    fetched = Path(
        mlflow.artifacts.download_artifacts(
            logged.artifact_location, dst_path=str(tmp_path), tracking_uri=mlflow_url
        )
    )
    assert (fetched / EXPORTED).read_bytes() == (package.path / EXPORTED).read_bytes()
    metadata = Model.load(str(fetched))
    assert (metadata.run_id, metadata.model_id) == (run_id, model_id)
    assert metadata.signature == package.signature
    assert metadata.load_input_example(str(fetched)).shape == (2, 4)


def test_log_package_for_a_run_that_does_not_exist_is_a_publish_error(
    client: MlflowClient, package: Package
) -> None:
    with pytest.raises(PublishError, match="the model of run 0123"):
        log_package(client, package, "0123", "digits")


@each_server
def test_register_makes_one_version_per_run_however_often_it_is_called(
    client: MlflowClient, package: Package
) -> None:
    name = "digits-once"
    first, second = new_run(client), new_run(client)
    model_id = log_package(client, package, first, name)
    assert registered_version(client, name, first) is None

    versions = [
        register(client, model_id, name, first, {"journeyman.job": first}, "champion") for _ in range(2)
    ]
    again = register(client, log_package(client, package, first, name), name, first, {}, None)
    other = register(client, log_package(client, package, second, name), name, second, {}, None)

    assert [*versions, again, other] == ["1", "1", "1", "2"]
    assert (registered_version(client, name, first), registered_version(client, name, second)) == ("1", "2")
    version = client.get_model_version(name, "1")
    assert (version.run_id, version.status, version.tags) == (first, "READY", {"journeyman.job": first})
    assert client.get_registered_model(name).aliases == {"champion": "1"}
    tag = client.get_logged_model(model_id).tags["mlflow.modelVersions"]
    assert tag == f'[{{"name": "{name}", "version": "1"}}]'
    assert (
        client.get_model_version_download_uri(name, "1")
        == client.get_logged_model(model_id).artifact_location
    )


def test_register_again_leaves_an_alias_that_has_moved_on(client: MlflowClient, package: Package) -> None:
    name = "digits-alias"
    first, second = new_run(client), new_run(client)
    older = log_package(client, package, first, name)
    register(client, older, name, first, {}, "champion")
    register(client, log_package(client, package, second, name), name, second, {}, "champion")

    assert register(client, older, name, first, {}, "champion") == "1"
    assert client.get_registered_model(name).aliases == {"champion": "2"}


def test_registered_version_of_another_model_of_the_same_run_does_not_count(
    client: MlflowClient, package: Package
) -> None:
    run_id = new_run(client)
    register(client, log_package(client, package, run_id, "teacher"), "teacher", run_id, {}, None)
    assert registered_version(client, "student", run_id) is None


def test_register_under_a_name_that_mlflow_refuses_is_a_publish_error(
    client: MlflowClient, package: Package
) -> None:
    run_id = new_run(client)
    model_id = log_package(client, package, run_id, "digits")
    with pytest.raises(PublishError, match="could not be registered as 'a/b'"):
        register(client, model_id, "a/b", run_id, {}, None)


# -- free dimensions -----------------------------------------------------------------------------------


class Attention(nn.Module):  # type: ignore[misc]
    """Sentences of any length, as far as `most` goes."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 16)
        self.place = nn.Embedding(most, 16) if most else None
        self.mix = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.table(ids)
        if self.place is not None:
            hidden = hidden + self.place(torch.arange(ids.shape[1], device=ids.device))
        mixed, _ = self.mix(hidden, hidden, hidden, need_weights=False)
        return self.head(mixed.mean(dim=1))


class Masked(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 4)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        weighed = self.table(tokens) * mask[..., None]
        return {"each": weighed, "all": weighed.sum(1)}


def sizes_of(schema: Any) -> list[tuple[int, ...]]:
    return [tuple(spec.shape) for spec in schema.inputs]


def answers_alike(package: Package, module: nn.Module, *inputs: torch.Tensor) -> bool:
    exported = load_exported(package.path / EXPORTED).module()
    left, right = named_outputs(exported(*inputs)), named_outputs(module(*inputs))
    return all(torch.allclose(left[name], right[name], atol=1e-5) for name in right)


@pytest.mark.parametrize("name", ["ids", "input"])
@pytest.mark.parametrize("length", [16, 2, 1])
def test_a_free_dimension_takes_any_size(name: str, length: int, tmp_path: Path) -> None:
    module = Attention().eval()
    example = torch.randint(0, 100, (4, length))
    package = save_package(module, example, tmp_path / "model", dynamic={name: [0, 1]})
    assert sizes_of(package.signature.inputs) == [(-1, -1)]
    assert sizes_of(package.signature.outputs) == [(-1, 3)]
    for rows, size in ((1, 1), (2, 9), (5, 40)):
        assert answers_alike(package, module, torch.randint(0, 100, (rows, size)))
    assert add_onnx(package) == ""


def test_the_free_dimensions_of_several_inputs_go_together(tmp_path: Path) -> None:
    module = Masked().eval()
    example = {"tokens": torch.randint(0, 100, (3, 6)), "mask": torch.ones(3, 6)}
    package = save_package(
        module, example, tmp_path / "model", dynamic={"tokens": {1: "length"}, "mask": [-1]}
    )
    assert sizes_of(package.signature.inputs) == [(-1, -1), (-1, -1)]
    assert sizes_of(package.signature.outputs) == [(-1, -1, 4), (-1, 4)]
    assert answers_alike(package, module, torch.randint(0, 100, (2, 11)), torch.ones(2, 11))


def test_a_model_of_a_longest_text_is_published_with_shorter_ones(tmp_path: Path) -> None:
    module = Attention(most=8).eval()
    package = save_package(module, torch.randint(0, 100, (4, 8)), tmp_path / "model", dynamic={"ids": [1]})
    assert sizes_of(package.signature.inputs) == [(-1, -1)]
    assert answers_alike(package, module, torch.randint(0, 100, (2, 5)))


class Rounded(nn.Module):  # type: ignore[misc]
    """Answers for every length, and its export only for that of the example."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return ids.float().sum(1, keepdim=True) / int(ids.shape[1])


@pytest.mark.parametrize(
    ("module", "dynamic", "says"),
    [
        (Rounded(), {"ids": [1]}, "dimension 1 of the example became fixed at 6 in the export"),
        (nn.Linear(6, 2), {"input": [1]}, "at no other size of the dimensions that `dynamic` says are free"),
        (Attention(), {"words": [1]}, "dynamic names 'words', and the model's inputs are 'ids', 'input'"),
        (Attention(), {"ids": [2]}, "dynamic['ids'] is [2], and that input has dimensions 0 to 1"),
        (Attention(), {"ids": 1}, "dynamic['ids'] is 1"),
        (Attention(), {"ids": "1"}, "dynamic['ids'] is '1'"),
        (Attention(), {"ids": [True]}, "dynamic['ids'] is [True]"),
    ],
)
def test_a_dimension_that_is_not_free_is_told(
    module: nn.Module, dynamic: Any, says: str, tmp_path: Path
) -> None:
    example = torch.ones(2, 6) if isinstance(module, nn.Linear) else torch.ones(2, 6, dtype=torch.long)
    with pytest.raises(PublishError) as caught:
        save_package(module, example, tmp_path / "model", dynamic=dynamic)
    assert says in str(caught.value)
