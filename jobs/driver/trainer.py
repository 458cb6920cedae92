"""A train spec in Ray Train's terms: which trainer, which workers, where checkpoints go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.torch import TorchTrainer

from journeyman.cluster.resources import ray_amounts
from journeyman.compat.ray_train import LeanTrainer
from journeyman.jobs.driver.start_watch import StartWatch
from journeyman.jobs.driver.stop_watch import StopWatch
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.worker.entry import train_on_worker
from journeyman.jobs.worker.ready import ReadyMark


class _LeanTorch(LeanTrainer, TorchTrainer):  # type: ignore[misc]  # Ray is not followed by mypy
    pass


def run_config(run_id: str, attempt: int, storage: str, start_retries: int) -> RunConfig:
    """Where an attempt writes, which is below a folder of its own, and what Ray Train itself tries again.

    That is nothing but the wait for nodes: every attempt is a Ray job of its own, so that what ended the one
    before is judged in one place.
    """
    return RunConfig(
        name=f"{run_id}/{attempt}",
        storage_path=storage,
        failure_config=FailureConfig(
            max_failures=0, max_preemption_failures=0, controller_failure_limit=start_retries
        ),
    )


def build_trainer(spec: TrainSpec, config: RunConfig, workers: int, resume: str | None = None) -> LeanTrainer:
    """The trainer of one attempt; `resume` is the path of the checkpoint that it goes on from."""
    watches = [StartWatch(), ReadyMark(), *([StopWatch()] if spec.run else [])]
    config = replace(config, callbacks=[*(config.callbacks or []), *watches])
    amounts = ray_amounts(spec.resources)
    arguments: dict[str, Any] = {
        "train_loop_per_worker": train_on_worker,
        "train_loop_config": {"spec": spec.model_dump(mode="json"), "resume": resume},
        "scaling_config": ScalingConfig(
            num_workers=workers,
            use_gpu=spec.resources.gpus > 0,
            resources_per_worker={k: v for k, v in amounts.items() if not k.startswith("accelerator_type:")},
            accelerator_type=spec.resources.accelerator,
        ),
        "run_config": config,
    }
    if spec.run:
        # A plain backend: TorchTrainer would open a process group and take the port the script wants.
        return LeanTrainer(backend_config=BackendConfig(), **arguments)
    return _LeanTorch(**arguments)
