"""Writes the golden records: every kind of record, by a real stack of this checkout, as small fixtures.

Run once a schema version, in the root of the checkout: `python -m tests.records.make`. What is there is never
written over. It needs the machine for about ten minutes, and no other Ray on it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import numpy as np
import torch
import yaml
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from tests.conftest import mlflow_server

from journeyman.client import Client, Job, Service
from journeyman.cluster.local.parts import ray_folder, stack_parts
from journeyman.cluster.local.plan import read_plan, this_machine
from journeyman.cluster.local.stack import start, stop
from journeyman.cluster.settings import Settings, load_settings, write_secret
from journeyman.home import endpoints_file
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import EXPORTED, graph_bytes, save_package
from journeyman.models.registry import log_package, register
from journeyman.tracking.lease.claimant import this_process
from journeyman.tracking.records import (
    ENGINES,
    GRAPH_BYTES,
    NAME,
    PHASE,
    SCHEMA_VERSION,
    SUBMITTED_MS,
    Run,
    parse_run,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_S = 300.0
MID_LIFE_S = 30.0
"""How long states that pass by themselves are waited for; then the program gives up and is run again."""

RAY_ANSWERS = {
    "ray_jobs.json": "/api/jobs/",
    "applications.json": "/api/serve/applications/",
    "nodes_summary.json": "/nodes?view=summary",
    "cluster_status.json": "/api/cluster_status",
    "nodes.json": "/api/v0/nodes",
    "version.json": "/api/version",
}
MLFLOW_LISTS = {
    "experiments.json": ("experiments/search?view_type=ALL&max_results=100", "experiments"),
    "registered_models.json": ("registered-models/search?max_results=100", "registered_models"),
    "model_versions.json": ("model-versions/search?max_results=100", "model_versions"),
}
KEPT_ARTIFACTS = ("code", "ranks", "stacks", "orders", "spec.yaml")
TENSORS = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 4))]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
)
NEVER_LOADS = """
import time
import mlflow


