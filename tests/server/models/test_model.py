"""Versions of every kind are loaded as they should be served, or refused with what to do about it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import orjson
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from journeyman.errors import UnreachableError
from journeyman.models import cache
from journeyman.models.cache import download_version
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.model import ModelError, ServedModel, check_memory, load_model, look, why_new_replicas
from journeyman.models.packages import EXPORTED, save_package
from journeyman.models.registry import log_package, register
from journeyman.serve.protocols.example import warm
from journeyman.serve.protocols.invocations import parse, render

torch.set_num_threads(1)

# MLflow compares a DataFrame's columns with a range, which pandas will change.
pytestmark = pytest.mark.filterwarnings("ignore:Operation with range is deprecated")

BATCH = torch.arange(8.0).reshape(2, 4) / 8
TENSORS = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 4))]))
TABLE = pd.DataFrame({"age": [31.0, 52.0, 18.0, 44.0], "visits": [2, 9, 1, 7]})


class Two(nn.Module):  # type: ignore[misc]
    def forward(self, pixels: torch.Tensor, weight: torch.Tensor) -> Any:
        return {"scores": pixels * weight, "half": (pixels * weight).to(torch.bfloat16)}


class Trap:
    """Pickled, it makes a file where it is read."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._mark,)


class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers with what MLflow hands it, so that a test sees it."""

    # MLflow reads type hints as a signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        return {"kind": type(model_input).__name__, "params": params, "rows": len(model_input)}


def load(folder: Path, allow_code: bool, engine: Engine | None = None) -> ServedModel:
    version = look(folder)
    return load_model(version, allow_code, alone(engine or version.safest))


def answer(model: ServedModel, body: dict[str, Any]) -> Any:
    invocation = parse(orjson.dumps(body), "application/json", model.signature)
    return orjson.loads(render(model.predict(invocation.inputs, invocation.params), model.signature))[
        "predictions"
    ]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """load_model sets it for the process; a test must not leave it set for the next."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "unset by the test")


@pytest.fixture(scope="module")
def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


