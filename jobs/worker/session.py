"""What runs on each worker of a job around the person's code: environment, rank, logs and metrics."""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from ray import get_runtime_context
from ray.exceptions import RayError, RayTaskError
from ray.train import get_context
from ray.util import get_node_ip_address

from journeyman.cluster.identity import is_identity
from journeyman.cluster.priority import give_way
from journeyman.cluster.settings import read_secrets
from journeyman.compat.ray_train import STORAGE_SOURCE, resume_from
from journeyman.errors import JourneymanError, UnreachableError
from journeyman.home import home_folder
from journeyman.jobs.attempt import FIRST_STEP_MS, STARTED_MS, moment
from journeyman.jobs.environment import STORAGE
from journeyman.jobs.log_files import rank_source
from journeyman.jobs.log_shipper import LogShipper, own_output_files
from journeyman.jobs.outcome import Cause, Raised, RankError
from journeyman.jobs.place import Place, place_path
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.waits import Wait, wait_path
from journeyman.jobs.worker.cause import why_it_ended
from journeyman.jobs.worker.fence import Fence
from journeyman.jobs.worker.reports import know_waits, record_reports
from journeyman.jobs.worker.script import run_script, why_stop
from journeyman.jobs.worker.stillness import Stillness
from journeyman.tracking.job_store import environment, store
from journeyman.tracking.mlflow_rest import Mlflow, job_client
from journeyman.tracking.records import WORKERS_STARTED_MS, Run, shortened

_CHECKPOINT_FLUSH_S = 5.0
"""How long a checkpoint waits for a server that is away before it counts without its metrics."""
_END_FLUSH_S = 600.0
"""How long a worker that is done, or failed, waits for a server that is away: then its points are lost."""
_SYSTEM_METRICS_INTERVAL_S = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_OR_CLOSED = (*_FULL, errno.EACCES, errno.EPERM, errno.EROFS)
_MAX_MESSAGE_CHARACTERS = 1000
_MAX_DETAIL_CHARACTERS = 3000
"""Both go into one tag of the run, which holds 8,000."""
_REPLACED = 4
"""Exit code of a worker whose attempt was replaced."""


def work(order: dict[str, Any]) -> None:
    """One worker's part of an attempt, from its environment to its last log line.

    `order` holds the spec, and the path of the checkpoint that the attempt resumes from.
    """
    give_way()
    # Ray's workers print at INFO: each piece of log shipped would print a line that is shipped next.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    spec = TrainSpec.model_validate(order["spec"])
    rank = get_context().get_world_rank()
    prepare_environment(spec, rank)
    run_id = os.environ[environment.RUN_ID]
    rest = job_client(os.environ)
    run = rest.run(run_id)
    attempt = int(os.environ[environment.ATTEMPT])
    if resume := order.get("resume"):
        resume_from(resume)
    # MLflow may be away while a checkpoint is written: nobody waits for what it would say.
    now = Mlflow(rest.url, os.environ)
    fence = Fence(now, run_id, attempt, _leave)
    if rank == 0:
        started_ms = str(rest.now_ms())
        rest.claim(run_id, moment(attempt, STARTED_MS), started_ms)
        rest.set_tags(run_id, {WORKERS_STARTED_MS: started_ms})
    with LogShipper(rest, run, rank_source(rank), attempt, own_output_files()) as shipper:
        stillness = Stillness(rank, shipper.written_bytes, lambda wait: _tell_wait(rest, run, attempt, wait))

        def started(pid: int) -> None:
            stillness.runs_in(pid)
            _tell_place(rest, run, attempt, rank, pid)

        try:
            with contextlib.ExitStack() as around:
                around.enter_context(_system_metrics(run_id, attempt))
                around.enter_context(stillness.watched())
                os.environ[environment.POINTS] = around.enter_context(tempfile.TemporaryDirectory())
                if rank == 0:
                    around.enter_context(fence.watched())
                run_training(spec, rank, fence, rest.now_ms, started, stillness)
        except RankError as error:
            raised = Raised(node=socket.gethostname(), time_s=time.time())
            raise _told_by_output(error, shipper.tail(), raised) from None
        finally:
            store.flush(_END_FLUSH_S)
    now.close()
    rest.close()


def _leave(reason: str) -> None:
    """At once: what is not stored yet is of an attempt that counts no more."""
    sys.stderr.write(reason)
    sys.stderr.flush()
    os._exit(_REPLACED)


def prepare_environment(spec: TrainSpec, rank: int) -> None:
    """Set what the person's code finds in its environment."""
    os.environ[environment.RANK] = str(rank)
    secrets = read_secrets(home_folder(os.environ)) if spec.secrets else {}
    for name in spec.secrets:
        if is_identity(name):
            # Of a spec that was stored before that was refused.
            continue
        # The nodes of a cluster that is attached have them in their environment, such as from Kubernetes.
        value = secrets.get(name) or os.environ.get(name)
        if value is None:
            raise JourneymanError(
                f"secret {name} is not on this node",
                f"Set it with `journeyman secret set {name}`; on a cluster that is attached, put it into the "
                "environment of its nodes.",
            )
        os.environ[name] = value
    for name, location in spec.data.items():
        # A path inside the code travelled with it, and code is where this process stands.
        os.environ[f"JOURNEYMAN_DATA_{name.upper()}"] = (
            location if "://" in location else str(Path(location).absolute())
        )


