"""The way of a request from the server in a replica to what answers it: past Serve's own, which costs more.

For each request Serve makes two ids, a record of it, a context, a line for a log that is off and wrappers
around the answer: together more processor time than reading the request and computing a small model
(benchmarks/shortcut.py). Here it is answered, and counted by Serve's means, so that autoscaling, the end of a
replica and Serve's metrics stay what they are. Nor does it wait for one of Serve's slots, where it would wait
however long: the endpoint refuses what is too much.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

try:
    from ray.serve._private.common import RequestMetadata, RequestProtocol
    from ray.serve._private.tracing_utils import is_tracing_enabled
except ImportError as error:
    # Ray's own names, which another version may have elsewhere: its proxies import this too, and must start.
    _LACKING = str(error)
else:
    _LACKING = ""

_REQUEST_ID = b"x-request-id"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Behind:
    """What stands behind the server of a replica."""

    metrics: Any
    """What Serve counts requests by."""
    answer: Any
    """The deployment that was made for the replica."""
    prefix: str
    application: str
    deployment: str
    record: Any
    """Of any request: Serve asks it for no more than its protocol."""


class Shortcut:
    """Outermost around Serve's application; what it does not know it leaves to that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._behind = _behind(app)
        self._counts = True
        """Whether Serve's metrics take what is counted."""
        # One of its own: models seed the one that all share, and requests would have the same id.
        self._random = random.Random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        behind = self._behind
        if behind is None or scope["type"] != "http" or not _is_below(scope, behind.prefix):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["root_path"] = behind.prefix
        request_id = self._request_id(scope)
        behind.metrics.inc_num_ongoing_requests(behind.record)
        try:
            response = await behind.answer(Request(scope, receive))
            response.raw_headers.append((_REQUEST_ID, request_id))
            await response(scope, receive, send)
        finally:
            behind.metrics.dec_num_ongoing_requests(behind.record)
        self._count(behind, scope["method"], response.status_code, 1000 * (time.perf_counter() - began))

    def _count(self, behind: _Behind, method: str, status: int, latency_ms: float) -> None:
        """By Serve's metrics. The answer is sent, whatever comes of it."""
        if not self._counts:
            return
        try:
            behind.metrics.record_request_metrics(route=behind.prefix, latency_ms=latency_ms, is_error=False)
            behind.metrics.record_ingress_request_metrics(
                protocol=RequestProtocol.HTTP,
                method=method,
                route=behind.prefix,
                app_name=behind.application,
                deployment_name=behind.deployment,
                latency_ms=latency_ms,
                is_error=status >= 400,
                status_code=str(status),
            )
        except (AttributeError, TypeError) as error:
            # Names that Ray keeps private; told once, not a request.
            self._counts = False
            _log.warning("Serve's metrics count no requests of this replica: %s", error)

    def _request_id(self, scope: Scope) -> bytes:
        """The caller's, or one that is made here and put among its headers."""
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                found: bytes = value
                return found
        # Nobody relies on it to be hard to guess; the system's own random numbers cost a call of the kernel.
        made = b"%032x" % self._random.getrandbits(128)
        scope["headers"] = [*scope["headers"], (_REQUEST_ID, made)]
        return made


def middlewares() -> list[Middleware]:
    """For RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH: Ray calls it in replicas and in its proxies."""
    return [Middleware(Shortcut)]


def _behind(app: Any) -> _Behind | None:
    """None in Ray's proxies, for foreign applications and where tracing or other middleware sees requests."""
    try:
        context = serve.get_replica_context()
    except RayServeException:
        return None
    if _LACKING:
        _log.warning("requests take Serve's own way, which is longer: %s", _LACKING)
        return None
    try:
        if is_tracing_enabled():
            return None
        # Serve's application is a method of its replica, with one middleware around it that gives ids.
        replica = app._app.__self__
        deployed = replica._user_callable_wrapper
        if deployed._run_user_code_in_separate_thread:
            return None
        answer, prefix = deployed.user_callable, replica._route_prefix
        if not type(answer).__module__.startswith("journeyman."):
            return None  # Foreign applications return what Serve makes a response of: text, numbers, streams.
        metrics = replica._metrics_manager
        record = RequestMetadata(
            request_id="",
            internal_request_id="",
            route=prefix,
            app_name=context.app_name,
            is_direct_ingress=True,
            _request_protocol=RequestProtocol.HTTP,
        )
        # Tried on a request that there is not: what fails here would fail each one.
        metrics.inc_num_ongoing_requests(record)
        metrics.dec_num_ongoing_requests(record)
    except (AttributeError, TypeError) as error:
        _log.warning("requests take Serve's own way, which is longer: %s", error)
        return None
    return _Behind(
        metrics=metrics,
        answer=answer,
        prefix=prefix,
        application=context.app_name,
        deployment=context.deployment,
        record=record,
    )


def _is_below(scope: Scope, prefix: str) -> bool:
    path: str = scope["path"]
    return not scope.get("root_path") and (path == prefix or path.startswith(f"{prefix}/"))
