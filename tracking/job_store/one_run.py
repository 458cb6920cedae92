"""The store of a job's process: MLflow's REST store, for which there is one run."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

from mlflow.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.async_logging.run_operations import RunOperations
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

from journeyman.tracking.job_store.buffer import MAX_KEY_CHARACTERS, Call, Param, Point, Tag
from journeyman.tracking.job_store.environment import rank
from journeyman.tracking.job_store.recorder import SYSTEM_METRICS, Recorder

READ_FLUSH_S = 2.0
"""How long a read waits for what was written before it."""
ASYNC_FLUSH_S = 10.0
_OF_THE_JOB = (MLFLOW_RUN_NAME, MLFLOW_USER, MLFLOW_PARENT_RUN_ID)
"""Tags that say whose run it is. A nested run's parent would be itself."""
_SOURCE = "mlflow.source."
_PROXIED = "mlflow-artifacts:"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_INT64 = range(-(2**63), 2**63)


def plain_store(store_uri: str) -> Any:
    """MLflow's own store for a server behind HTTP."""
    return RestStore(functools.partial(get_default_host_creds, store_uri))


class OneRunStore(RestStore):  # type: ignore[misc]  # MLflow is not followed by mypy
    """MLflow's REST store, but creating or resuming a run answers with the job's.

    What is logged to that run is taken by the recorder and sent later; from ranks other than 0 only system
    metrics are. Its end is the job's business, not a client's. Other runs, models, traces and registries are
    the server's, as ever.
    """

    def __init__(self, store_uri: str, recorder: Recorder) -> None:
        server = store_uri if store_uri.startswith(("http://", "https://")) else recorder.server.url
        super().__init__(functools.partial(get_default_host_creds, server))
        self._recorder = recorder
        self._job = recorder.job
        self._deferred = _DeferredStore(recorder)
        self._elsewhere = store_uri.rstrip("/") != recorder.server.url
        if self._elsewhere:
            recorder.warn_once(
                f"address {store_uri}",
                f"the tracking address {_without_password(store_uri)} is not used for this job's run: "
                f"Journeyman writes what is logged to run {self._job.run_id} at "
                f"{_without_password(recorder.server.url)}",
            )

    def _location(self, uri: str) -> str:
        """Where artifacts are, in a form that holds under another tracking address than the job's too."""
        if not self._elsewhere or not uri.startswith(_PROXIED):
            return uri
        return f"{self._recorder.server.url}{_ARTIFACTS}{urlsplit(uri).path}"

    def flush(self, timeout_s: float) -> bool:
        """Whether everything logged before the call is on the server, after at most `timeout_s`."""
        return self._recorder.flush(timeout_s)

    def _is_own(self, run_id: str) -> bool:
        return run_id == self._job.run_id

    def _answers(self) -> bool:
        """Whether to ask the server: not while it is away. What was logged goes first, so that it is read."""
        if self._recorder.server.away:
            return False
        self._recorder.flush(READ_FLUSH_S)
        return not self._recorder.server.away

    # -- the run -------------------------------------------------------------------------------------

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: Sequence[RunTag], run_name: str
    ) -> Run:
        tags = [tag for tag in tags if not _is_of_the_job(tag.key)]
        self.log_batch(self._job.run_id, (), (), tags)
        return self._run(self._info(), RunData(tags=[RunTag(MLFLOW_RUN_NAME, self._job.run_name), *tags]))

    def get_run(self, run_id: str) -> Run:
        if not self._is_own(run_id):
            return super().get_run(run_id)
        if self._answers():
            try:
                run = self._recorder.server.get_run(run_id)
            except MlflowException:
                # There is a run whether or not the server tells of it.
                pass
            else:
                info = self._info(start_ms=run.info.start_time, user_id=run.info.user_id)
                return self._run(info, run.data, run.inputs, run.outputs)
        return self._run(self._info(), RunData(tags=[RunTag(MLFLOW_RUN_NAME, self._job.run_name)]))

    def update_run_info(
        self, run_id: str, run_status: int, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Nothing, of the job's run: it ends when the job does."""
        if not self._is_own(run_id):
            return super().update_run_info(run_id, run_status, end_time, run_name)
        return self._info()

    def delete_run(self, run_id: str) -> None:
        if self._is_own(run_id):
            _refuse(f"run {run_id} is the job that this process belongs to; it cannot be deleted from within")
        super().delete_run(run_id)

    def _info(self, start_ms: int | None = None, user_id: str = "") -> RunInfo:
        # Running, whatever the server says: this is a process of it, and MLflow's system metrics stop at a
        # status of any other name, such as the SCHEDULED that control is about to replace.
        return RunInfo(
            run_id=self._job.run_id,
            experiment_id=self._job.experiment_id,
            user_id=user_id,
            status=RunStatus.to_string(RunStatus.RUNNING),
            start_time=self._job.started_ms if start_ms is None else start_ms,
            end_time=None,
            lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=self._location(self._job.artifact_uri),
            run_name=self._job.run_name,
        )

    def _run(
        self,
        info: RunInfo,
        data: RunData,
        inputs: RunInputs | None = None,
        outputs: RunOutputs | None = None,
    ) -> Run:
        # MLflow's fluent API adds to both.
        inputs = inputs or RunInputs(dataset_inputs=[])
        return Run(info, data, inputs, outputs or RunOutputs(model_outputs=[]))

    # -- the experiment ------------------------------------------------------------------------------

    def get_experiment_by_name(self, experiment_name: str) -> Experiment:
        return self._experiment(experiment_name)

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Sequence[Any] | None = None
    ) -> str:
        return self._job.experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        if str(experiment_id) == self._job.experiment_id:
            return self._experiment(self._job.experiment_id)
        return super().get_experiment(experiment_id)

    def delete_experiment(self, experiment_id: str) -> None:
        if str(experiment_id) == self._job.experiment_id:
            _refuse(f"experiment {experiment_id} holds the job that this process belongs to")
        super().delete_experiment(experiment_id)

    def _experiment(self, name: str) -> Experiment:
        """The job's experiment; under the name it was asked for while the server is away."""
        if not self._recorder.server.away:
            try:
                return self._recorder.server.get_experiment(self._job.experiment_id)
            except MlflowException:
                # As with the run: there is one whether or not the server tells of it.
                pass
        location = self._job.artifact_uri.removesuffix(f"/{self._job.run_id}/artifacts")
        return Experiment(self._job.experiment_id, name, location, LifecycleStage.ACTIVE)

    # -- what is logged ------------------------------------------------------------------------------

    def log_metric(self, run_id: str, metric: Metric) -> None:
        if not self._is_own(run_id):
            super().log_metric(run_id, metric)
        else:
            self._log(metrics=[metric])

    def log_param(self, run_id: str, param: Any) -> None:
        if not self._is_own(run_id):
            super().log_param(run_id, param)
        else:
            self._log(params=[param])

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        if not self._is_own(run_id):
            super().set_tag(run_id, tag)
        else:
            self._log(tags=[tag])

    def log_batch(
        self, run_id: str, metrics: Iterable[Metric], params: Iterable[Any], tags: Iterable[RunTag]
    ) -> None:
        if not self._is_own(run_id):
            super().log_batch(run_id, metrics, params, tags)
        else:
            self._log(metrics, params, tags)

    def log_batch_async(
        self, run_id: str, metrics: Iterable[Metric], params: Iterable[Any], tags: Iterable[RunTag]
    ) -> RunOperations:
        """As `log_batch`, which does not wait either: MLflow's queue would only shuffle what is logged."""
        if not self._is_own(run_id):
            return super().log_batch_async(run_id, metrics, params, tags)
        self._log(metrics, params, tags)
        return RunOperations([])

    def flush_async_logging(self) -> None:
        super().flush_async_logging()
        self._recorder.flush(ASYNC_FLUSH_S)

    def _log(
        self, metrics: Iterable[Metric] = (), params: Iterable[Any] = (), tags: Iterable[RunTag] = ()
    ) -> None:
        if rank():
            metrics = [metric for metric in metrics if str(metric.key).startswith(SYSTEM_METRICS)]
            params = tags = ()
        self._recorder.log(
            [_point(metric, self._key("metric", metric.key)) for metric in metrics],
            [Param(self._key("param", param.key), str(param.value)) for param in params],
            [Tag(self._key("tag", tag.key), str(tag.value)) for tag in tags if not _is_of_the_job(tag.key)],
        )

    def _key(self, what: str, given: Any) -> str:
        """The key that MLflow takes and is nearest. One it refuses would cost the batch it travels in."""
        key = allowed_key(given)
        if key != given:
            self._recorder.warn_once(
                f"{what} {given!r}",
                f"{what} {given!r} is stored as {key!r}: MLflow takes names of up to {MAX_KEY_CHARACTERS} "
                "letters, digits, '_', '-', '.', ' ', ':' and '/' that read as a relative path",
            )
        return key

    def delete_tag(self, run_id: str, key: str) -> None:
        key = allowed_key(key) if self._is_own(run_id) else key
        if not self._is_own(run_id):
            super().delete_tag(run_id, key)
        elif not rank() and not _is_of_the_job(key):
            self._recorder.flush(READ_FLUSH_S)
            self._recorder.server.delete_tag(run_id, key)

    # -- inputs and outputs --------------------------------------------------------------------------

    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        if not self._is_own(run_id):
            super().log_inputs(run_id, datasets, models)
        elif not rank():
            self._deferred.log_inputs(run_id, datasets, models)

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Any = None,
        params: Any = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """A model of no run is the job's: since version 3 MLflow starts none for a model that is logged."""
        source = source_run_id or self._job.run_id
        if self._is_own(source):
            # Without a run MLflow goes by the default experiment, where nobody looks for it.
            experiment_id = self._job.experiment_id
        created = super().create_logged_model(experiment_id, name, source, tags, params, model_type)
        shared = self._recorder.models
        first = shared.first(name, created.model_id) if self._is_own(source) else created.model_id
        if first != created.model_id:
            shared.keep_here(first)
            super().delete_logged_model(created.model_id)
            self._recorder.warn_once(
                f"model {name}",
                f"model {name!r} is the one that another rank logs: a model that differs between ranks needs "
                "another name on each",
            )
            return self.get_logged_model(first)
        if not source_run_id:
            self.log_outputs(source, [LoggedModelOutput(created.model_id, step=0)])
        return self._located(created)

    def get_logged_model(self, model_id: str, *arguments: Any, **named: Any) -> LoggedModel:
        return self._located(super().get_logged_model(model_id, *arguments, **named))

    def finalize_logged_model(self, model_id: str, status: Any) -> LoggedModel:
        if self._recorder.models.folder(model_id) is not None:
            return self.get_logged_model(model_id)
        return self._located(super().finalize_logged_model(model_id, status))

    def _located(self, model: LoggedModel) -> LoggedModel:
        location = self._recorder.models.folder(model.model_id) or self._location(model.artifact_location)
        if location == model.artifact_location:
            return model
        told = model.to_dictionary() | {"artifact_location": location}
        return LoggedModel.from_dictionary(told)

    def log_outputs(self, run_id: str, models: Any) -> None:
        # From every rank: whichever publishes, its model is the run's.
        if not self._is_own(run_id):
            super().log_outputs(run_id, models)
            return
        own = [model for model in models if self._recorder.models.folder(model.model_id) is None]
        if own:
            self._deferred.log_outputs(run_id, own)

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        if not self._is_own(run_id):
            super().record_logged_model(run_id, mlflow_model)
        elif not rank():
            self._deferred.record_logged_model(run_id, mlflow_model)

    # -- reads ---------------------------------------------------------------------------------------

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> Any:
        if not self._is_own(run_id):
            return super().get_metric_history(run_id, metric_key, max_results, page_token)
        self._answers()
        return self._recorder.server.get_metric_history(run_id, metric_key, max_results, page_token)

    def _search_runs(self, *arguments: Any) -> Any:
        self._answers()
        return super()._search_runs(*arguments)


