from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from mlflow import MlflowClient

from journeyman.errors import UsageError
from journeyman.tracking.job_store.environment import Job
from journeyman.tracking.job_store.shared_models import SharedModels, of_one_rank
from journeyman.tracking.job_store.store import flush
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run

TIMEOUT_S = 60
_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

# MLflow on SQLite, and on PostgreSQL and S3 behind a password.
each_server = pytest.mark.parametrize("kind", ["sqlite", "production"], indirect=True)


@pytest.fixture(scope="module")
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, os.environ)
    yield client
    client.close()


def new_job(mlflow: Mlflow, experiment: str) -> Run:
    tags = {"mlflow.user": "submitter", "mlflow.source.name": "train.yaml"}
    run = mlflow.create_run(mlflow.experiment_id(experiment), f"{experiment}-job", tags)
    mlflow.update_run(run.run_id, "RUNNING")
    return mlflow.run(run.run_id)


class Scripts:
    """User code in processes of a job, or of none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self,
        script: str,
        url: str,
        run: Run | None,
        *,
        attempt: int = 1,
        rank: int = 0,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[str]:
        path = self._folder / f"script-{attempt}-{rank}.py"
        path.write_text(script)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "JOURNEYMAN_"))}
        environment |= {k: os.environ[k] for k in _CREDENTIALS if k in os.environ}
        environment |= {"MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true"}
        if run is not None:
            environment |= {
                "JOURNEYMAN_RUN_ID": run.run_id,
                "JOURNEYMAN_EXPERIMENT_ID": run.experiment_id,
                "JOURNEYMAN_ARTIFACT_URI": run.artifact_uri,
                "JOURNEYMAN_RUN_NAME": run.run_name,
                "JOURNEYMAN_ATTEMPT": str(attempt),
                "RANK": str(rank),
            }
        process = subprocess.Popen(
            [sys.executable, str(path)],
            env={**environment, **more},
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Nothing outlives a test, not even one that failed."""
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    opened = Scripts(tmp_path)
    yield opened
    opened.close()


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What the process said, once it has ended well."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pytest.fail("the script does not end")
    assert process.returncode == 0, err
    return out, err


def points(mlflow: Mlflow, run: Run, key: str) -> list[tuple[int, float]]:
    return [(int(p.get("step", 0)), float(p["value"])) for p in mlflow.metric_history(run.run_id, key)]


