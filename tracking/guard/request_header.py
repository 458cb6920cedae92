"""Shows the token of a stack in what MLflow's own client sends to that stack's server, and to no other.

MLflow loads it in every process of an environment that has Journeyman (entry point
`mlflow.request_header_provider`).
"""

from __future__ import annotations

import inspect
import os

from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
from requests.utils import get_environ_proxies

from journeyman.home import home_folder, own_mlflow, why_not_asked

_SENDER = "http_request"
_DEPTH = 6


class TokenOfOwnStack(RequestHeaderProvider):  # type: ignore[misc]  # MLflow is not followed by mypy
    """Asked by MLflow for each request that it sends."""

    def in_context(self) -> bool:
        return bool(self.request_headers())

    def request_headers(self) -> dict[str, str]:
        mlflow = own_mlflow(os.environ)
        asked = _asked_address()
        if mlflow is None or asked is None or not mlflow.is_at(asked):
            return {}
        if why_not_asked(asked, home_folder(os.environ)) or get_environ_proxies(asked):
            # A proxy would be shown it, and is no way to this machine.
            return {}
        return {"Authorization": f"Bearer {mlflow.token}"}


def _asked_address() -> str | None:
    """Of the server that is about to be asked; None where it cannot be told.

    MLflow tells a provider nothing of it, and the process-wide tracking URI is not that of every client: a
    token would go to whatever server a second client asks. So the caller's `host_creds` is looked at.
    """
    frame = inspect.currentframe()
    for _ in range(_DEPTH):
        frame = frame.f_back if frame is not None else None
        if frame is not None and frame.f_code.co_name == _SENDER:
            host = getattr(frame.f_locals.get("host_creds"), "host", None)
            return host if isinstance(host, str) else None
    return None