class NeverLoads(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        time.sleep(3600)

    def predict(self, context, model_input, params=None):
        return model_input[:, :3]


mlflow.models.set_model(NeverLoads())
"""


def main() -> None:
    target = HERE / SCHEMA_VERSION
    if target.exists():
        sys.exit(f"{target} is there, and records that are kept are never changed")
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        home = Path(folder) / "home"
        os.environ["JOURNEYMAN_HOME"] = str(home)
        write_secret(home, "PRICES_TOKEN", "not a secret")
        start(home, _say, ("mlflow", "ray"))
        try:
            settings = load_settings(os.environ)
            with closing(Client(settings)) as client:
                _Stack(settings, client, Path(folder)).make_records()
            ray_answers, database = _snapshot(settings, Path(folder))
        finally:
            stop(home)
            shutil.rmtree(ray_folder(home), ignore_errors=True)
        _save(target, settings, Path(folder), ray_answers, database)


def _say(*words: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {' '.join(words)}\n")


# -- making --------------------------------------------------------------------------------------------


class _Stack:
    """Brings jobs and services to every state there is; control is killed when all are there."""

    def __init__(self, settings: Settings, client: Client, folder: Path) -> None:
        self._settings = settings
        self._client = client
        self._registry = MlflowClient(tracking_uri=settings.mlflow_url, registry_uri=settings.mlflow_url)
        self._folder = folder
        self._code = shutil.copytree(
            HERE / "loops", folder / "code", ignore=shutil.ignore_patterns("__pycache__")
        )

    def make_records(self) -> None:
        """A term for what has ended and what is settled, and one for what is on its way."""
        versions = [self._exported("strict", 4), self._exported("strict", 5), self._never_loads("strict")]
        good, other_input, never_loads = versions
        self._exported("absent", 4)
        self._alias("strict", "champion", good)
        self._alias("strict", "swapping", good)
        with self._control():
            self._deploy("left", f"models:/strict/{good}")
            self._deploy("leaving", f"models:/strict/{good}")
            self._deploy("refused", "models:/strict@champion")
            self._deploy("swapping", "models:/strict@swapping")
            published = self._submit("publishes", publish={"model": "digits", "alias": "champion"})
            ended = [
                self._submit("raises", workers=2),
                self._submit("dies_once"),
                self._submit("counts"),
                self._submit("counts", name="elsewhere", project="house prices"),
            ]
            waited_for_nothing = self._submit(
                "counts", name="cancelled-queued", workers=2, resources={"cpus": 4}
            )
            self._until_job(waited_for_nothing, "queued", "waits")
            self._client.cancel(waited_for_nothing.run_id)
            cancelled = self._submit("steps", name="cancelled-running")
            self._until_job(published, "finished")
            self._deploy("digits", "models:/digits@champion")
            self._until_job(cancelled, "running")
            self._client.cancel(cancelled.run_id)
            for job in (*ended, waited_for_nothing, cancelled):
                self._until_ended(job)
            for name in ("left", "leaving", "refused", "swapping", "digits"):
                self._until_service(name, "healthy")
            self._client.undeploy("left")
            self._alias("strict", "champion", other_input)
            self._until_service("refused", "healthy", f"keeps version {good}")
            for model, version in (("strict", good), ("digits", "1")):
                self._until(self._is_raced(model, version), f"engines of {model}/{version} are raced")
            self._until(lambda: "left" not in {s.name for s in self._client.services()}, "left is undeployed")
        # Ordered while nobody looked, of a model whose alias is gone when somebody does.
        self._alias("absent", "champion", "1")
        self._deploy("waiting", "models:/absent@champion")
        self._registry.delete_registered_model_alias("absent", "champion")
        with self._control():
            hung = self._submit("stops_stepping", name="hung")
            running = self._submit("steps", name="running", workers=2)
            cancelling = self._submit("steps", name="cancelling")
            self._until_service("waiting", "deploying", "waits for its model")
            self._alias("strict", "swapping", never_loads)
            self._until_service("swapping", "swapping", "gets new replicas")
            self._until_job(running, "running")
            self._until_job(cancelling, "running")
            self._until_job(hung, "hung")
            starting = self._submit("counts", name="starting")
            self._until_job(starting, "starting")
            waiting = self._submit(
                "counts",
                name="waiting",
                workers=2,
                resources={"cpus": 4},
                requirements=["einops>=0.8"],
                env={"GREETING": "hello"},
                secrets=["PRICES_TOKEN"],
                data={"train": "train.csv", "more": "s3://prices/more"},
                config={"optimizer": {"lr": 0.1}, "epochs": 3},
                max_duration="12h",
            )
            self._until_job(waiting, "queued", "waits: needs")
            self._client.undeploy("leaving")
            self._client.cancel(cancelling.run_id)
            expected = [
                (hung, "hung"),
                (running, "running"),
                (cancelling, "cancelling"),
                (starting, "starting"),
            ]

            def all_there() -> bool:
                jobs = all(self._client.job(job.run_id).phase == phase for job, phase in expected)
                return jobs and self._client.service("leaving").phase == "undeploying"

            self._until(all_there, "what passes by itself is there", MID_LIFE_S)
        self._submit("counts", name="submitted")

    @contextmanager
    def _control(self) -> Iterator[None]:
        """Without a supervisor, so that nobody starts it again when it is killed."""
        home = self._settings.home
        plan = read_plan(home)
        assert plan is not None
        part = stack_parts(
            home=home, stack=plan.stack, ports=plan.ports, machine=this_machine(), environ=os.environ
        )["control"]
        with part.log.open("ab") as log:
            control = subprocess.Popen(part.command, env=dict(part.environment), stdout=log, stderr=log)
        try:
            yield
        finally:
            control.send_signal(signal.SIGKILL)
            control.wait()
            _say("control is killed")

    def _submit(self, loop: str, name: str = "", **more: object) -> Job:
        name = name or loop.replace("_", "-")
        spec = {"kind": "train", "name": name, "entrypoint": f"loops:{loop}", "resources": {"cpus": 0.5}}
        file = self._code / f"{name}.yaml"
        file.write_text(yaml.safe_dump(spec | more))
        job = self._client.submit(file)
        file.unlink()
        return job

    def _deploy(self, name: str, model: str) -> None:
        order = {"kind": "service", "name": name, "model": model, "resources": {"cpus": 0.25}}
        self._client.deploy(order)

    def _exported(self, model: str, features: int) -> str:
        folder = self._folder / f"{model}-{features}"
        package = save_package(torch.nn.Linear(features, 3), torch.ones(2, features), folder)
        trouble = add_onnx(package)
        assert not trouble, trouble
        run_id = self._registry.create_run("0", run_name=f"{model}-{features}").info.run_id
        tags = {GRAPH_BYTES: str(graph_bytes(package.path / EXPORTED))}
        model_id = log_package(self._registry, package, run_id, model)
        version = register(self._registry, model_id, model, run_id, tags, None)
        self._registry.set_terminated(run_id)
        return version

    def _never_loads(self, model: str) -> str:
        folder = self._folder / "never-loads"
        code = self._folder / "never_loads.py"
        code.write_text(NEVER_LOADS)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(code),
            signature=TENSORS,
            input_example=np.ones((2, 4), "float32"),
            pip_requirements=[],
        )
        run_id = self._registry.create_run("0", run_name="never-loads").info.run_id
        self._registry.log_artifacts(run_id, str(folder), "model")
        source = f"{self._registry.get_run(run_id).info.artifact_uri}/model"
        self._registry.set_terminated(run_id)
        return str(self._registry.create_model_version(model, source, run_id).version)

    def _alias(self, model: str, alias: str, version: str) -> None:
        self._registry.set_registered_model_alias(model, alias, version)

    def _is_raced(self, model: str, version: str) -> Callable[[], bool]:
        def there() -> bool:
            tags = self._registry.get_model_version(model, version).tags
            return any(key.startswith(f"{ENGINES}.") for key in tags)

        return there

    # -- waiting -------------------------------------------------------------------------------------

    def _until_job(self, job: Job, phase: str, reason: str = "") -> None:
        def there() -> bool:
            seen = self._client.job(job.run_id)
            assert seen.phase == phase or not seen.ended, f"{seen.name} is {seen.phase}: {seen.reason}"
            return seen.phase == phase and seen.reason.startswith(reason)

        self._until(there, f"job {job.name} is {phase}")

    def _until_ended(self, job: Job) -> None:
        self._until(lambda: self._client.job(job.run_id).ended, f"job {job.name} has ended")

    def _until_service(self, name: str, phase: str, reason: str = "") -> None:
        def there() -> bool:
            seen: Service = self._client.service(name)
            return seen.phase == phase and reason in seen.reason

        self._until(there, f"service {name} is {phase}")

    def _until(self, there: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not there():
            if time.monotonic() > deadline:
                jobs = [(job.name, job.phase, job.reason) for job in self._client.jobs()]
                services = [(each.name, each.phase, each.reason) for each in self._client.services()]
                raise TimeoutError(f"not within {limit_s:g} s: {what}; {jobs}; {services}")
            time.sleep(0.1)
        _say(what)


# -- keeping -------------------------------------------------------------------------------------------


def _snapshot(settings: Settings, folder: Path) -> tuple[Mapping[str, Any], Path]:
    """What Ray answers, and then MLflow's database: in the order in which control looks."""
    headers = {"Authorization": f"Bearer {settings.ray_token}"}
    with httpx.Client(base_url=settings.ray_url, headers=headers, timeout=30) as http:
        answers = {name: http.get(path).raise_for_status().json() for name, path in RAY_ANSWERS.items()}
    database = folder / "snapshot.db"
    with (
        closing(sqlite3.connect(settings.home / "mlflow" / "mlflow.db")) as source,
        closing(sqlite3.connect(database)) as copy,
    ):
        source.backup(copy)
    return answers | {"moment.json": {"taken_ms": int(time.time() * 1000)}}, database


def _save(
    target: Path, settings: Settings, folder: Path, ray_answers: Mapping[str, Any], database: Path
) -> None:
    scrub = _scrubbing(settings, folder)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    endpoints = json.loads(endpoints_file(settings.home).read_text())
    endpoints |= {
        "mlflow_url": settings.mlflow_url,
        "ray_url": settings.ray_url,
        "serve_url": settings.serve_url,
        "grpc_address": settings.grpc_address,
        "notes": [],
    }
    for name, answer in {**ray_answers, "endpoints.json": endpoints}.items():
        (partial / name).write_text(scrub(_text(answer)))
    (partial / "mlflow.sql").write_text(scrub(_dump(database)))
    for name, answer in _mlflow_answers(partial / "mlflow.sql", folder).items():
        (partial / name).write_text(_text(answer))
    runs = [parse_run(run) for run in json.loads((partial / "runs.json").read_text())]
    _keep_artifacts(runs, settings.home / "mlflow" / "artifacts", partial / "artifacts", scrub)
    partial.chmod(0o755)
    partial.rename(target)
    for run in sorted(runs, key=lambda run: run.start_ms):
        _say(f"| {run.name} | {run.run_id} | {run.tags.get(PHASE, run.status)} |")


def _text(answer: Any) -> str:
    return json.dumps(answer, indent=1, ensure_ascii=False) + "\n"


def _scrubbing(settings: Settings, folder: Path) -> Callable[[str], str]:
    """What tells of the machine is another machine's, and where services answered nobody listens."""
    host = socket.gethostname()
    replaced = {
        str(settings.home): "/home/ada/.journeyman",
        str(folder): "/home/ada/project",
        str(Path(sys.executable).parents[1]): "/home/ada/venv",
        str(ROOT): "/home/ada/journeyman",
        str(Path.home()): "/home/ada",
        settings.serve_url: "http://127.0.0.1:9",
        this_process("").machine.partition("/")[0]: "00000000-0000-4000-8000-000000000000",
    }

    def scrub(text: str) -> str:
        assert settings.ray_token is None or settings.ray_token not in text
        for old, new in sorted(replaced.items(), key=lambda pair: -len(pair[0])):
            text = re.sub(rf"{re.escape(old)}(?![\w-])", new, text)
        text = re.sub(rf"\b{re.escape(host)}\b", "host", text)
        return re.sub(r"('mlflow\.user',\s*)'[^']*'", r"\1'ada'", text)

    return scrub


def _dump(database: Path) -> str:
    """As SQL, without rows that no record needs: samples of the machine but the last, and traces."""
    with closing(sqlite3.connect(database)) as copy:
        copy.execute(
            "DELETE FROM metrics WHERE key LIKE 'system/%' AND (run_uuid, key, step) NOT IN "
            "(SELECT run_uuid, key, step FROM latest_metrics)"
        )
        for table in ("spans", "trace_info", "trace_tags", "trace_request_metadata"):
            copy.execute(f"DELETE FROM {table}")
        copy.commit()
        return "\n".join(copy.iterdump()) + "\n"


def _mlflow_answers(dump: Path, folder: Path) -> Mapping[str, Any]:
    """What a server on the records as they are kept answers."""
    home = folder / "restored"
    home.mkdir()
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        database.executescript(dump.read_text())
    stores = [
        "--backend-store-uri",
        f"sqlite:///{home}/mlflow.db",
        "--artifacts-destination",
        f"{home}/artifacts",
    ]
    answers: dict[str, Any] = {}
    with mlflow_server(home, stores, {}) as url, httpx.Client(base_url=f"{url}/api/2.0/mlflow/") as http:
        for name, (path, key) in MLFLOW_LISTS.items():
            answers[name] = http.get(path).raise_for_status().json()[key]
        everything = {
            "experiment_ids": [each["experiment_id"] for each in answers["experiments.json"]],
            "run_view_type": "ALL",
            "max_results": 1000,
            "order_by": ["attributes.start_time ASC"],
        }
        answers["runs.json"] = http.post("runs/search", json=everything).raise_for_status().json()["runs"]
    return answers


def _keep_artifacts(runs: Sequence[Run], source: Path, target: Path, scrub: Callable[[str], str]) -> None:
    """Of what has not ended, all that control reads."""
    for run in runs:
        if not (run.active and (SUBMITTED_MS in run.tags or NAME in run.tags)):
            continue
        folder = Path(run.experiment_id, run.run_id, "artifacts")
        for kept in KEPT_ARTIFACTS:
            found = source / folder / kept
            for file in [found] if found.is_file() else sorted(found.rglob("*")):
                if file.is_file():
                    copy = target / file.relative_to(source)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    if file.suffix == ".zip":
                        shutil.copyfile(file, copy)
                    else:
                        copy.write_text(scrub(file.read_text()))


if __name__ == "__main__":
    main()
