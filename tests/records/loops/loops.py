"""Training functions whose jobs are recorded: each brings its job to another state."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import ray.train
import torch

import journeyman

Config = dict[str, Any]


def publishes(config: Config) -> None:
    torch.manual_seed(0)
    ray.train.report({"loss": 0.5})
    journeyman.publish(torch.nn.Linear(4, 3), example=torch.ones(2, 4))


def counts(config: Config) -> None:
    for step in range(3):
        journeyman.log({"count": step}, step=step)


def raises(config: Config) -> None:
    journeyman.log({"loss": 0.5}, step=0)
    if ray.train.get_context().get_world_rank() == 1:
        raise ValueError("no such column: price")


def dies_once(config: Config) -> None:
    """Is killed after its first epoch, and goes on with the second."""
    first = 1 if ray.train.get_checkpoint() else 0
    for epoch in range(first, 2):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch").write_text(str(epoch))
            ray.train.report({"seen": float(epoch)}, checkpoint=ray.train.Checkpoint.from_directory(folder))
        if first == 0:
            # The controller takes note of a checkpoint at its next look, every two seconds.
            time.sleep(5)
            os.kill(os.getpid(), signal.SIGKILL)


def steps(config: Config) -> None:
    """Steps until somebody ends it."""
    for step in range(7200):
        journeyman.log({"loss": 1 / (step + 1)}, step=step)
        time.sleep(0.5)


def stops_stepping(config: Config) -> None:
    for step in range(40):
        journeyman.log({"loss": 1 / (step + 1)}, step=step)
        time.sleep(0.05)
    time.sleep(3600)
