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
from journeyman.jobs.driver.stop_watch import StopWatch
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.worker.entry import train_on_worker
from journeyman.jobs.worker.ready import ReadyMark

_NEEDLESS = (DatasetsCallback, PlacementGroupCleanerCallback)
"""Each starts a process of its own before the first step, 2 s of processor time: one hands out Ray datasets,
which no spec has, the other frees what the driver held, which Ray does when the driver's job ends."""


class _Lean(DataParallelTrainer):  # type: ignore[misc]
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        default = super()._create_default_callbacks()
        lean = (each for each in default if not isinstance(each, _NEEDLESS))
        return [*lean, StartWatch(), ReadyMark()]


class _LeanScript(_Lean):
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        return [*super()._create_default_callbacks(), StopWatch()]


class _LeanTorch(_Lean, TorchTrainer):  # type: ignore[misc]
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


def build_trainer(
    spec: TrainSpec, config: RunConfig, workers: int, resume: str | None = None
) -> DataParallelTrainer:
    """The trainer of one attempt; `resume` is the path of the checkpoint that it goes on from."""
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
        return _LeanScript(backend_config=BackendConfig(), **arguments)
    return _LeanTorch(**arguments)
