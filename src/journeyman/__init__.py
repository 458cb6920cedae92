"""Journeyman takes a training function to a cluster, and the model it makes to live traffic.

Importing it loads neither torch, ray nor mlflow: what needs them is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from journeyman.version import VERSION as __version__

if TYPE_CHECKING:
    from journeyman.client import Client
    from journeyman.jobs.worker.metrics import log
    from journeyman.jobs.worker.publish import publish

__all__ = ["Client", "__version__", "log", "publish"]

_HOMES = {
    "Client": "journeyman.client",
    "log": "journeyman.jobs.worker.metrics",
    "publish": "journeyman.jobs.worker.publish",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'journeyman' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