@pytest.fixture(scope="module")
def published(linear: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_package(linear, BATCH, tmp_path_factory.mktemp("published") / "model").path


@pytest.fixture(scope="module")
def sklearn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sklearn") / "model"
    classifier = LogisticRegression().fit(TABLE, [0, 1, 0, 1])
    mlflow.sklearn.save_model(
        classifier,
        folder,
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", "age"), ColSpec("long", "visits")]),
            outputs=Schema([TensorSpec(np.dtype("int64"), (-1,))]),
        ),
        input_example=TABLE.head(2),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    return folder


# -- exported programs ---------------------------------------------------------------------------------


def test_load_model_of_a_published_package_answers_as_its_module_without_pickle(
    published: Path, linear: nn.Module
) -> None:
    model = load(published, allow_code=False)

    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert (str(model.plan), model.files.folder) == ("torch.export", published)
    assert why_new_replicas(look(published)) == ""
    assert model.example == {"inputs": BATCH.tolist()}
    warm(model)
    with torch.no_grad():
        expected = linear(torch.ones(3, 4)).numpy()
    outputs = model.predict({"input": np.ones((3, 4), np.float32)})
    assert list(outputs) == ["output"]
    np.testing.assert_allclose(outputs["output"], expected, rtol=1e-5)
    np.testing.assert_allclose(answer(model, {"instances": [[1, 1, 1, 1]]}), expected[:1], rtol=1e-5)


def test_load_model_of_a_plain_mlflow_pt2_is_served_the_same_way(linear: nn.Module, tmp_path: Path) -> None:
    mlflow.pytorch.save_model(
        linear.eval(),
        tmp_path / "model",
        signature=TENSORS,
        input_example=BATCH.numpy(),
        pip_requirements=["torch"],
        serialization_format="pt2",
    )
    model = load(tmp_path / "model", allow_code=False)
    warm(model)
    assert model.platform == "pytorch_pt2"
    assert why_new_replicas(look(tmp_path / "model")) == ""
    assert np.shape(answer(model, {"inputs": [[1, 2, 3, 4]] * 5})) == (5, 3)


def test_load_model_with_several_inputs_and_outputs_takes_and_gives_them_by_name(tmp_path: Path) -> None:
    folder = save_package(Two(), (BATCH, BATCH), tmp_path / "model").path
    model = load(folder, allow_code=False)
    warm(model)
    assert model.example is not None and set(model.example["inputs"]) == {"pixels", "weight"}
    assert answer(model, {"inputs": {"weight": [[2, 2, 2, 2]], "pixels": [[1, 2, 3, 4]]}}) == {
        "scores": [[2, 4, 6, 8]],
        "half": [[2, 4, 6, 8]],
    }


def test_load_model_of_a_program_that_unpickles_is_refused_and_allowed_when_told(
    linear: nn.Module, tmp_path: Path
) -> None:
    mlflow.pytorch.save_model(
        linear,
        tmp_path / "model",
        signature=TENSORS,
        pip_requirements=["torch"],
        serialization_format="pickle",
    )
    with pytest.raises(ModelError, match="pickle") as caught:
        load(tmp_path / "model", allow_code=False)
    assert "allow_code: true" in caught.value.hint

    model = load(tmp_path / "model", allow_code=True)
    assert (model.platform, model.example) == ("mlflow_pyfunc", None)
    assert why_new_replicas(look(tmp_path / "model")) == "brings Python of its own"
    warm(model)
    assert np.shape(answer(model, {"inputs": [[1, 2, 3, 4]]})) == (1, 3)


def test_program_whose_text_would_run_is_loaded_only_where_code_is_allowed(
    linear: nn.Module, tmp_path: Path
) -> None:
    folder, ran = tmp_path / "model", tmp_path / "ran"
    save_package(linear, torch.ones(2, 4), folder)
    code = f"__import__('pathlib').Path({str(ran)!r}).touch() or s0"
    size, crafted = rb'"expr_str": ?"[^"]*"', b'"expr_str": ' + json.dumps(code).encode()
    other = tmp_path / "crafted.pt2"
    with zipfile.ZipFile(folder / EXPORTED) as made, zipfile.ZipFile(other, "w") as archive:
        for record in made.namelist():
            content = made.read(record)
            if record.endswith("/models/model.json"):
                content, found = re.subn(size, crafted, content, count=1)
                assert found == 1
            archive.writestr(record, content)
    shutil.move(other, folder / EXPORTED)
    with pytest.raises(ModelError, match="text that may run as code") as caught:
        load(folder, False)
    assert "allow_code: true" in caught.value.hint
    assert not ran.exists()
    # It is what it is said to be: PyTorch runs it, where that is allowed.
    with contextlib.suppress(ModelError):
        load(folder, True)
    assert ran.exists()


def test_load_model_of_a_program_with_code_of_its_own_says_so(linear: nn.Module, tmp_path: Path) -> None:
    code = tmp_path / "own_operators.py"
    code.touch()
    mlflow.pytorch.save_model(
        linear.eval(),
        tmp_path / "model",
        signature=TENSORS,
        input_example=BATCH.numpy(),
        pip_requirements=["torch"],
        code_paths=[str(code)],
        serialization_format="pt2",
    )
    with pytest.raises(ModelError, match=r"the version brings Python of its own \(`code_paths`\)") as caught:
        load(tmp_path / "model", allow_code=False)
    assert "allow_code: true" in caught.value.hint
    assert load(tmp_path / "model", allow_code=True).platform == "pytorch_pt2"
    assert why_new_replicas(look(tmp_path / "model")) == "brings Python of its own"


@pytest.mark.filterwarnings("ignore")  # torch's own, while it exports.
def test_program_whose_graph_takes_long_to_read_is_not_loaded_beside_another(tmp_path: Path) -> None:
    layers = [layer for _ in range(60) for layer in (nn.Linear(4, 4), nn.ReLU())]
    package = save_package(nn.Sequential(*layers), BATCH, tmp_path / "deep")
    assert "KiB, which would hold up answers while it is read" in why_new_replicas(look(package.path))


# -- other flavors -------------------------------------------------------------------------------------


def test_load_model_of_cloudpickle_is_refused_unless_code_is_allowed(sklearn_folder: Path) -> None:
    with pytest.raises(
        ModelError, match="is stored as cloudpickle, which runs code when it is read"
    ) as caught:
        load(sklearn_folder, allow_code=False)
    assert "allow_code: true" in caught.value.hint


def test_load_model_of_cloudpickle_answers_where_code_is_allowed_and_a_table(sklearn_folder: Path) -> None:
    model = load(sklearn_folder, allow_code=True)
    assert model.platform == "mlflow_pyfunc"
    assert why_new_replicas(look(sklearn_folder)) == "brings Python of its own"
    warm(model)
    assert answer(model, {"dataframe_split": TABLE.to_dict(orient="split")}) == [0, 1, 0, 1]
    assert answer(model, {"dataframe_records": [{"visits": 9, "age": 52}]}) == [1]
    assert answer(model, {"inputs": {"age": [18, 44], "visits": [1, 7]}}) == [0, 1]


def test_load_model_of_sklearn_trained_on_arrays_takes_tensors(tmp_path: Path) -> None:
    rows = TABLE.to_numpy()
    classifier = LogisticRegression().fit(rows, [0, 1, 0, 1])
    mlflow.sklearn.save_model(
        classifier,
        tmp_path / "model",
        signature=infer_signature(rows, classifier.predict_proba(rows)),
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    model = load(tmp_path / "model", allow_code=True)
    assert np.shape(answer(model, {"inputs": rows.tolist()})) == (4, 2)


def skops_folder(folder: Path, estimator: Any, **kwargs: Any) -> Path:
    mlflow.sklearn.save_model(
        estimator,
        folder,
        signature=ModelSignature(Schema([ColSpec("double", "age"), ColSpec("long", "visits")])),
        input_example=TABLE.head(2),
        serialization_format="skops",
        pip_requirements=["scikit-learn"],
        **kwargs,
    )
    return folder


def test_sklearn_stored_by_skops_is_served_without_permission_as_mlflow_would(tmp_path: Path) -> None:
    classifier = LogisticRegression().fit(TABLE, [0, 1, 0, 1])
    folder = skops_folder(tmp_path / "model", classifier, pyfunc_predict_fn="predict_proba")
    model = load(folder, allow_code=False)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    warm(model)
    expected = classifier.predict_proba(TABLE).tolist()
    assert answer(model, {"dataframe_split": TABLE.to_dict(orient="split")}) == expected
    assert (
        answer(load(folder, allow_code=True), {"dataframe_records": [{"visits": 9, "age": 52}]})
        == (expected[1:2])
    )


def test_sklearn_that_lists_types_to_trust_is_refused_unless_code_is_allowed(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier().fit(TABLE, [0, 1, 0, 1])
    folder = skops_folder(tmp_path / "model", tree, skops_trusted_types=["sklearn.tree._tree.Tree"])
    with pytest.raises(ModelError, match=r"types that skops does not trust \(sklearn.tree._tree.Tree\)"):
        load(folder, allow_code=False)
    assert answer(load(folder, allow_code=True), {"dataframe_records": [{"visits": 9, "age": 52}]}) == [1]


def test_sklearn_that_lists_no_types_and_holds_some_is_refused(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier().fit(TABLE, [0, 1, 0, 1])
    folder = skops_folder(tmp_path / "model", tree, skops_trusted_types=["sklearn.tree._tree.Tree"])
    written = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(written.replace("    - sklearn.tree._tree.Tree\n", ""))
    assert "Tree" not in (folder / "MLmodel").read_text()
    with pytest.raises(
        ModelError, match=r"types that skops does not trust: Untrusted.*_tree\.Tree"
    ) as caught:
        load(folder, allow_code=False)
    assert "allow_code: true" in caught.value.hint


def test_pickle_that_calls_itself_skops_is_not_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    folder = skops_folder(tmp_path / "model", LogisticRegression().fit(TABLE, [0, 1, 0, 1]))
    trap = pickle.dumps(Trap(mark))
    (folder / "model.skops").write_bytes(trap)
    # MLflow's own loader would read a second MLmodel, beside the file.
    (folder / "data").mkdir()
    (folder / "data" / "model.pkl").write_bytes(trap)
    (folder / "data" / "MLmodel").write_text(
        "flavors: {sklearn: {serialization_format: pickle}, python_function: {}}"
    )
    written = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(
        written.replace(
            "    model_path: model.skops", "    model_path: model.skops\n    data: data/model.pkl"
        )
    )
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, allow_code=False)
    assert not mark.exists()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, allow_code=False)


@pytest.mark.parametrize("path", ["../../secret.json", "/etc/hostname"])
def test_file_outside_of_a_version_is_neither_its_model_nor_its_example(tmp_path: Path, path: str) -> None:
    folder = skops_folder(tmp_path / "model", LogisticRegression().fit(TABLE, [0, 1, 0, 1]))
    written = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(written.replace("model_path: model.skops", f"model_path: {path}"))
    with pytest.raises(ModelError, match="a file outside of it"):
        load(folder, allow_code=False)
    (folder / "MLmodel").write_text(written.replace("serving_input_example.json", path))
    with pytest.raises(ModelError, match="as its example, a file outside of it"):
        load(folder, allow_code=False)


def test_model_from_code_runs_only_where_code_is_allowed(tmp_path: Path) -> None:
    mark, code = tmp_path / "ran", tmp_path / "from_code.py"
    code.write_text(
        "import mlflow, pathlib\n"
        f"pathlib.Path({str(mark)!r}).touch()\n"
        "class Echo(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return len(model_input)\n"
        "mlflow.models.set_model(Echo())\n"
    )
    mlflow.pyfunc.save_model(
        tmp_path / "model", python_model=str(code), signature=False, pip_requirements=["mlflow"]
    )
    mark.unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"is a model from code \(`model_code_path`\)"):
        load(tmp_path / "model", allow_code=False)
    assert not mark.exists()
    assert answer(load(tmp_path / "model", allow_code=True), {"dataframe_records": [{"a": 1}]}) == 1
    assert mark.exists()


def test_load_model_passes_params_to_models_that_declare_them(tmp_path: Path) -> None:
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 2), "pixels")]),
        params=ParamSchema([ParamSpec("depth", "long", 3)]),
    )
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=Echo(),
        signature=signature,
        input_example=({"pixels": np.ones((1, 2), np.float32)}, {"depth": 4}),
        pip_requirements=["mlflow"],
    )
    model = load(tmp_path / "model", allow_code=True)
    warm(model)
    body: dict[str, Any] = {"inputs": {"pixels": [[1, 2]]}}
    assert answer(model, body) == {"kind": "dict", "params": {"depth": 3}, "rows": 1}
    assert answer(model, body | {"params": {"depth": 5}})["params"] == {"depth": 5}


