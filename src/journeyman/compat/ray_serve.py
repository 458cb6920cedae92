"""Private names of Ray Serve: what stands behind the server of a replica, and what Serve counts requests by.

Tested with Ray 2.60. Where they are not as expected, requests take Serve's own way, which is longer, and the
replica's log says so.
"""

from __future__ import annotations

import logging
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException

try:
    from ray.serve._private.common import RequestMetadata, RequestProtocol
    from ray.serve._private.tracing_utils import is_tracing_enabled
except ImportError as error:
    # Proxies of Serve import this too, and must start.
    _LACKING = str(error)
else:
    _LACKING = ""

_log = logging.getLogger(__name__)


class Behind:
    """What stands behind the server of a replica."""

    def __init__(self, replica: Any, context: Any) -> None:
        """Raises AttributeError and TypeError where Serve is not as expected."""
        self.answer = replica._user_callable_wrapper.user_callable
        """The deployment that was made for the replica."""
        self.prefix: str = replica._route_prefix
        self._application, self._deployment = context.app_name, context.deployment
        self._metrics = replica._metrics_manager
        # Of any request: Serve asks it for no more than its protocol.
        self._record = RequestMetadata(
            request_id="",
            internal_request_id="",
            route=self.prefix,
            app_name=context.app_name,
            is_direct_ingress=True,
            _request_protocol=RequestProtocol.HTTP,
        )
        self._counts = True
        # Tried on a request that there is not: what fails here would fail each one.
        self.begin()
        self.end()

    def begin(self) -> None:
        """A request is on its way: Serve scales by their number, and an ending replica waits for them."""
        self._metrics.inc_num_ongoing_requests(self._record)

    def end(self) -> None:
        self._metrics.dec_num_ongoing_requests(self._record)

    def count(self, method: str, status: int, latency_ms: float) -> None:
        """By Serve's metrics. The answer is sent, whatever comes of it."""
        if not self._counts:
            return
        try:
            self._metrics.record_request_metrics(route=self.prefix, latency_ms=latency_ms, is_error=False)
            self._metrics.record_ingress_request_metrics(
                protocol=RequestProtocol.HTTP,
                method=method,
                route=self.prefix,
                app_name=self._application,
                deployment_name=self._deployment,
                latency_ms=latency_ms,
                is_error=status >= 400,
                status_code=str(status),
            )
        except (AttributeError, TypeError) as error:
            # Told once, not a request.
            self._counts = False
            _log.warning("Serve's metrics count no requests of this replica: %s", error)


def behind(app: Any) -> Behind | None:
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
        if not type(deployed.user_callable).__module__.startswith("journeyman."):
            return None  # Foreign applications return what Serve makes a response of: text, numbers, streams.
        return Behind(replica, context)
    except (AttributeError, TypeError) as error:
        _log.warning("requests take Serve's own way, which is longer: %s", error)
        return None