def _tell_place(rest: Mlflow, run: Run, attempt: int, rank: int, pid: int) -> None:
    place = Place(
        rank=rank,
        pid=pid,
        ip=get_node_ip_address(),
        node=socket.gethostname(),
        node_id=get_runtime_context().get_node_id(),
    )
    # A job trains whether or not it is known where.
    with contextlib.suppress(JourneymanError):
        rest.upload(run, place_path(attempt, rank), place.to_json().encode())


def _tell_wait(rest: Mlflow, run: Run, attempt: int, wait: Wait) -> None:
    with contextlib.suppress(JourneymanError):
        rest.upload(run, wait_path(attempt, wait.rank), wait.to_json().encode())


def run_training(
    spec: TrainSpec,
    rank: int,
    fence: Fence,
    now_ms: Callable[[], int],
    started: Callable[[int], None],
    stillness: Stillness,
) -> None:
    """Call the person's function, or run their script, to its end; `started` is told which process does."""
    if spec.run:
        run_script(spec.run, os.environ, started, spec.grace, why_stop)
        return
    started(os.getpid())
    know_waits(stillness)
    if rank == 0:
        client = mlflow.MlflowClient()
        run_id, attempt = os.environ[environment.RUN_ID], os.environ[environment.ATTEMPT]
        record_reports(
            lambda metrics, step: client.log_batch(run_id, metrics=_entities(metrics, step)),
            lambda: store.flush(_CHECKPOINT_FLUSH_S),
            look=fence.look,
            first=lambda: client.log_param(run_id, moment(int(attempt), FIRST_STEP_MS), now_ms()),
        )
    try:
        find_function(spec.entrypoint or "")(dict(spec.config))
    except Exception as error:
        gone = isinstance(error, RayError) and not isinstance(error, RayTaskError)
        if gone or isinstance(error, UnreachableError):
            # An actor, a node or a server that the code was using is gone, which is not its doing.
            raise
        raise _raised(error) from None
    except SystemExit as error:
        if error.code:
            raise _raised(error) from None


def _raised(error: BaseException) -> RankError:
    """What the person's code raised, its traceback printed without our own frames."""
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    told = "".join(traceback.format_exception(type(error), error, inner))
    sys.stderr.write(told)
    message, cause = f"{type(error).__name__}: {error}", Cause.USER
    if isinstance(error, OSError):
        full = error.errno in _FULL_OR_CLOSED
        if any(frame.filename == STORAGE_SOURCE for frame in traceback.extract_tb(error.__traceback__)):
            # A storage that is away for a moment is not full: another attempt may find it again.
            cause = Cause.STORAGE if full else Cause.MACHINE
            place = f"{os.environ[STORAGE]}/{os.environ[environment.RUN_ID]}"
            why = os.strerror(error.errno) if full and error.errno else str(error)
            message = f"a checkpoint could not be written to {place}, where those before it are: {why}"
        elif error.errno in _FULL:
            cause = Cause.STORAGE
    message = " ".join(message.split())
    return RankError(message[:_MAX_MESSAGE_CHARACTERS], cause=cause, detail=told[-_MAX_DETAIL_CHARACTERS:])


def _told_by_output(error: RankError, tail: str, raised: Raised) -> RankError:
    """With its time, and with what a script printed of its cause."""
    if error.detail:
        return RankError(error.message, cause=error.cause, detail=error.detail, raised=raised)
    told, among = why_it_ended(tail)
    message = f"{error.message}: {told}" if told and error.cause is not Cause.STOPPED else error.message
    return RankError(
        message[:_MAX_MESSAGE_CHARACTERS],
        cause=error.cause,
        detail=shortened(among, _MAX_DETAIL_CHARACTERS),
        raised=raised,
    )


def find_function(entrypoint: str) -> Any:
    """The function `module:name` names, from the code this process stands in."""
    module, _, name = entrypoint.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return getattr(importlib.import_module(module), name)


def _entities(metrics: dict[str, float], step: int) -> list[mlflow.entities.Metric]:
    now_ms = int(time.time() * 1000)
    return [mlflow.entities.Metric(key, value, now_ms, step) for key, value in metrics.items()]


@contextlib.contextmanager
def _system_metrics(run_id: str, attempt: int) -> Iterator[None]:
    """CPU, memory and GPU of this node, sampled by one worker of it."""
    context = get_context()
    if context.get_local_rank() != 0:
        yield
        return
    monitor = SystemMetricsMonitor(
        run_id,
        sampling_interval=_SYSTEM_METRICS_INTERVAL_S,
        resume_logging=attempt > 1,
        node_id=f"node-{context.get_node_rank()}",
    )
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
