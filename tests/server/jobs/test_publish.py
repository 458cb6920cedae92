"""Where a job's weights are kept: in a folder, or on S3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.fs
import pytest
import torch

from journeyman.jobs.worker.publish import _store_weights, _weights_location


def test_weights_come_back_from_every_kind_of_storage(
    s3: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    model = torch.nn.Linear(2, 1)
    endpoint = urlsplit(s3["AWS_ENDPOINT_URL"]).netloc
    found = {}
    for storage in (
        str(tmp_path / "runs"),
        "s3://journeyman/runs",
        f"s3://journeyman/others?scheme=http&endpoint_override={endpoint}",
    ):
        if "?" in storage:
            monkeypatch.delenv("AWS_ENDPOINT_URL")
        location = _weights_location(storage, "f00", "2")
        _store_weights(model, location)
        filesystem, path = pyarrow.fs.FileSystem.from_uri(location)
        with filesystem.open_input_file(path) as file:
            found[path] = torch.load(file, weights_only=True)
    assert list(found) == [
        str(tmp_path / "runs/f00/2/weights.pt"),
        "journeyman/runs/f00/2/weights.pt",
        "journeyman/others/f00/2/weights.pt",
    ]
    for state in found.values():
        assert torch.equal(state["weight"], model.weight)
