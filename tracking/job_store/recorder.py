"""What carries a process's buffer to its job's run: one thread, short timeouts, no end of retries."""

from __future__ import annotations

import functools
import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.service_pb2 import LogBatch
from mlflow.store.tracking.rest_store import RestStore

# MLflow imports these at its first request, in our thread: a fork amid that would leave the child with half
# of them for good.
from mlflow.tracking.request_auth import registry as _auth_registry  # noqa: F401
from mlflow.tracking.request_header import registry as _header_registry  # noqa: F401
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import http_request, verify_rest_response

from journeyman.compat.mlflow_words import DOUBTFUL, REFUSALS, REFUSED_BY_DATABASE
from journeyman.tracking.job_store.buffer import Batch, Buffer, Call, Param, Point, Tag
from journeyman.tracking.job_store.environment import POINTS, Job
from journeyman.tracking.job_store.ledger import Ledger
from journeyman.tracking.job_store.shared_models import SharedModels

_logger = logging.getLogger(__name__)

CAPACITY = 1_000_000
"""Points kept while the server is away: some 200 MB at the most."""
FLUSH_EVERY_S = 1.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
AWAY_S = 10.0
"""For how long after a failure readers are spared another wait."""
HISTORY_PAGE = 5000
SYSTEM_METRICS = "system/"
"""What MLflow's own samples of CPU and memory are called."""

_DOUBTS = 8
"""Failures in a row before a doubtful answer counts as a refusal: close to a minute."""


class JobServer(RestStore):  # type: ignore[misc]  # MLflow is not followed by mypy
    """MLflow's REST API with a few seconds of patience instead of four minutes.

    Raises MlflowException as RestStore does.
    """

    def __init__(self, url: str) -> None:
        super().__init__(functools.partial(get_default_host_creds, url))
        self.url = url
        self._away_until_s = 0.0

    @property
    def away(self) -> bool:
        """Whether the server did not answer just now."""
        return time.monotonic() < self._away_until_s

    def log(self, run_id: str, batch: Batch) -> None:
        """Send one batch. Sending it again changes nothing: MLflow keeps one of equal points."""
        if batch.call is not None:
            self._call_endpoint(batch.call.api, batch.call.body)
            return
        # Built by hand: MLflow's way through protobuf holds the interpreter, which the step shares, ten times
        # as long: 22 ms for 1,000 points against 2.
        body = {
            "run_id": run_id,
            "metrics": [_point_body(point) for point in batch.points],
            "params": [{"key": key, "value": value} for key, value in batch.params.items()],
            "tags": [{"key": key, "value": value} for key, value in batch.tags.items()],
        }
        endpoint, method = self._METHOD_TO_INFO[LogBatch]
        self._ask(endpoint, method, json=body)

    def steps(self, run_id: str, key: str) -> list[int]:
        """The steps at which a metric has points."""
        steps: list[int] = []
        token = None
        while True:
            page = self.get_metric_history(run_id, key, max_results=HISTORY_PAGE, page_token=token)
            steps += [metric.step for metric in page]
            token = page.token
            if not token:
                return steps

    def _call_endpoint(
        self,
        api: Any,
        json_body: str | None = None,
        endpoint: str | None = None,
        retry_timeout_seconds: float | None = None,
        response_proto: Any = None,
    ) -> Any:
        default_endpoint, method = self._METHOD_TO_INFO[api]
        body = json.loads(json_body) if json_body else None
        content = {"params" if method == "GET" else "json": body}
        answer = self._ask(endpoint or default_endpoint, method, **content)
        message = response_proto or api.Response()
        parse_dict(js_dict=json.loads(answer.text), message=message)
        return message

    def _ask(self, endpoint: str, method: str, **content: Any) -> Any:
        try:
            answer = http_request(
                host_creds=self.get_host_creds(),
                endpoint=endpoint,
                method=method,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                max_retries=0,
                raise_on_status=False,
                **content,
            )
            answer = verify_rest_response(answer, endpoint)
        except MlflowException as error:
            if not _refused(error):
                self._away_until_s = time.monotonic() + AWAY_S
            raise
        self._away_until_s = 0.0
        return answer


def _refused(error: MlflowException) -> bool:
    if not isinstance(error, RestException):
        return False
    by_database = any(name in error.message for name in REFUSED_BY_DATABASE)
    return by_database or error.error_code in REFUSALS


def _first_line(error: Exception) -> str:
    # A database's complaint goes on with the whole statement.
    return str(error).partition("\n")[0]


def _point_body(point: Point) -> dict[str, Any]:
    body: dict[str, Any] = {
        "key": point.key,
        "value": point.value if math.isfinite(point.value) else _NOT_FINITE[str(point.value)],
        "timestamp": point.timestamp_ms,
        "step": point.step,
    }
    if point.model_id:
        body["model_id"] = point.model_id
    if point.dataset_name:
        body["dataset_name"] = point.dataset_name
        body["dataset_digest"] = point.dataset_digest
    return body