class _DeferredStore(RestStore):  # type: ignore[misc]  # MLflow is not followed by mypy
    """Builds requests as RestStore does, and leaves them to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.server.get_host_creds)
        self._recorder = recorder

    def _call_endpoint(self, api: Any, json_body: str) -> None:
        self._recorder.log(call=Call(api, json_body))


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl() if host else uri


def _refuse(message: str) -> NoReturn:
    raise MlflowException.invalid_parameter_value(message)


def _is_of_the_job(tag: str) -> bool:
    return tag in _OF_THE_JOB or tag.startswith(_SOURCE)


@functools.lru_cache(maxsize=4096)
def allowed_key(given: Any) -> str:
    """`timing(s)/gen` as `timing_s_/gen`: what MLflow does not take is `_`, and a path has no detours."""
    key = str(given)
    if _is_key(key):
        return key
    parts = ("_" if part == ".." else part for part in _NO_KEY.sub("_", key).split("/"))
    nearest = "/".join(part for part in parts if part not in ("", ".")) or "_"
    if len(nearest) > MAX_KEY_CHARACTERS:
        # Names so long mostly differ at their end.
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        nearest = f"{nearest[: MAX_KEY_CHARACTERS - 9]}-{digest}"
    return nearest if _is_key(nearest) else f"name-{hashlib.sha256(nearest.encode()).hexdigest()[:8]}"


_NO_KEY = re.compile(r"[^/\w.\- :]")


def _is_key(key: str) -> bool:
    return (
        len(key) <= MAX_KEY_CHARACTERS
        and not key.endswith("\n")
        and validate_param_and_metric_name(key) is not None
        and not path_not_unique(key)
    )


def _point(metric: Metric, key: str) -> Point:
    """Raises MlflowException, to the one who logs it, for what MLflow could not store."""
    try:
        value, timestamp_ms, step = float(metric.value), int(metric.timestamp), int(metric.step)
    except (TypeError, ValueError, OverflowError) as error:
        _refuse_metric(metric, error)
    if step != metric.step or step not in _INT64 or timestamp_ms not in _INT64 or timestamp_ms < 0:
        _refuse_metric(metric, "step and timestamp are whole numbers, the timestamp not negative")
    return Point(key, value, timestamp_ms, step, metric.model_id, metric.dataset_name, metric.dataset_digest)


def _refuse_metric(metric: Metric, why: object) -> NoReturn:
    _refuse(
        f"metric {metric.key!r} cannot be stored with value {metric.value!r}, step {metric.step!r}, "
        f"timestamp {metric.timestamp!r}: {why}"
    )
