"""A train spec in Ray Train's terms: which trainer, which workers, where checkpoints go."""

from __future__ import annotations

from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.callback import RayTrainCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from journeyman.cluster.resources import ray_amounts
from journeyman.jobs.driver.start_watch import StartWatch
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.worker.entry import train_on_worker

_NEEDLESS = (DatasetsCallback, PlacementGroupCleanerCallback)
"""Each starts a process of its own before the first step, 2 s of processor time: one hands out Ray datasets,
which no spec has, the other frees what the driver held, which Ray does when the driver's job ends."""


class _Lean(DataParallelTrainer):  # type: ignore[misc]
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        default = super()._create_default_callbacks()
        return [*(each for each in default if not isinstance(each, _NEEDLESS)), StartWatch()]


class _LeanTorch(_Lean, TorchTrainer):  # type: ignore[misc]
    pass


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
        return _Lean(backend_config=BackendConfig(), **arguments)
    return _LeanTorch(**arguments)


def _workers(spec: TrainSpec) -> int | tuple[int, int]:
    if spec.workers.least == spec.workers.most:
        return spec.workers.most
    return (spec.workers.least, spec.workers.most)
