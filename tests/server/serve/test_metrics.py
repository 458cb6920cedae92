"""What a replica tells Prometheus: labels that Ray's exporter takes, whatever a model is called."""

from __future__ import annotations

from typing import Any

import pytest

from journeyman.serve.replica import metrics as module
from journeyman.serve.replica.metrics import Metrics


class Recorded:
    """Takes what Ray's metrics take, and keeps their labels."""

    labels: list[dict[str, str]]

    def __init__(self, *_arguments: Any) -> None:
        self._defaults: dict[str, str] = {}

    def set_default_tags(self, tags: dict[str, str]) -> None:
        self._defaults = tags

    def observe(self, _value: float, tags: dict[str, str] | None = None) -> None:
        self.labels.append({**self._defaults, **(tags or {})})

    set = observe


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("digits", "digits"),
        ("Ada's Größen-Modell v2", "Ada's Gr%C3%B6%C3%9Fen-Modell v2"),
        ("数字", "%E6%95%B0%E5%AD%97"),
    ],
)
def test_labels_are_ascii_whatever_a_model_is_called(
    name: str, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorded, "labels", [], raising=False)
    monkeypatch.setattr(module, "Gauge", Recorded)
    monkeypatch.setattr(module, "Histogram", Recorded)
    metrics = Metrics("sizes", name)
    metrics.answered("3", 200, 0.1)
    metrics.computed("3", "pyfunc", 2)
    metrics.waiting(1)
    metrics.serving("3", "pyfunc")
    assert [labels["model"] for labels in Recorded.labels] == [label] * 4
    assert all(value.isascii() for labels in Recorded.labels for value in labels.values())
