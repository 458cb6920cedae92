"""When an attempt was ready: its nodes are there, its environment is built, and every worker has answered."""

from __future__ import annotations

import contextlib
import os
import threading

from ray.train import get_context

from journeyman.compat.ray_train import WorkerCallback


class ReadyMark(WorkerCallback):  # type: ignore[misc]
    """Writes the moment down on rank 0; from then on the start of the attempt has a limit.

    Ray Train calls it on each worker once all have answered, and before they open a process group.
    """

    def after_init_train_context(self) -> None:
        if get_context().get_world_rank() == 0:
            # Whatever MLflow does, the start goes on.
            threading.Thread(target=_tell, daemon=True).start()


def _tell() -> None:
    # The driver and Ray Train's controller load this module too: as in `entry`, nothing is loaded thrice.
    from journeyman.errors import JourneymanError
    from journeyman.jobs.attempt import READY_MS, moment
    from journeyman.tracking.job_store import environment
    from journeyman.tracking.mlflow_rest import job_client

    run_id, attempt = os.environ[environment.RUN_ID], int(os.environ[environment.ATTEMPT])
    with contextlib.suppress(JourneymanError), contextlib.closing(job_client(os.environ)) as rest:
        # The clock is the server's, as of its last answer.
        rest.run(run_id)
        rest.claim(run_id, moment(attempt, READY_MS), str(rest.now_ms()))
