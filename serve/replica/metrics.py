"""What a replica tells Prometheus of the requests it answers, over Ray's own exporter on each node.

Names get the prefix `ray_` there. Beside these stand Ray Serve's own, which know nothing of versions.
"""

from __future__ import annotations

from ray.util.metrics import Gauge, Histogram

from journeyman.serve.protocols.headers import header_text

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Of one replica of a service."""

    def __init__(self, service: str, model: str) -> None:
        # Ray's exporter takes labels in ASCII alone; the name is encoded as in the header of an answer.
        self._tags = {"service": service, "model": header_text(model)}
        self._durations: dict[tuple[str, int], Histogram] = {}
        """By version and status code: tags that come with a value Ray checks each time."""
        self._rows = Histogram(
            "journeyman_batch_rows",
            "Rows that the model computed at once, off the event loop.",
            _ROWS,
            ("service", "model", "version", "engine"),
        )
        self._waiting = Gauge(
            "journeyman_queue_length",
            "Requests whose answer is computed off the event loop, or waits for that.",
            ("service", "model"),
        )
        self._serving = Gauge(
            "journeyman_serving",
            "1 for the version and the engine that answer.",
            ("service", "model", "version", "engine"),
        )
        for metric in (self._rows, self._waiting, self._serving):
            metric.set_default_tags(self._tags)
        self._told: dict[str, str] | None = None

    def answered(self, version: str, code: int, seconds: float) -> None:
        durations = self._durations.get((version, code))
        if durations is None:
            durations = _durations({**self._tags, "version": version, "code": str(code)})
            self._durations[version, code] = durations
        durations.observe(seconds)

    def computed(self, version: str, engine: str, rows: int) -> None:
        self._rows.observe(rows, {"version": version, "engine": engine})

    def waiting(self, requests: int) -> None:
        self._waiting.set(requests)

    def serving(self, version: str, engine: str) -> None:
        """Told of what answers from now on."""
        now = {"version": version, "engine": engine}
        if self._told is not None and self._told != now:
            self._serving.set(0, self._told)
        self._serving.set(1, now)
        self._told = now


def _durations(tags: dict[str, str]) -> Histogram:
    durations = Histogram(
        "journeyman_request_duration_seconds",
        "From the first byte that the replica sees to its answer; counts are requests, by status code.",
        _SECONDS,
        tuple(tags),
    )
    durations.set_default_tags(tags)
    return durations
