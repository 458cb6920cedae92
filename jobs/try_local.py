"""`try`: the same spec here, in the foreground, one worker, no cluster, `breakpoint()` working."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from journeyman.cluster.settings import make_home
from journeyman.jobs.run_line import stored_words
from journeyman.jobs.submit.submission import Order
from journeyman.jobs.worker.script import elastic_environment
from journeyman.jobs.worker.session import find_function, prepare_environment


def try_order(order: Order, home: Path) -> int:
    """Run the order's function or script once in the folder of its code; its exit code.

    What it logs goes to an MLflow store of its own below the home folder; nothing is registered.
    """
    os.chdir(order.folder)
    make_home(home)
    (home / "try").mkdir(exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home / 'try' / 'mlflow.db'}"
    os.environ.update(order.spec.env)
    prepare_environment(order.spec, rank=0)
    if order.spec.run:
        # One process is a group of one: what torchrun would set, without meeting anyone.
        alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
        alone |= {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
        alone |= elastic_environment(os.environ, rank=0, ranks=1)
        return subprocess.call([sys.executable, *stored_words(order.spec.run)], env=os.environ | alone)
    # No workers is Ray Train's local mode: the loop runs in this very process and thread.
    TorchTrainer(
        find_function(order.spec.entrypoint or ""),
        train_loop_config=dict(order.spec.config),
        scaling_config=ScalingConfig(num_workers=0),
        run_config=RunConfig(name=order.spec.name, storage_path=str(home / "try")),
    ).fit()
    return 0
