"""Private names of MLflow's tracking: its lists of which store answers an address, and which registry.

Tested with MLflow 3.17. Without the first a script that sets an address of its own logs there and not to its
job's run; without the second each rank that logs a model has its own version. Nothing here imports MLflow
before it must: MLflow loads who asks while `import mlflow` is under way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any


def answer_tracking(schemes: Iterable[str], store: Callable[..., Any]) -> None:
    """Have this store answer tracking addresses of these schemes, if MLflow is loaded that far."""
    utils = sys.modules.get("mlflow.tracking._tracking_service.utils")
    registry = getattr(utils, "_tracking_store_registry", None)
    if registry is not None:
        for scheme in schemes:
            registry.register(scheme, store)


def answer_registry(schemes: Iterable[str], store: Callable[..., Any]) -> None:
    """Have this store answer addresses of model registries of these schemes."""
    from mlflow.tracking._model_registry import utils

    known = getattr(utils, "_get_store_registry", None)
    if known is not None:
        for scheme in schemes:
            known().register(scheme, store)
