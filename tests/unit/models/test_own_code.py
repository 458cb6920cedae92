"""What of a version's metadata says that loading it runs code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.models.own_code import is_estimator, why_code

PT2: dict[str, dict[str, Any]] = {
    "python_function": {"loader_module": "mlflow.pytorch", "data": "data", "config": {"device": None}},
    "pytorch": {"code": None, "model_data": "data", "pytorch_version": "2.13.0+cpu"},
}
ONNX: dict[str, dict[str, Any]] = {
    "python_function": {"loader_module": "mlflow.onnx"},
    "onnx": {"code": None, "data": "model.onnx"},
}
SKOPS: dict[str, dict[str, Any]] = {
    "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"},
    "sklearn": {"code": None, "serialization_format": "skops", "skops_trusted_types": None},
}
ONNX_WITH_OPTIONS = {
    "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx", "predict_fn": "predict"},
    "onnx": {
        "code": None,
        "data": "model.onnx",
        "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"],
        "onnx_session_options": {
            "execution_mode": "parallel",
            "intra_op_num_threads": 2,
            "extra_session_config": {
                "session.intra_op.allow_spinning": "0",
                "session.set_denormal_as_zero": "1",
            },
        },
    },
}
FROM_CODE = {
    "python_function": {
        "loader_module": "mlflow.pyfunc.loaders.code_model",
        "model_code_path": "/home/a/code.py",
        "code": None,
    }
}


def changed(flavors: dict[str, dict[str, Any]], flavor: str, **keys: Any) -> dict[str, dict[str, Any]]:
    return {**flavors, flavor: flavors[flavor] | keys}


def nothing(path: str) -> bool:
    return False


@pytest.mark.parametrize(
    "flavors", [PT2, ONNX, ONNX_WITH_OPTIONS, SKOPS, {"onnx": ONNX["onnx"]}, {"pytorch": PT2["pytorch"]}]
)
def test_programs_graphs_and_trusted_estimators_run_no_code(flavors: dict[str, Any]) -> None:
    assert why_code(flavors, nothing) == ""


@pytest.mark.parametrize(
    ("flavors", "why"),
    [
        (FROM_CODE, "is a model from code"),
        (changed(PT2, "pytorch", code="code"), "brings Python of its own"),
        (changed(ONNX, "python_function", code="code"), "brings Python of its own"),
        (changed(SKOPS, "sklearn", serialization_format="pickle"), "is stored as pickle"),
        (changed(SKOPS, "sklearn", serialization_format="cloudpickle"), "is stored as cloudpickle"),
        (changed(SKOPS, "sklearn", skops_trusted_types=["os.system"]), r"does not trust (os.system)"),
        (changed(SKOPS, "sklearn", skops_trusted_types="a\n"), r"does not trust (a\n)"),
        ({"python_function": SKOPS["python_function"]}, "is stored as pickle"),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model"}}, "is stored as cloudpickle"),
        (changed(PT2, "python_function", loader_module="evil"), "is loaded by evil"),
        (changed(PT2, "python_function", data="evil"), "is loaded by mlflow.pytorch, which may run code"),
        (changed(PT2, "pytorch", model_data="../evil"), "is loaded by mlflow.pytorch, which may run code"),
        (changed(PT2, "pytorch", model_data=["data"]), "is loaded by mlflow.pytorch, which may run code"),
        (changed(PT2, "python_function", loader_module="mlflow.xgboost"), "is loaded by mlflow.xgboost"),
        (changed(PT2, "python_function", loader_module="a\x1b[31m" + "b" * 500), r"is loaded by a\x1b[31mb"),
        (
            changed(PT2, "python_function", predict_fn="__init__"),
            "is loaded by mlflow.pytorch, which may run",
        ),
        (changed(ONNX, "python_function", data="sub/model.onnx"), "names another graph or method"),
        (changed(ONNX, "python_function", predict_fn="__init__"), "names another graph or method"),
        (changed(ONNX, "python_function", streamable=True), "names another graph or method"),
        (changed(ONNX, "onnx", data="/etc/passwd"), "names another graph or method"),
        (changed(ONNX, "onnx", data="../model.onnx"), "names another graph or method"),
        (changed(ONNX, "onnx", data=".."), "names another graph or method"),
        (changed(ONNX, "onnx", data=None), "names another graph or method"),
        (
            changed(ONNX, "onnx", providers=[["TensorrtExecutionProvider", {"trt_x": "a.so"}]]),
            "providers, which",
        ),
        (changed(ONNX, "onnx", providers={"A": {}}), "sets options of ONNX Runtime's providers"),
        (
            changed(ONNX, "onnx", onnx_session_options={"extra_session_config": {"ep.x": "1"}}),
            "session, by which",
        ),
        (
            changed(
                ONNX, "onnx", onnx_session_options={"extra_session_config": {"session.intra_op.x\n": "1"}}
            ),
            "session, by which",
        ),
        (changed(ONNX, "onnx", onnx_session_options={"extra_session_config": ["a"]}), "session, by which"),
        (changed(ONNX, "onnx", onnx_session_options=["a"]), "session, by which"),
        ({}, "is loaded by nothing that is named"),
        ({"python_function": "x", "onnx": ["y"]}, "is loaded by nothing that is named"),
    ],
)
def test_what_runs_code_is_told_for_what_it_is(flavors: dict[str, Any], why: str) -> None:
    told = why_code(flavors, nothing)
    assert why in told
    assert len(told) < 200 and told.isprintable()


def test_module_is_told_from_a_program_by_the_file_that_names_its_pickler() -> None:
    asked = []

    def there(path: str) -> bool:
        asked.append(path)
        return True

    assert why_code(PT2, there) == "is stored as pickle, which runs code when it is read"
    assert asked == ["data/pickle_module_info.txt"]


def test_estimator_is_one_of_scikit_learn_that_needs_no_permission() -> None:
    assert is_estimator(SKOPS)
    assert not is_estimator(PT2)
    assert not is_estimator(changed(SKOPS, "sklearn", skops_trusted_types=["a"]))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "data",
        "providers",
        "onnx_session_options",
        "predict_fn",
        "loader_module",
        "code",
        "model_code_path",
        "model_data",
        "serialization_format",
        "skops_trusted_types",
    ]
)


@given(
    st.dictionaries(
        st.sampled_from(["python_function", "pytorch", "onnx", "sklearn", "x"]) | st.text(),
        st.dictionaries(
            KEYS, ANY | st.sampled_from(["mlflow.sklearn", "mlflow.pytorch", "mlflow.onnx", "skops"])
        )
        | ANY,
    )
)
def test_whatever_the_metadata_hold_there_is_an_answer_that_can_be_shown(flavors: dict[str, Any]) -> None:
    assert why_code(flavors, nothing).isprintable()
    assert is_estimator(flavors) in (True, False)