def test_load_model_without_a_signature_takes_what_mlflow_takes(tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(
        tmp_path / "model", python_model=Echo(), signature=False, pip_requirements=["mlflow"]
    )
    model = load(tmp_path / "model", allow_code=True)
    assert answer(model, {"inputs": [[1, 2]]})["kind"] == "ndarray"
    assert answer(model, {"dataframe_records": [{"a": 1}]})["kind"] == "DataFrame"


@pytest.mark.parametrize(
    "content", [None, "flavors: {}\n", "flavors: {python_function: {loader_module: x9}}\n"]
)
def test_load_model_of_what_is_no_model_says_that_it_cannot(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "MLmodel").write_text(content)
    with pytest.raises(ModelError):
        load(tmp_path, allow_code=False)


def test_load_model_of_a_flavor_that_is_not_installed_names_the_package(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: package_that_is_not_there}}\n"
    )
    (tmp_path / "requirements.txt").write_text(
        "mlflow\nlightgbm==4.6.0\npackage-that-is-not-there>=2  # its own\nnumpy<1\n"
        'colorama; sys_platform == "win32"\n'
    )
    with pytest.raises(ModelError) as caught:
        load(tmp_path, allow_code=True)
    message, hint = caught.value.message, caught.value.hint
    # By the names that pip takes, each once, and not by that of a module.
    assert message.endswith("not installed here: lightgbm==4.6.0, package-that-is-not-there>=2")
    assert hint.startswith("List what it needs under `requirements` of the service. Others differ: numpy<1 (")
    assert "mlflow" not in hint + message
    assert "colorama" not in hint + message


