"""A train spec in Ray Train's terms: which trainer, which workers, where checkpoints go."""

from __future__ import annotations

from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from journeyman.cluster.resources import ray_amounts
from journeyman.jobs.spec import TrainSpec


def build_trainer(spec: TrainSpec, run_id: str, storage: str) -> DataParallelTrainer:
    """The trainer of one attempt.

    The same storage and name resume from the last checkpoint. Ray Train's own retries are off: every attempt
    is a Ray job of its own, so that what ended the one before is judged in one place.
    """
    amounts = ray_amounts(spec.resources)
    arguments: dict[str, Any] = {
        "train_loop_per_worker": train_on_worker,
        "train_loop_config": {"spec": spec.model_dump(mode="json")},
        "scaling_config": ScalingConfig(
            num_workers=_workers(spec),
            use_gpu=spec.resources.gpus > 0,
            resources_per_worker={k: v for k, v in amounts.items() if not k.startswith("accelerator_type:")},
            accelerator_type=spec.resources.accelerator,
        ),
        "run_config": RunConfig(
            name=run_id, storage_path=storage, failure_config=FailureConfig(max_failures=0)
        ),
    }
    if spec.run:
        # A plain backend: TorchTrainer would open a process group and take the port the script wants.
        return DataParallelTrainer(backend_config=BackendConfig(), **arguments)
    return TorchTrainer(**arguments)


def train_on_worker(order: dict[str, Any]) -> None:
    """The function Ray Train calls on every worker.

    The driver and Ray Train's controller load it too: imported at the top, MLflow and what else a worker
    needs would be loaded three times in a row before the first step.
    """
    from journeyman.jobs.session import work

    work(order)


def _workers(spec: TrainSpec) -> int | tuple[int, int]:
    if spec.workers.least == spec.workers.most:
        return spec.workers.most
    return (spec.workers.least, spec.workers.most)
