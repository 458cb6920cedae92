"""What the services had to do: counters in Ray's Prometheus text become rates and quantiles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

# Latency and requests are counted by the replicas themselves, whichever ingress carries them; what a caller
# saw as an error by whoever answers for the ingress: a replica, or Ray's proxy where there is none.
_LATENCY_BUCKET = "ray_serve_deployment_processing_latency_ms_bucket"
_REQUESTS = "ray_serve_deployment_processing_latency_ms_count"
_ERRORS = "ray_serve_num_http_error_requests_total"

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Counters:
    """Of one service; by the process that counts, for each new one begins at 0."""

    requests: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    """Answers with a status from 500 on: the callers' own mistakes are none of the service's."""
    buckets: Mapping[tuple[str, float], float] = field(default_factory=dict)
    """(replica, upper bound in milliseconds) to how many requests took no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Of one service between two readings."""

    requests: float
    requests_per_s: float
    errors: float
    p50_ms: float | None
    p99_ms: float | None
    """None where nothing was asked."""


def read_counters(texts: Iterable[str]) -> dict[str, Counters]:
    """By service, from the metrics of every node."""
    requests: dict[str, dict[str, float]] = {}
    errors: dict[str, dict[str, float]] = {}
    buckets: dict[str, dict[tuple[str, float], float]] = {}
    for text in texts:
        for family in text_string_to_metric_families(_ours(text)):
            for sample in family.samples:
                service, replica = sample.labels.get("application", ""), sample.labels.get("replica", "")
                if sample.name == _REQUESTS:
                    _add(requests.setdefault(service, {}), replica, sample.value)
                elif sample.name == _ERRORS and sample.labels.get("error_code", "").startswith("5"):
                    _add(errors.setdefault(service, {}), sample.labels.get("WorkerId", ""), sample.value)
                elif sample.name == _LATENCY_BUCKET:
                    bound = float(sample.labels["le"])
                    counts = buckets.setdefault(service, {})
                    counts[replica, bound] = counts.get((replica, bound), 0) + sample.value
    return {
        service: Counters(requests.get(service, {}), errors.get(service, {}), buckets.get(service, {}))
        for service in requests.keys() | errors.keys()
    }


def _ours(text: str) -> str:
    # A node exports a megabyte of other series, and the parser reads a few megabytes a second.
    names = (_LATENCY_BUCKET, _REQUESTS, _ERRORS)
    return "\n".join(line for line in text.splitlines() if line.startswith(names)) + "\n"


def _add(counts: dict[str, float], replica: str, value: float) -> None:
    # A replica has one series for each route and method.
    counts[replica] = counts.get(replica, 0) + value


def traffic(before: Counters, after: Counters, elapsed_s: float) -> Traffic:
    """What happened between two readings; a replica that `before` does not know began in between."""
    requests = sum(_grown(before.requests, after.requests).values())
    cumulative: dict[float, float] = {}
    for (_, bound), count in _grown(before.buckets, after.buckets).items():
        cumulative[bound] = cumulative.get(bound, 0) + count
    return Traffic(
        requests=requests,
        requests_per_s=requests / elapsed_s,
        errors=sum(_grown(before.errors, after.errors).values()),
        p50_ms=quantile(cumulative, 0.50),
        p99_ms=quantile(cumulative, 0.99),
    )


def _grown(before: Mapping[Key, float], after: Mapping[Key, float]) -> dict[Key, float]:
    return {key: max(0.0, value - before.get(key, 0)) for key, value in after.items()}


def quantile(cumulative: Mapping[float, float], share: float) -> float | None:
    """The value below which `share` of a cumulative histogram lies, on a straight line within its bucket.

    In the last, open bucket it is that bucket's lower bound, as in Prometheus. None for an empty histogram.
    """
    points = [(0.0, 0.0), *sorted(cumulative.items())]
    total = points[-1][1]
    if not total:
        return None
    for (low, below), (high, upto) in pairwise(points):
        if upto >= share * total:
            if high == float("inf"):
                return low
            return low + (high - low) * (share * total - below) / (upto - below)
    return points[-1][0]