def test_package_that_a_model_from_code_imports_is_named_as_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "words_of_a_test.py").write_text("")
    (tmp_path / "wordy.py").write_text(
        "import mlflow\n"
        "import words_of_a_test\n"
        "class Wordy(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return len(model_input)\n"
        "mlflow.models.set_model(Wordy())\n"
    )
    with monkeypatch.context() as logging:
        logging.syspath_prepend(there)
        mlflow.pyfunc.save_model(
            tmp_path / "model",
            python_model=str(tmp_path / "wordy.py"),
            signature=False,
            pip_requirements=["mlflow", "words-of-a-test==1.0", "words-of-a-test"],
        )
    monkeypatch.delitem(sys.modules, "words_of_a_test")
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "model", allow_code=True)
    assert caught.value.message == (
        "the version needs a package that is not installed here: words-of-a-test==1.0"
    )


def test_module_that_no_package_is_named_like_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: notsklearn.tree}}\n")
    (tmp_path / "requirements.txt").write_text("mlflow\nnot-scikit-learn==1.7.2\nnot-scikit-learn\n")
    with pytest.raises(ModelError) as caught:
        load(tmp_path, allow_code=True)
    assert caught.value.message == (
        "the version needs a package that is not installed here: not-scikit-learn==1.7.2 "
        "(ModuleNotFoundError: No module named 'notsklearn')"
    )
    (tmp_path / "requirements.txt").write_text("mlflow\n")
    with pytest.raises(
        ModelError, match="what cannot be imported here: ModuleNotFoundError: No module named"
    ):
        load(tmp_path, allow_code=True)