EVERYTHING = """
import os, threading
import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

rank = int(os.environ["RANK"])
run_id = os.environ["JOURNEYMAN_RUN_ID"]
mlflow.set_tracking_uri(mlflow.get_tracking_uri() + "/")
job = mlflow.set_experiment("an experiment of my own")
assert job.experiment_id == os.environ["JOURNEYMAN_EXPERIMENT_ID"]
client = MlflowClient()
assert client.create_experiment("one more") == job.experiment_id

with mlflow.start_run(run_name="mine", tags={"stage": "first"}, description="words") as run:
    assert run.info.run_id == run_id
    mlflow.log_param("lr", 0.1)
    mlflow.log_param("lr", 0.2)
    mlflow.log_params({"depth": 3, "long": "x" * 7000})
    for step in range(3):
        mlflow.log_metric("loss", 10 * rank + step, step=step)
    mlflow.log_metric("loss", 99, step=1)
    mlflow.log_metric("unstepped", 1)
    mlflow.log_metric("unstepped", 2)
    mlflow.log_metric("unstepped", 3)
    mlflow.log_metric(f"system/{rank}/cpu", 50, step=0)
    mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")})
    mlflow.set_tag("stage", "second")
    with mlflow.start_run(nested=True, run_name="child") as child:
        assert child.info.run_id == run_id
        mlflow.log_metric("nested", 1)
try:
    with mlflow.start_run():
        mlflow.log_metric("before_exception", 1)
        raise ValueError
except ValueError:
    pass


def in_thread():
    mlflow.log_metric("thread", 1)
    mlflow.end_run()
    with mlflow.start_run() as of_thread:
        assert of_thread.info.run_id == run_id
        mlflow.log_metric("thread", 2, step=1)


thread = threading.Thread(target=in_thread)
thread.start()
thread.join()

mlflow.start_run()
mlflow.end_run("FAILED")
mlflow.start_run(run_id=run_id)
mlflow.log_metric("async", 1, synchronous=False).wait()
mlflow.log_params({"async": 1}, synchronous=False)
mlflow.flush_async_logging()
mlflow.log_text("words", f"rank-{rank}.txt")
mlflow.end_run("KILLED")

assert client.create_run("0", run_name="again").info.run_id == run_id
client.log_batch(
    run_id,
    [Metric("batch", 1.0, 1, 5), Metric("a?b", 1.0, 1, 5), Metric("a?b", 1.0, 1, 6)],
    [Param("batch", "1"), Param("depth", "4"), Param("no/../way", "1")],
    [RunTag("batch", "1"), RunTag("mlflow.runName", "mine"), RunTag("mlflow.user", "me"), RunTag("", "1")],
)
client.set_tag(run_id, "passing", "1")
client.delete_tag(run_id, "passing")
client.update_run(run_id, status="FAILED", name="mine")
client.set_terminated(run_id, "KILLED")
for wrong in (Metric("wrong", 1.0, 1, 1.5), Metric("wrong", "much", 1, 1), Metric("wrong", 1.0, -1, 1)):
    try:
        client.log_batch(run_id, [wrong])
        assert rank, "taken"
    except MlflowException as error:
        assert "'wrong'" in str(error) or "much" in str(error), error
try:
    client.delete_run(run_id)
except MlflowException as error:
    assert "is the job that this process belongs to" in str(error)
else:
    raise AssertionError("deleted")

if rank == 0:
    made = client.create_logged_model(job.experiment_id, name="without a run")
    assert made.source_run_id == run_id
else:
    made = client.create_logged_model(job.experiment_id, name="with its run", source_run_id=run_id)
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])

foreign = os.environ["FOREIGN_RUN_ID"]
client.log_metric(foreign, f"of_{rank}", 1)
client.log_metric(foreign, f"of_{rank}", 2)
assert len(client.get_metric_history(foreign, f"of_{rank}")) == 2

if rank == 0:
    # What was just written is read.
    mlflow.log_metric("read", 1)
    own = mlflow.get_run(run_id)
    assert own.data.metrics["read"] == 1, own.data.metrics
    assert own.info.status == "RUNNING"
    assert sorted(metric.step for metric in client.get_metric_history(run_id, "loss")) == [0, 1, 1, 2]
    found = client.search_runs([job.experiment_id], "metrics.read = 1")
    assert [run.info.run_id for run in found] == [run_id]
mlflow.log_metric("last", 1)
"""