_NOT_FINITE: Mapping[str, str] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Python's words for what JSON has no number for, in protobuf's."""


class Recorder:
    """The buffer of one process of a job, and the daemon thread that sends it. Threads may share it."""

    def __init__(self, server_url: str, job: Job) -> None:
        self.job = job
        self.server = JobServer(server_url)
        self.models = SharedModels(job)
        self._buffer = Buffer(CAPACITY)
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._hurried = False
        self._batch: Batch | None = None
        self._metrics_before: frozenset[str] | None = None
        self._failures = 0
        self._warned: set[str] = set()
        self._ledger = Ledger(os.environ.get(POINTS))
        # Held across the fork, so that the child finds the buffer between two changes and not amid one.
        os.register_at_fork(
            before=lambda: self._changed.acquire(),
            after_in_parent=lambda: self._changed.release(),
            after_in_child=self._start_over,
        )

    def _start_over(self) -> None:
        """In a child that was forked: its parent sends what waits, and the parent's thread is not here."""
        self._changed = threading.Condition(threading.Lock())
        self._thread = None
        self._hurried = False
        self._batch = None
        self._buffer.forget_unsent()

    # -- in, on the step path ------------------------------------------------------------------------

    def log(
        self,
        points: Iterable[Point] = (),
        params: Iterable[Param] = (),
        tags: Iterable[Tag] = (),
        call: Call | None = None,
    ) -> None:
        """Take entries and return at once."""
        with self._changed:
            was_empty = not len(self._buffer)
            for point in points:
                self._buffer.add_point(point)
            for param in params:
                self._buffer.add_param(*param)
            for tag in tags:
                self._buffer.add_tag(*tag)
            if call is not None:
                self._buffer.add_call(call)
            if was_empty and len(self._buffer):
                self._changed.notify_all()
            if len(self._buffer) and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="journeyman-recorder", daemon=True)
                self._thread.start()

    def warn_once(self, subject: str, message: str) -> None:
        if subject not in self._warned:
            self._warned.add(subject)
            _logger.warning("%s", message)

    def flush(self, timeout_s: float) -> bool:
        """Whether everything logged before the call is on the server, after at most `timeout_s`."""
        with self._changed:
            number = self._buffer.newest
            if self._buffer.settled(number):
                return True
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._buffer.settled(number), timeout_s)

    # -- out, in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._rest()
            try:
                while (batch := self._next()) is not None:
                    self._send(batch)
                    self._settle()
            except Exception as error:  # noqa: BLE001  # whatever it is: nobody else would send the rest
                self._fail(error)

    def _rest(self) -> None:
        """Wait for something to send, and then a little for more of it; after a failure, the back-off."""
        with self._changed:
            if self._failures:
                wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (self._failures - 1))
            else:
                self._changed.wait_for(lambda: len(self._buffer) > 0)
                wait_s = FLUSH_EVERY_S
            self._changed.wait_for(lambda: self._hurried, wait_s)
            self._hurried = False

    def _next(self) -> Batch | None:
        """The batch that failed last, or the next one."""
        if self._batch is not None:
            return self._batch
        while True:
            with self._changed:
                unlearned = self._buffer.unlearned()
                if not unlearned:
                    taken = self._buffer.take()
                    # Points that the server holds already are settled without a batch.
                    self._changed.notify_all()
            if not unlearned:
                # Once a batch: when it is sent again, another process may be past its steps, and lacks them.
                self._batch = self._without_others(taken) if taken is not None else None
                return self._batch
            for key in unlearned:
                steps = self._steps_before(key)
                with self._changed:
                    self._buffer.learn(key, steps)

    def _steps_before(self, key: str) -> list[int]:
        """The steps of a metric that were stored before this process came to it.

        Asked in a first attempt too: workers also start anew within one. Where nothing is stored it costs one
        request in all.
        """
        if self._metrics_before is None:
            self._metrics_before = frozenset(self.server.get_run(self.job.run_id).data.metrics)
        return self.server.steps(self.job.run_id, key) if key in self._metrics_before else []

    def _send(self, batch: Batch, stored: Mapping[str, str] | None = None) -> None:
        """Send a batch; of one that MLflow refuses, all but the entries it refuses.

        `stored` are the params that the run holds, read at the first refusal.
        """
        try:
            if len(batch):
                self.server.log(self.job.run_id, batch)
        except RestException as error:
            doubtful = error.error_code in DOUBTFUL and self._failures >= _DOUBTS
            if not doubtful and not _refused(error):
                raise
            if stored is None:
                run = self.server.get_run(self.job.run_id)
                if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
                    # Nothing wrong with the batch: a run that was deleted can be restored.
                    raise
                stored = run.data.params
            parts = batch.parts(stored)
            if not parts:
                names = [*(point.key for point in batch.points), *batch.params, *batch.tags, "a call"]
                message = f"MLflow refused {names[0]!r}, which is dropped: {_first_line(error)}"
                self.warn_once(f"refused {names[0]}", message)
            for part in parts:
                self._send(part, stored)

    def _without_others(self, batch: Batch) -> Batch:
        """Without what another process of this rank logs too."""
        if all(point.key.startswith(SYSTEM_METRICS) for point in batch.points):
            # A rank's own process samples them beside the script.
            return batch
        kept = self._ledger.own(batch.points)
        for key in {point.key for point in batch.points} - {point.key for point in kept}:
            self.warn_once(
                f"others' {key}",
                f"metric {key!r} is logged by another process of this rank too, and kept from it",
            )
        return replace(batch, points=tuple(kept)) if len(kept) < len(batch.points) else batch

    def _settle(self) -> None:
        with self._changed:
            self._batch = None
            self._buffer.settle()
            overflowed = self._buffer.overflowed
            self._changed.notify_all()
        if self._failures:
            _logger.info("MLflow at %s takes what was logged again", self.server.url)
        self._failures = 0
        if overflowed:
            self.warn_once(
                "overflow",
                f"MLflow was away so long that {overflowed} of the oldest entries were dropped",
            )

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            _logger.warning(
                "MLflow at %s does not take what was logged; it is kept and sent later: %s",
                self.server.url,
                _first_line(error),
                exc_info=not isinstance(error, MlflowException),
            )