# -- warming -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cause"), [([1, 2, 3], "refuses its own input example"), ([1, 2, 3, 1e30], "holds NaN")]
)
def test_warm_of_a_version_that_does_not_answer_its_example_fails(
    tmp_path: Path, row: list[float], cause: str
) -> None:
    class Cube(nn.Module):  # type: ignore[misc]
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels**3 - pixels**3

    folder = save_package(Cube(), BATCH, tmp_path / "model").path
    (folder / "serving_input_example.json").write_bytes(orjson.dumps({"inputs": [row]}))
    with pytest.raises(ModelError, match=cause):
        warm(load(folder, allow_code=False))


def test_warm_of_a_model_that_raises_is_a_model_error(tmp_path: Path) -> None:
    class Broken(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            raise KeyError("vocabulary")

    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=Broken(),
        signature=TENSORS,
        input_example=BATCH.numpy(),
        pip_requirements=["mlflow"],
    )
    with pytest.raises(ModelError, match="KeyError: 'vocabulary'"):
        warm(load(tmp_path / "model", allow_code=True))


# -- downloading ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registered(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a model with one version on the server."""
    client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
    package = save_package(nn.Linear(4, 3), BATCH, tmp_path_factory.mktemp("registered") / "model")
    run_id = client.create_run("0").info.run_id
    register(client, log_package(client, package, run_id, "served"), "served", run_id, {}, None)
    return "served"


def test_check_memory_refuses_what_would_not_fit_beside(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(1000))
    check_memory(tmp_path, 2000)
    with pytest.raises(ModelError, match="loading takes twice its size"):
        check_memory(tmp_path, 1999)


def test_download_version_fetches_a_version_that_loads(
    mlflow_url: str, registered: str, tmp_path: Path
) -> None:
    folder = download_version(mlflow_url, registered, "1", tmp_path / "cache" / "served-1")

    assert folder == tmp_path / "cache" / "served-1"
    assert [path.name for path in folder.parent.iterdir()] == ["served-1"]
    warm(load(folder, allow_code=False))


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (MlflowException("API request to http://here failed with exception Max retries exceeded"), True),
        (MlflowException("failures:\n##### File a #####\nCould not connect to the endpoint URL"), True),
        (MlflowException("API request to endpoint /x failed with error code 503 != 200."), True),
        (ConnectionResetError("by peer"), True),
        (MlflowException("No such artifact: ''", RESOURCE_DOES_NOT_EXIST), False),
        (MlflowException("failures:\n##### File a #####\n404 Client Error: NOT FOUND"), False),
    ],
)
def test_download_that_a_server_is_away_for_is_told_apart_from_one_of_a_broken_version(
    mlflow_url: str,
    registered: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    away: bool,
) -> None:
    def fails(**_: Any) -> str:
        raise error

    monkeypatch.setattr(cache, "download_artifacts", fails)
    with pytest.raises(UnreachableError if away else ModelError, match="cannot be downloaded"):
        download_version(mlflow_url, registered, "1", tmp_path / "cache" / "served-1")
    assert list((tmp_path / "cache").iterdir()) == []


def test_download_version_of_what_is_there_asks_nobody(tmp_path: Path) -> None:
    assert download_version("http://127.0.0.1:9", "served", "1", tmp_path) == tmp_path


def test_download_version_into_one_folder_at_once_gives_everyone_a_whole_model(
    mlflow_url: str, registered: str, tmp_path: Path
) -> None:
    target = tmp_path / "served-1"
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: download_version(mlflow_url, registered, "1", target), range(3)))
    assert folders == [target] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["served-1"]
    warm(load(target, allow_code=False))


def test_download_version_that_does_not_exist_leaves_nothing(
    mlflow_url: str, registered: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="version 7 of model 'served'"):
        download_version(mlflow_url, registered, "7", tmp_path / "served-7")
    assert not list(tmp_path.iterdir())


def test_load_model_survives_the_loss_of_its_folder(published: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "copy"))
    model = load(folder, allow_code=False)
    shutil.rmtree(folder)
    warm(model)