@each_server
def test_two_ranks_in_every_way_log_one_run(mlflow: Mlflow, mlflow_url: str, scripts: Scripts) -> None:
    run, foreign = new_job(mlflow, "everything"), new_job(mlflow, "foreign")
    experiments = mlflow.experiments()
    more = {"FOREIGN_RUN_ID": foreign.run_id}
    processes = [
        scripts.start(EVERYTHING, mlflow_url, run, rank=0, more=more),
        scripts.start(EVERYTHING, mlflow_url, run, rank=1, more={**more, "MLFLOW_RUN_ID": run.run_id}),
    ]
    (_, said), (_, said_by_other) = [finish(process) for process in processes]

    assert mlflow.experiments() == experiments
    (stored,) = mlflow.search_runs([run.experiment_id], "")
    assert (stored.status, stored.end_ms, stored.run_name) == ("RUNNING", None, "everything-job")
    short = {"lr": "0.1", "depth": "3", "async": "1", "batch": "1", "no/_/way": "1"}
    assert stored.params == {**short, "long": "x" * 6000}
    assert stored.tags == {
        "_": "1",
        **run.tags,
        "stage": "second",
        "batch": "1",
        "mlflow.note.content": "words",
        "changed_param.lr": "0.2",
        "changed_param.depth": "4",
    }
    expected: dict[str, list[tuple[int, float]]] = {
        "loss": [(0, 0), (1, 1), (1, 99), (2, 2)],
        "unstepped": [(0, 1), (0, 2), (0, 3)],
        "a_b": [(5, 1), (6, 1)],
        "thread": [(0, 1), (1, 2)],
        "batch": [(5, 1)],
        "system/0/cpu": [(0, 50)],
        "system/1/cpu": [(0, 50)],
        "inf": [(0, sys.float_info.max)],
    }
    expected |= {key: [(0, 1)] for key in ("nested", "before_exception", "async", "read", "last")}
    assert set(stored.metrics) == {*expected, "nan"}
    assert {key: sorted(points(mlflow, run, key)) for key in expected} == expected
    ((step, value),) = points(mlflow, run, "nan")
    assert step == 0
    assert math.isnan(value)
    assert set(mlflow.artifacts(run.run_id)) == {"rank-0.txt", "rank-1.txt"}
    body = mlflow._get("runs/get", {"run_id": run.run_id})["run"]
    assert len(body["outputs"]["model_outputs"]) == 2

    assert stored.metrics["unstepped"] == 3
    assert said.count("metric 'a?b' is stored as 'a_b'") == 1
    assert said.count("param 'no/../way' is stored as 'no/_/way'") == 1
    assert "is stored as" not in said_by_other
    assert len(mlflow.search_runs([foreign.experiment_id], "")) == 1
    assert set(mlflow.run(foreign.run_id).metrics) == {"of_0", "of_1"}


ELSEWHERE = """
import os, sys
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
from mlflow import MlflowClient

run_id = os.environ["JOURNEYMAN_RUN_ID"]
for number, address in enumerate(sys.stdin.read().split()):
    mlflow.set_tracking_uri(address)
    mlflow.set_experiment("my experiment")
    with mlflow.start_run() as run:
        assert run.info.run_id == run_id
        for step in range(3):
            mlflow.log_metric(f"loss{number}", 1 / (step + 1), step=step)
        mlflow.log_text("words", f"words-{number}.txt")
    client = MlflowClient(tracking_uri=address)
    client.log_metric(run_id, f"of_client{number}", 1)
    with open(f"note-{number}.txt", "w") as file:
        file.write("words")
    client.log_artifact(run_id, f"note-{number}.txt")
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input
mlflow.pyfunc.log_model(python_model=Model(), name="model", pip_requirements=[])
assert not [name for name in os.listdir() if name in ("mlruns", "mlruns.db", "mlflow.db")], os.listdir()
"""


