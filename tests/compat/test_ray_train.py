"""Private names of Ray Train, held against the version that is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.train import RunConfig, ScalingConfig
from ray.train.v2._internal import constants
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2._internal.execution import storage
from ray.train.v2._internal.execution.context import TrainContext
from ray.train.v2._internal.execution.preemption import PreemptionContext
from ray.train.v2._internal.execution.worker_group import ActorMetadata, Worker
from ray.train.v2._internal.execution.worker_group.worker import DistributedContext, RayTrainWorker
from ray.train.v2.api.callback import RayTrainCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from journeyman.compat import ray_train

# Importing Ray Data is what it takes to build a trainer.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_names_of_files_and_variables_are_rays() -> None:
    assert constants.CHECKPOINT_MANAGER_SNAPSHOT_FILENAME == ray_train.CHECKPOINT_SNAPSHOT
    assert constants.WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR == "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S"
    assert storage.StorageContext.persist_current_checkpoint.__code__.co_filename == ray_train.STORAGE_SOURCE


def test_health_check_has_rays_limit_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(constants.WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR, raising=False)
    assert ray_train.health_check_timeout_s() == constants.DEFAULT_WORKER_HEALTH_CHECK_TIMEOUT_S
    monkeypatch.setenv(constants.WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR, "7")
    assert ray_train.health_check_timeout_s() == 7


def test_callbacks_have_the_hooks_that_are_used() -> None:
    hooks = {
        ray_train.ControllerCallback: ("before_controller_execute_failure_decision",),
        ray_train.WorkerGroupCallback: (
            "before_init_train_context",
            "after_worker_group_training_start",
            "before_worker_group_shutdown",
            "before_worker_group_abort",
        ),
        ray_train.WorkerCallback: ("after_init_train_context",),
    }
    for callback, names in hooks.items():
        assert issubclass(callback, RayTrainCallback)
        assert [name for name in names if not callable(getattr(callback, name, None))] == []


def test_trainer_is_rays_own_without_two_helpers(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "train_loop_per_worker": lambda: None,
        "scaling_config": ScalingConfig(num_workers=2),
        "run_config": RunConfig(storage_path=str(tmp_path)),
    }
    plain = [type(c).__name__ for c in DataParallelTrainer(**arguments)._create_default_callbacks()]
    lean = [type(c).__name__ for c in ray_train.LeanTrainer(**arguments)._create_default_callbacks()]
    assert set(plain) - set(lean) == {"DatasetsCallback", "PlacementGroupCleanerCallback"}
    assert [name for name in plain if name in lean] == lean


def test_failure_of_a_health_check_tells_what_it_met() -> None:
    met = OSError("gone")
    assert ray_train.failed_health_check(WorkerHealthCheckFailedError("rank 1", met)) is met
    assert ray_train.failed_health_check(met) is met


def test_worker_tells_rank_and_node_and_answers() -> None:
    context = DistributedContext(local_rank=0, local_world_size=1, world_rank=3, world_size=4, node_rank=0)
    metadata = ActorMetadata(hostname="h", node_id="n", node_ip="10.0.0.1", pid=1, accelerator_ids={})
    worker = Worker(actor=SimpleNamespace(), metadata=metadata, resources={}, distributed_context=context)
    assert (ray_train.rank_of(worker), ray_train.node_address_of(worker)) == (3, "10.0.0.1")
    assert callable(RayTrainWorker.get_metadata)
    assert callable(Worker.execute_async)


def test_context_of_a_worker_holds_what_is_put_into_it() -> None:
    fields = TrainContext.__dataclass_fields__
    assert {"checkpoint", "storage_context", "preemption_context"} <= fields.keys()
    assert callable(TrainContext.report)
    assert PreemptionContext().preemption_info is None


def test_worker_learns_of_its_preemption_without_asking_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, expected in ((None, False), (SimpleNamespace(deadline_ms=1), True)):
        context = SimpleNamespace(preemption_context=SimpleNamespace(preemption_info=told))
        monkeypatch.setattr(ray_train, "get_train_context", partial(lambda context: context, context))
        assert ray_train.is_preempted() is expected
    monkeypatch.setattr(ray_train, "get_train_context", SimpleNamespace)
    assert ray_train.is_preempted() is False


def test_report_is_wrapped_from_within_outwards(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    context = SimpleNamespace(report=lambda text: said.append(text))
    monkeypatch.setattr(ray_train, "get_train_context", lambda: context)

    def naming(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        return lambda before: lambda text: before(f"{text} {name}")

    ray_train.wrap_report(naming("inner"))
    ray_train.wrap_report(naming("outer"))
    context.report("said")
    assert said == ["said outer inner"]
