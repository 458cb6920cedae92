"""Private names of Ray Serve, held against the version that is installed.

What they do in a replica tests/stack/test_protocols.py asks of a real one.
"""

from __future__ import annotations

import importlib.util
import inspect
import warnings

with warnings.catch_warnings():
    # Ray's own schema is written in an older form of pydantic's.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ray.serve._private import replica as serve_replica
    from ray.serve._private.common import RequestMetadata, RequestProtocol

    from journeyman.compat import ray_modules, ray_serve


def test_metrics_of_a_replica_take_what_is_counted() -> None:
    counted = {
        "inc_num_ongoing_requests": {"request_metadata"},
        "dec_num_ongoing_requests": {"request_metadata"},
        "record_request_metrics": {"route", "latency_ms", "is_error"},
        "record_ingress_request_metrics": {
            *("protocol", "method", "route", "app_name", "deployment_name"),
            *("latency_ms", "is_error", "status_code"),
        },
    }
    for name, arguments in counted.items():
        taken = inspect.signature(getattr(serve_replica.ReplicaMetricsManager, name)).parameters
        required = {n for n, p in taken.items() if p.default is p.empty} - {"self"}
        assert required <= arguments <= taken.keys(), name


def test_replica_keeps_what_stands_behind_its_server_where_it_is_looked_for() -> None:
    source = inspect.getsource(serve_replica)
    for name in ("_user_callable_wrapper", "_route_prefix", "_metrics_manager"):
        assert f"self.{name}" in source
    for name in ("user_callable", "_run_user_code_in_separate_thread"):
        assert name in inspect.getsource(serve_replica.UserCallableWrapper)


def test_record_of_a_request_is_one_over_http() -> None:
    made = RequestMetadata(
        request_id="",
        internal_request_id="",
        route="/digits",
        app_name="digits",
        is_direct_ingress=True,
        _request_protocol=RequestProtocol.HTTP,
    )
    assert made.is_http_request


def test_without_a_replica_there_is_nothing_behind_a_server() -> None:
    assert ray_serve.behind(object()) is None


def test_modules_that_are_imported_ahead_are_there() -> None:
    for name in (ray_modules.SERVE_REPLICA, ray_modules.SERVE_CONTROLLER):
        assert importlib.util.find_spec(name) is not None