def test_whatever_address_the_code_sets_its_numbers_are_in_the_jobs_run(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    run = new_job(mlflow, "elsewhere")
    process = scripts.start(ELSEWHERE, mlflow_url, run, more={"MLFLOW_REGISTRY_URI": mlflow_url})
    addresses = ["file:./mlruns", "./mlruns", "sqlite:///mlruns.db", "http://127.0.0.1:59998"]
    addresses += ["postgresql://ada:secret@db.example.org/mlflow", "databricks"]
    _, said = process.communicate("\n".join(addresses), timeout=TIMEOUT_S)
    assert process.returncode == 0, said
    for number, _ in enumerate(addresses):
        assert points(mlflow, run, f"loss{number}") == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
        assert points(mlflow, run, f"of_client{number}") == [(0, 1.0)]
    artifacts = set(mlflow.artifacts(run.run_id))
    assert {f"{name}-{n}.txt" for n, _ in enumerate(addresses) for name in ("words", "note")} <= artifacts
    assert said.count("the tracking address file:./mlruns is not used for this job's run") == 1
    assert "postgresql://db.example.org/mlflow is not used" in said
    assert "secret" not in said
    body = mlflow._get("runs/get", {"run_id": run.run_id})["run"]
    assert len(body["outputs"]["model_outputs"]) == 1


CHILD = """
import os, sys, subprocess, time

if len(sys.argv) == 1:
    child = subprocess.Popen([sys.executable, __file__, "child"])
import mlflow

for step in range(60):
    mlflow.log_metric("loss", step, step=step)
    mlflow.log_metric(f"of {len(sys.argv)}", step, step=step)
    time.sleep(0.05)
if len(sys.argv) == 1:
    assert child.wait() == 0
os.environ["RANK"] = "1"
mlflow.log_metric("loss", 100, step=100)
"""


def test_processes_of_one_rank_store_each_point_once(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts, tmp_path: Path
) -> None:
    run = new_job(mlflow, "children")
    shared = tmp_path / "shared"
    shared.mkdir()
    finish(scripts.start(CHILD, mlflow_url, run, more={"JOURNEYMAN_POINTS": str(shared)}))
    for key in ("loss", "of 1", "of 2"):
        # MLflow lists by time, and one process logs a step later than the other logs the next one.
        assert sorted(points(mlflow, run, key)) == [(step, step) for step in range(60)]


ATTEMPT = """
import os
import mlflow

attempt = int(os.environ["JOURNEYMAN_ATTEMPT"])
mlflow.log_params({"lr": 0.1, "attempt_of": attempt, "only": 1})
for step in range(3 * (attempt - 1), 3 * (attempt - 1) + 6):
    mlflow.log_metrics({"loss": attempt + step / 10, f"new_{attempt}": 1}, step=step)
mlflow.log_metric("final", attempt)
"""


@each_server
def test_resumed_attempt_adds_only_what_is_new(mlflow: Mlflow, mlflow_url: str, scripts: Scripts) -> None:
    run = new_job(mlflow, "resumed")
    finish(scripts.start(ATTEMPT, mlflow_url, run, attempt=1))
    finish(scripts.start(ATTEMPT, mlflow_url, run, attempt=2))
    stored = mlflow.run(run.run_id)
    assert points(mlflow, run, "loss") == [
        *((step, 1 + step / 10) for step in range(6)),
        *((step, 2 + step / 10) for step in range(6, 9)),
    ]
    # Logged without a step: the last value is what is shown.
    assert points(mlflow, run, "final") == [(0, 1), (0, 2)]
    assert stored.metrics["final"] == 2
    assert len(points(mlflow, run, "new_1")) == len(points(mlflow, run, "new_2")) == 6
    assert stored.params == {"lr": "0.1", "attempt_of": "1", "only": "1"}
    assert stored.tags == {**run.tags, "changed_param.attempt_of": "2"}
    assert stored.status == "RUNNING"


LIMITS = """
import mlflow
from journeyman.tracking.job_store.shared_models import SharedModels, of_one_rank
from journeyman.tracking.job_store.store import flush
from mlflow.entities import Metric

run_id = mlflow.start_run().info.run_id
mlflow.log_params({f"p{number}": number for number in range(250)})
mlflow.set_tags({f"t{number}": number for number in range(120)})
mlflow.set_tags({f"long{number}": "\\u00e9" * 9000 for number in range(20)})
mlflow.set_tag("odd", "a\\x00b\\ud800c")
for step in range(1200):
    mlflow.log_metric("loss", step, step=step)
mlflow.log_metric("of_no_model", 1, model_id="m-" + "0" * 32)
mlflow.log_metric("after", 1)
assert flush(60)
assert flush(0)
assert mlflow.get_run(run_id).data.metrics["after"] == 1
"""


@each_server
def test_more_than_one_request_carries_and_what_mlflow_refuses(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    run = new_job(mlflow, "limits")
    _, said = finish(scripts.start(LIMITS, mlflow_url, run))
    stored = mlflow.run(run.run_id)
    assert stored.params == {f"p{number}": str(number) for number in range(250)}
    assert {key: value for key, value in stored.tags.items() if key not in run.tags} == {
        **{f"t{number}": str(number) for number in range(120)},
        **{f"long{number}": "é" * 8000 for number in range(20)},
        "odd": "a\ufffdb?c",
    }
    assert points(mlflow, run, "loss") == [(step, step) for step in range(1200)]
    assert points(mlflow, run, "after") == [(0, 1)]
    assert said.count("MLflow refused 'of_no_model'") == 1


FORK = """
import os
import mlflow
from journeyman.tracking.job_store.shared_models import SharedModels, of_one_rank
from journeyman.tracking.job_store.store import flush

mlflow.log_metric("before", 1)
for child in range(20):
    # Often enough to fork while the other thread is at work.
    mlflow.log_metric("parent", child, step=child)
    pid = os.fork()
    if pid == 0:
        mlflow.log_metric("child", child, step=child)
        mlflow.log_metric("before", 2)
        os._exit(0 if flush(30) else 1)
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_forked_children_send_their_own_once(mlflow: Mlflow, mlflow_url: str, scripts: Scripts) -> None:
    run = new_job(mlflow, "forked")
    finish(scripts.start(FORK, mlflow_url, run))
    # What the parent had on its way is not sent again; logged without a step, each child's own value is kept.
    assert points(mlflow, run, "before") == [(0, 1), *[(0, 2)] * 20]
    assert points(mlflow, run, "parent") == [(step, step) for step in range(20)]
    assert points(mlflow, run, "child") == [(step, step) for step in range(20)]


MODELS = """
import warnings
warnings.simplefilter("ignore")
import mlflow, mlflow.sklearn
import numpy, torch
from sklearn.linear_model import LogisticRegression

mlflow.set_system_metrics_sampling_interval(0.1)
mlflow.set_system_metrics_samples_before_logging(1)
mlflow.set_system_metrics_node_id("node")
mlflow.sklearn.autolog(log_models=False)
features, labels = numpy.arange(20.0).reshape(10, 2), numpy.arange(10) % 2
with mlflow.start_run(log_system_metrics=True):
    LogisticRegression(C=0.5).fit(features, labels)
    mlflow.sklearn.autolog(disable=True)
    mlflow.log_metric("loss", 0.5, step=7)
    mlflow.log_metric("first", 0.5)
    dataset = mlflow.data.from_numpy(features, name="numbers")
    mlflow.log_input(dataset, context="training")
    mlflow.log_metric("of_data", 1, dataset=dataset)
    network = torch.nn.Linear(2, 1).eval()
    info = mlflow.pytorch.log_model(
        network, name="network", step=7, input_example=features.astype("float32"), pip_requirements=["torch"]
    )
    mlflow.log_metric("of_model", 3, step=8, model_id=info.model_id)
loaded = mlflow.pytorch.load_model(info.model_uri)
print("MODEL", info.model_id)
"""


def test_autolog_datasets_models_and_system_metrics(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    run = new_job(mlflow, "models")
    out, _ = finish(scripts.start(MODELS, mlflow_url, run))
    assert len(mlflow.search_runs([run.experiment_id], "")) == 1
    stored = mlflow.run(run.run_id)
    assert stored.params["C"] == "0.5"
    assert "training_score" in stored.metrics
    assert any(key.startswith("system/node/") for key in stored.metrics)
    assert stored.status == "RUNNING"
    (model_id,) = (line.split()[1] for line in out.splitlines() if line.startswith("MODEL"))
    body = mlflow._get("runs/get", {"run_id": run.run_id})["run"]
    assert [output["model_id"] for output in body["outputs"]["model_outputs"]] == [model_id]
    assert "numbers" in [entry["dataset"]["name"] for entry in body["inputs"]["dataset_inputs"]]
    model: dict[str, Any] = mlflow._get(f"logged-models/{model_id}", {})["model"]
    assert model["info"]["source_run_id"] == run.run_id
    assert {(m["key"], int(m["step"]), m["value"]) for m in model["data"]["metrics"]} >= {
        ("loss", 7, 0.5),
        ("of_model", 8, 3),
    }
    assert points(mlflow, run, "loss") == [(7, 0.5)]
    assert points(mlflow, run, "of_model") == [(8, 3)]
    assert points(mlflow, run, "of_data") == [(0, 1)]


class Forwarder:
    """A door before the server that can be shut: connections break, new ones are refused."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._address = ("127.0.0.1", 0)
        self._connections: list[socket.socket] = []
        self.open()
        self.url = f"http://127.0.0.1:{self._address[1]}"

    def open(self) -> None:
        forwarder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(forwarder._target) as server:
                    ends = [self.request, server]
                    forwarder._connections += ends
                    with contextlib.suppress(OSError, ValueError):
                        while True:
                            for end in select.select(ends, [], [])[0]:
                                data = end.recv(65536)
                                if not data:
                                    return
                                ends[1 - ends.index(end)].sendall(data)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(self._address, Handler)
        self._address = ("127.0.0.1", self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()


OUTAGE = """
import os, sys, threading, time
import mlflow
from journeyman.tracking.job_store.shared_models import SharedModels, of_one_rank
from journeyman.tracking.job_store.store import flush

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), time.sleep(1), stop.set()), daemon=True).start()
run_id = os.environ["JOURNEYMAN_RUN_ID"]
step = 0
while not stop.is_set():
    with mlflow.start_run():
        mlflow.log_metric("loss", step, step=step)
        mlflow.log_param(f"p{step}", step)
        mlflow.set_tag("step", step)
    assert mlflow.get_run(run_id).info.run_id == run_id
    assert mlflow.set_experiment("mine").experiment_id == os.environ["JOURNEYMAN_EXPERIMENT_ID"]
    step += 1
    print("STEP", step, flush(0), flush=True)
    time.sleep(0.01)
"""


def test_server_away_blocks_nothing_and_loses_nothing(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    run = new_job(mlflow, "outage")
    door = Forwarder(mlflow_url)
    process = scripts.start(OUTAGE, door.url, run)
    assert process.stdin is not None
    assert process.stdout is not None
    lines = (line.split() for line in process.stdout if line.startswith("STEP"))
    steps = ((int(step), flushed == "True") for _, step, flushed in lines)

    for step, _ in steps:
        if step == 5:
            break
    door.shut()
    shut_at = time.monotonic()
    while_shut = []
    for step, flushed in steps:
        while_shut.append((step, flushed))
        if time.monotonic() - shut_at > 5 and len(while_shut) > 100:
            break
    # The first of them may have been sent before the door was shut.
    assert not any(flushed for _, flushed in while_shut[5:])
    assert len(points(mlflow, run, "loss")) <= while_shut[5][0]
    door.open()
    for _, flushed in steps:
        if flushed:
            process.stdin.write("stop\n")
            process.stdin.flush()
            break
    *_, (count, _) = steps
    _, said = finish(process)
    door.shut()

    assert points(mlflow, run, "loss") == [(step, step) for step in range(count)]
    stored = mlflow.run(run.run_id)
    assert stored.params == {f"p{step}": str(step) for step in range(count)}
    assert stored.tags["step"] == str(count - 1)
    assert stored.status == "RUNNING"
    assert said.count("does not take what was logged") == 1


PLAIN = """
import os, warnings
warnings.simplefilter("error")
from journeyman.tracking.job_store import store
import mlflow
from mlflow.store.tracking.rest_store import RestStore

of_uri = mlflow.tracking._tracking_service.utils._get_store()
assert type(of_uri) is RestStore, of_uri
assert store.flush(0)
mlflow.set_experiment("plain")
for _ in range(2):
    with mlflow.start_run():
        mlflow.log_metric("loss", 1)
os.environ["JOURNEYMAN_RUN_ID"] = "r"
try:
    store.tracking_store(mlflow.get_tracking_uri())
except Exception as error:
    print(error)
"""


def test_outside_a_job_mlflow_is_as_ever(mlflow: Mlflow, mlflow_url: str, scripts: Scripts) -> None:
    out, _ = finish(scripts.start(PLAIN, mlflow_url, None))
    runs = mlflow.search_runs([mlflow.experiment_id("plain")], "")
    assert [(run.status, run.metrics) for run in runs] == [("FINISHED", {"loss": 1})] * 2
    assert "JOURNEYMAN_EXPERIMENT_ID" in out


def test_job_half_told_by_the_environment_is_refused() -> None:
    with pytest.raises(UsageError, match="JOURNEYMAN_ARTIFACT_URI"):
        Job.from_environment({"JOURNEYMAN_RUN_ID": "r", "JOURNEYMAN_EXPERIMENT_ID": "1"})


def test_flush_without_a_store_has_nothing_to_do() -> None:
    assert flush(0)


SAME_MODEL = """
import mlflow


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


for _ in range(2):
    told = mlflow.pyfunc.log_model(
        name="model", python_model=Model(), pip_requirements=[], registered_model_name="of every rank"
    )
    mlflow.pyfunc.load_model(told.model_uri)
    print("logged", told.model_id, told.registered_model_version)
"""


def test_ranks_that_log_the_same_model_leave_one_with_one_version(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    job = new_job(mlflow, "ranks-log")
    ranks = [
        scripts.start(SAME_MODEL, mlflow_url, job, rank=rank, more={"JOURNEYMAN_WORKERS": "2"})
        for rank in (0, 1)
    ]
    said = [
        [line.split()[1:] for line in finish(each)[0].splitlines() if line.startswith("logged")]
        for each in ranks
    ]
    # Both loops were logged, each once, and both ranks were told the same of them.
    assert said[0] == said[1]
    assert {version for _, version in said[0]} == {"1", "2"}
    client = MlflowClient(mlflow_url)
    versions = client.search_model_versions("name = 'of every rank'")
    assert {version.source for version in versions} == {f"models:/{model_id}" for model_id, _ in said[0]}
    assert len(versions) == 2
    models = client.search_logged_models([job.experiment_id])
    assert sorted(each.model_id for each in models) == sorted(model_id for model_id, _ in said[0])
    assert {each.status for each in models} == {"READY"}
    for model_id, _ in said[0]:
        # What lies there is whole.
        assert pyfunc_files(client, model_id) >= {"MLmodel", "python_model.pkl", "requirements.txt"}


def pyfunc_files(client: MlflowClient, model_id: str) -> set[str]:
    return {file.path.rpartition("/")[2] for file in client.list_logged_model_artifacts(model_id)}


def test_a_model_that_one_rank_alone_logs_is_the_runs(
    mlflow: Mlflow, mlflow_url: str, scripts: Scripts
) -> None:
    job = new_job(mlflow, "rank-logs")
    finish(scripts.start(SAME_MODEL, mlflow_url, job, rank=1, more={"JOURNEYMAN_WORKERS": "2"}))
    client = MlflowClient(mlflow_url)
    assert len(client.search_logged_models([job.experiment_id])) == 2


def test_what_publish_logs_is_never_taken_for_a_model_that_another_rank_logs(
    mlflow: Mlflow, mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_job(mlflow, "publishes-beside")
    for name, value in (("RUN_ID", run.run_id), ("ATTEMPT", "1"), ("WORKERS", "2")):
        monkeypatch.setenv(f"JOURNEYMAN_{name}", value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    job = Job(run_id=run.run_id, experiment_id=run.experiment_id, artifact_uri="", run_name="")
    assert SharedModels(job).first("model", "m-of-rank-0") == "m-of-rank-0"
    of_rank_1 = SharedModels(job)
    with of_one_rank():
        assert of_rank_1.first("model", "m-published") == "m-published"
    assert of_rank_1.first("model", "m-of-rank-1") == "m-of-rank-0"
    assert of_rank_1.first("another", "m-another") == "m-another"
