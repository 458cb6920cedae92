"""Whether loading a version runs code of whoever made it, as its metadata tell. Pure.

What is not known to run none counts as code: a loader of MLflow's that reads graphs may read pickles, too.
The metadata are the maker's as all the rest: a loader that needs no permission must not go by more of them
than is looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TO_ALLOW = "If you trust whoever made it, write `allow_code: true` in the service; else log it again without \
code: PyTorch as pt2, scikit-learn as skops with the types that skops trusts, others as ONNX."
"""What to do about a version that runs code, in words."""

_PYFUNC = "python_function"
_SKLEARN = "sklearn"
_PYTHON_MODELS = ("mlflow.pyfunc.model", "mlflow.pyfunc.loaders")
_PICKLED = "pickle_module_info.txt"
"""MLflow reads a PyTorch module by the pickler that is named there, and a program that has none by itself."""
_ONNX, _PYTORCH = "onnx", "pytorch"
_DATA = "data"
"""Where MLflow keeps a module inside a version."""
_SHOWN_CHARACTERS = 80


def why_code(flavors: Mapping[str, Any], has_file: Callable[[str], bool]) -> str:
    """What of a version runs code, as `is stored as pickle, …`; empty where nothing does.

    `flavors` as in the version's MLmodel; `has_file` tells whether the version has a file of that path.
    """
    configured = {name: told for name, told in flavors.items() if isinstance(told, Mapping)}
    for told in configured.values():
        if told.get("model_code_path"):
            return "is a model from code (`model_code_path`), which runs when it is loaded"
        if told.get("code"):
            return "brings Python of its own (`code_paths`), which is imported when it is loaded"
    loader = str(configured.get(_PYFUNC, {}).get("loader_module", ""))
    if _is_program(configured, loader):
        folder = configured[_PYTORCH].get("model_data", _DATA)
        return _as_pickle("pickle") if has_file(f"{folder}/{_PICKLED}") else ""
    if _ONNX in configured and loader in ("", "mlflow.onnx"):
        return _of_graph(configured[_ONNX], configured.get(_PYFUNC, {}))
    if loader == "mlflow.sklearn":
        return _of_sklearn(configured.get(_SKLEARN, {}))
    if loader.startswith(_PYTHON_MODELS):
        return _as_pickle("cloudpickle")
    shown = loader[:_SHOWN_CHARACTERS].encode("unicode_escape").decode("ascii")
    return f"is loaded by {shown or 'nothing that is named'}, which may run code that the version brings"


def is_estimator(flavors: Mapping[str, Any]) -> bool:
    """Whether it is a scikit-learn estimator, of types that skops trusts by itself as far as it tells."""
    configured = {name: told for name, told in flavors.items() if isinstance(told, Mapping)}
    loader = configured.get(_PYFUNC, {}).get("loader_module")
    return loader == "mlflow.sklearn" and not why_code(flavors, lambda _: False)


def _is_program(configured: Mapping[str, Mapping[str, Any]], loader: str) -> bool:
    """Whether MLflow reads it from one folder of the version, and nothing of another that is named."""
    if _PYTORCH not in configured or loader not in ("", "mlflow.pytorch"):
        return False
    folder = configured[_PYTORCH].get("model_data", _DATA)
    asked = configured.get(_PYFUNC, {})
    is_lone = folder == asked.get("data", folder) and type(folder) is str and re.fullmatch(r"\w+", folder)
    return bool(is_lone and _is_predicted(asked))


def _is_predicted(asked: Mapping[str, Any]) -> bool:
    """Whether MLflow asks it by the one method that computes, and by no other of the object around it."""
    return asked.get("predict_fn", "predict") == "predict" and not asked.get("streamable")


def is_file_of_version(path: object) -> bool:
    """Whether it names one right in its folder: MLflow goes by the metadata that lie beside a graph."""
    return type(path) is str and re.fullmatch(r"\w[\w.-]*", path) is not None


def _of_graph(told: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """ONNX Runtime loads libraries, reads weights and writes reports where its options say."""
    data = told.get("data")
    if not is_file_of_version(data) or asked.get("data", data) != data or not _is_predicted(asked):
        return "names another graph or method than mlflow.onnx writes, which may run code that it brings"
    providers = told.get("providers") or []
    if not isinstance(providers, (str, list)) or any(type(provider) is not str for provider in providers):
        return "sets options of ONNX Runtime's providers, which may load what the version brings"
    options = told.get("onnx_session_options") or {}
    extra = (options.get("extra_session_config") or {}) if isinstance(options, Mapping) else "?"
    if isinstance(extra, Mapping) and all(map(_is_harmless, extra)):
        return ""
    return "sets options of ONNX Runtime's session, by which it reads and writes any file"


def _is_harmless(option: object) -> bool:
    return re.fullmatch(r"session\.(int(ra|er)_op\.\w+|set_denormal_as_zero)", str(option)) is not None


def _of_sklearn(told: Mapping[str, Any]) -> str:
    form = str(told.get("serialization_format", "pickle"))
    if form != "skops":
        return _as_pickle("cloudpickle" if form == "cloudpickle" else "pickle")
    if own := told.get("skops_trusted_types"):
        names = ", ".join(map(str, own)) if isinstance(own, list) else str(own)
        shown = names[:_SHOWN_CHARACTERS].encode("unicode_escape").decode("ascii")
        return f"asks to be trusted with types that skops does not trust ({shown})"
    return ""


def _as_pickle(form: str) -> str:
    return f"is stored as {form}, which runs code when it is read"
