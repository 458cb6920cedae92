"""Sentences by which causes are recognised, looked for in the packages that are installed."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import ray
import sqlalchemy.exc
import torch
from mlflow.protos.databricks_pb2 import ErrorCode

from journeyman.compat.mlflow_words import DOUBTFUL, REFUSALS, REFUSED_BY_DATABASE
from journeyman.compat.ray_words import DEATHS
from journeyman.compat.torch_words import COLLECTIVE_FAILED, CONNECTION_LOST

RAY, TORCH = Path(ray.__file__).parent, Path(torch.__file__).parent
SAID = [
    (RAY / "train/v2/_internal/execution/worker_group/worker_group.py", "health check has been hanging for"),
    (RAY / "core/src/ray/raylet/raylet", "low on memory"),
    (RAY / "core/src/ray/gcs/gcs_server", "NODE_OUT_OF_MEMORY"),
    (RAY / "core/src/ray/gcs/gcs_server", "NODE_DIED"),
    (RAY / "core/src/ray/raylet/raylet", "connection error code"),
    (TORCH / "lib/libtorch_cpu.so", "Socket closed"),
    (TORCH / "lib/libtorch_cpu.so", "Connection closed by peer"),
    (TORCH / "lib/libtorch_cpu.so", "TCPStore"),
    (TORCH / "lib/libtorch_python.so", "DistBackendError"),
]


@pytest.mark.parametrize(("file", "words"), SAID, ids=[words for _, words in SAID])
def test_library_still_says_it(file: Path, words: str) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert content.find(words.encode()) >= 0


@pytest.mark.parametrize(
    ("told", "meaning"),
    [
        ("the health check has been hanging for 600.0 seconds", "its process did not answer for 600 s"),
        ("Task was killed due to the node running low on memory.", "because its node ran out of memory"),
        ("The actor died because its node has died. Node Id: 0a", "its node is gone"),
        ("Worker exits with exit code 1.", "its process exited with code 1"),
        (
            "Worker unexpectedly exits with a connection error code 2. End of file.",
            "died without an error message",
        ),
    ],
)
def test_what_ray_says_of_a_worker_is_recognised(told: str, meaning: str) -> None:
    said = next(text.format(*map(float, found.groups())) for p, text in DEATHS if (found := p.search(told)))
    assert meaning in said


def test_what_collectives_raise_is_recognised() -> None:
    gloo = "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:554] Connection closed by peer"
    nccl = "torch.distributed.DistBackendError: NCCL error: remote process exited or a network error"
    for text in (gloo, nccl):
        assert COLLECTIVE_FAILED.search(text)
        assert CONNECTION_LOST.search(text)
    assert not COLLECTIVE_FAILED.search("RuntimeError: mat1 and mat2 shapes cannot be multiplied")


def test_codes_are_those_of_sqlalchemy_and_mlflow() -> None:
    codes = (sqlalchemy.exc.IntegrityError.code, sqlalchemy.exc.DataError.code)
    assert tuple(f"/{code})" for code in codes) == REFUSED_BY_DATABASE
    assert {*REFUSALS, *DOUBTFUL} <= set(ErrorCode.keys())
