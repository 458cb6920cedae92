"""Private names of MLflow, held against the version that is installed."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from journeyman.compat.mlflow_models import enforce_params, enforce_schema, save_example
from journeyman.compat.mlflow_pytorch import prove_pickle_free
from journeyman.compat.mlflow_stores import answer_registry, answer_tracking


def test_table_has_the_types_of_its_schema_or_is_refused() -> None:
    schema = Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.long, "b")])
    table = pd.DataFrame({"a": np.array([0.5], np.float32), "b": np.array([3], np.int32), "more": ["x"]})
    taken = enforce_schema(table, schema)
    assert dict(taken.dtypes.astype(str)) == {"a": "float64", "b": "int64"}
    with pytest.raises(MlflowException):
        enforce_schema(pd.DataFrame({"a": ["no number"], "b": [3]}), schema)


def test_params_have_their_types_and_defaults() -> None:
    schema = ParamSchema([ParamSpec("top_k", DataType.long, 5), ParamSpec("heat", DataType.double, 1.0)])
    assert enforce_params({"heat": 2}, schema) == {"top_k": 5, "heat": 2.0}
    with pytest.raises(MlflowException):
        enforce_params({"heat": "much"}, schema)


def test_example_of_named_arrays_is_written_beside_the_model(tmp_path: Path) -> None:
    fields = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a")])
    model = Model(signature=ModelSignature(inputs=fields))
    save_example(model, {"a": np.zeros((1, 2), np.float32)}, tmp_path)
    named = model.saved_input_example_info
    assert named is not None
    assert json.loads((tmp_path / named["artifact_path"]).read_text()) == {"a": [[0.0, 0.0]]}


def test_archive_with_a_pickle_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "model.pt2"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("model/data/weights/w.pkl", pickle.dumps({"a": 1}))
        written.writestr("model/data/constants/c.pt", pickle.dumps({"a": 1}))
    with pytest.raises(MlflowException):
        prove_pickle_free(archive)


def test_lists_of_stores_are_where_they_are_looked_for() -> None:
    from mlflow.tracking._model_registry import utils as registries
    from mlflow.tracking._tracking_service import utils as trackings

    def store(uri: str, artifact_uri: str | None = None) -> str:
        return f"store of {uri}"

    answer_tracking(["compat-test"], store)
    answer_registry(["compat-test"], store)
    assert trackings._tracking_store_registry._registry["compat-test"] is store
    assert registries._get_store_registry()._registry["compat-test"] is store
