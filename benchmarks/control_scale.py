"""What a turn of control costs where MLflow remembers 10,000 runs, 1,000 of them queued and 1,000 services.

    python benchmarks/control_scale.py [--turns 60]

MLflow is a real server on SQLite whose tables are filled by SQL. Ray is the fake, which costs nothing: what
is measured is control and MLflow. The oldest job asks for every CPU, so that all others wait behind it.
The records are those of a control before, and this one is started anew. Its first turns, which list
everything and write until every record is what it makes of it, are told apart from those in which nothing
happens. Those follow each other by a second of control's clock, so that in
60 of them everything is listed once again, and the means have its share. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from journeyman.cluster.archive import package_name
from journeyman.cluster.settings import Settings
from journeyman.jobs.admission import TURN
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec
from journeyman.serve.control.application import application_config
from journeyman.serve.control.controller import ServiceController
from journeyman.serve.records import Report, Rollout, observed_text, write_report, write_rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.testing import FakeRay
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow

RECORDS, QUEUED, SERVICES = 10_000, 1_000, 1_000
CLUSTER = "scale"
CODE = "c0de" * 16
MAX_FIRST_TURNS = 200
CALM = 3
"""So many turns in a row that write nothing end the first ones."""
WRITES = ("log-batch", "log-parameter", "update", "set-tag", "delete-tag")
Tags = dict[str, str]


@dataclass(slots=True)
class Turns:
    """What turns of one loop cost."""

    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    received_bytes: list[int] = field(default_factory=list)
    mlflow_cpu_s: list[float] = field(default_factory=list)
    control_cpu_s: list[float] = field(default_factory=list)


class Server:
    """A real MLflow on a database that SQL has filled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[psutil.Process]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += [
            "--workers",
            "1",
            "--serve-artifacts",
            "--artifacts-destination",
            str(self._folder / "artifacts"),
        ]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        environment = os.environ | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with (self._folder / "server.log").open("ab") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self._folder)
        try:
            deadline_s = time.monotonic() + 180
            with httpx.Client(base_url=self.url, timeout=2) as client:
                while True:
                    try:
                        client.get("/health").raise_for_status()
                        break
                    except httpx.HTTPError:
                        if time.monotonic() > deadline_s or server.poll() is not None:
                            raise
                        time.sleep(0.2)
            yield psutil.Process(server.pid)
        finally:
            processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            server.terminate()
            for process in psutil.wait_procs(processes, timeout=10)[1]:
                process.kill()
            server.wait(timeout=10)


def cpu_s(server: psutil.Process) -> float:
    """Processor seconds of the server and its workers so far."""
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def fill(database: Path, mlflow_url: str) -> list[tuple[ServiceSpec, Rollout, str, str]]:
    """The runs; the services with their rollouts, run ids and replica ids."""
    services = []
    now_ms = int(time.time() * 1000)
    with closing(sqlite3.connect(database)) as connection:

        def run(name: str, status: str, age_s: int, tags: Tags) -> str:
            run_id = uuid.uuid4().hex
            start_ms = now_ms - age_s * 1000
            end_ms = start_ms + 1000 if status in records.ENDED_STATUSES else None
            connection.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, "
                "status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?, ?, 'UNKNOWN', '', '', 'unknown', ?, ?, ?, '', 'active', ?, 0)",
                (run_id, name, status, start_ms, end_ms, f"mlflow-artifacts:/0/{run_id}/artifacts"),
            )
            ours = {
                records.SCHEMA: records.SCHEMA_VERSION,
                records.CLUSTER: CLUSTER,
                records.NAME: name,
                "mlflow.runName": name,
                "mlflow.user": "ada",
            }
            rows = [(key, value, run_id) for key, value in {**ours, **tags}.items()]
            connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", rows)
            return run_id

        def job(number: int, workers: int, phase: str, reason: str) -> Tags:
            spec = TrainSpec(
                name=f"job-{number}", entrypoint="train:loop", storage="/runs", workers=str(workers)
            )
            return {
                records.KIND: records.JOB,
                records.SPEC: spec.model_dump_json(),
                records.PHASE: phase,
                records.REASON: reason,
                records.SUBMITTED_MS: str(now_ms - 10_000_000 + number),
                records.CODE_SHA256: CODE,
                records.SUBMISSION_KEY: f"key-{number}",
                records.TAKEN_UP_MS: str(now_ms - 10_000_000 + number),
            }

        def ended_job(number: int) -> Tags:
            moments = {records.ATTEMPT: "1", records.WORKERS_STARTED_MS: str(now_ms - 10_000_000 + number)}
            outcome = Outcome(cause=Cause.FINISHED, message="training finished").to_json()
            told = {f"{records.OUTCOME}.1": outcome}
            return job(number, 1, "finished", "training is done") | moments | told

        ended = RECORDS - QUEUED - SERVICES
        for number in range(ended):
            run(f"job-{number}", "FINISHED", 900_000 - number, ended_job(number))
        for number in range(ended, ended + QUEUED):
            # The oldest of them asks for more than there is now.
            workers = 8 if number == ended else 1
            run(
                f"job-{number}",
                "SCHEDULED",
                9_000 - number + ended,
                job(number, workers, "queued", TURN),
            )
        for number in range(SERVICES):
            name = f"service-{number}"
            spec = ServiceSpec(name=name, model=f"models:/{name}@champion")
            rollout = Rollout(model=name, serving="1", proven=True)
            replica_id = f"{number:08x}"
            report = Report(
                generation=1,
                serving="1",
                trial=1,
                candidate=None,
                candidate_state=None,
                reason="",
                hardware="cpu",
            )
            tags = {
                records.KIND: records.SERVICE,
                records.SPEC: spec.model_dump_json(),
                records.OBSERVED: observed_text(spec.model_dump_json(), "1"),
                records.PHASE: "healthy",
                records.REASON: "",
                records.ROLLOUT: write_rollout(rollout),
                records.SERVING: "1",
                records.URL: f"/{name}",
                records.MODEL: name,
                records.CANDIDATE: "",
                records.TAKEN_UP_MS: str(now_ms - 8_000_000),
                f"{records.REPLICA}.{replica_id}": write_report(report),
            }
            run_id = run(name, "RUNNING", 8_000 - number, tags)
            services.append((spec, rollout, run_id, replica_id))
            connection.execute(
                "INSERT INTO registered_models "
                "(name, creation_time, last_updated_time, description, workspace) "
                "VALUES (?, ?, ?, '', 'default')",
                (name, now_ms, now_ms),
            )
            connection.execute(
                "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, "
                "current_stage, source, run_id, status, run_link, storage_location, workspace) "
                "VALUES (?, 1, ?, ?, '', 'None', ?, ?, 'READY', '', ?, 'default')",
                (name, now_ms, now_ms, f"mlflow-artifacts:/{name}", run_id, f"mlflow-artifacts:/{name}"),
            )
            connection.execute(
                "INSERT INTO registered_model_aliases (alias, version, name, workspace) "
                "VALUES ('champion', 1, ?, 'default')",
                (name,),
            )
            connection.execute(
                "INSERT INTO model_version_tags (key, value, name, version, workspace) "
                "VALUES (?, ?, ?, 1, 'default')",
                (f"{records.ENGINES}.cpu", "{}", name),
            )
        connection.commit()
    return services


def cluster(services: list[tuple[ServiceSpec, Rollout, str, str]], mlflow_url: str) -> FakeRay:
    """A Ray that has what the records say, and no room for another job."""
    ray = FakeRay()
    node = ray.add_node({"CPU": 8.0})
    ray.use(node, {"CPU": 4.0})
    ray.upload_package(package_name(CODE), b"")
    configs = [
        application_config(spec, rollout, "cpu", run_id, mlflow_url, None)
        for spec, rollout, run_id, _ in services
    ]
    ray.put_applications({"applications": configs})
    ray.settle()
    return ray


def name_replicas(
    database: Path, ray: FakeRay, services: list[tuple[ServiceSpec, Rollout, str, str]]
) -> None:
    """Reports name the replicas that the fake made."""
    made = {application.name: application.replicas[0].replica_id for application in ray.applications()}
    with closing(sqlite3.connect(database)) as connection:
        for spec, _, run_id, replica_id in services:
            connection.execute(
                "UPDATE tags SET key = ? WHERE run_uuid = ? AND key = ?",
                (f"{records.REPLICA}.{made[spec.name]}", run_id, f"{records.REPLICA}.{replica_id}"),
            )
        connection.commit()


def measure(
    step: Callable[[float], object], count: int, http: httpx.Client, server: psutil.Process, ray: FakeRay
) -> tuple[Turns, Turns]:
    """The first turns and those after them; between two, Serve does what it was told."""
    answers: list[tuple[str, int]] = []

    def answered(answer: httpx.Response) -> None:
        answers.append((answer.request.url.path, int(answer.headers.get("content-length", 0))))

    http.event_hooks = {"response": [answered]}
    now = time.time()

    def turn(turns: Turns) -> bool:
        """Whether it wrote something."""
        nonlocal now
        answers.clear()
        now += 1
        before_s, own_s, began_s = cpu_s(server), time.process_time(), time.perf_counter()
        step(now)
        turns.seconds.append(time.perf_counter() - began_s)
        turns.control_cpu_s.append(time.process_time() - own_s)
        turns.requests.append(len(answers))
        turns.received_bytes.append(sum(size for _, size in answers))
        # What the server still does of a turn counts for the next; over all turns it evens out.
        turns.mlflow_cpu_s.append(cpu_s(server) - before_s)
        ray.settle()
        return any(path.endswith(WRITES) for path, _ in answers)

    first, calm, silent = Turns(), Turns(), 0
    while silent < CALM:
        silent = 0 if turn(first) else silent + 1
        print(f"first turn: {first.seconds[-1]:.1f} s, {first.requests[-1]} requests", file=sys.stderr)
        if len(first.seconds) > MAX_FIRST_TURNS:
            raise RuntimeError(f"control still writes after {MAX_FIRST_TURNS} turns")
    for _ in range(count):
        turn(calm)
    return first, calm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=60)
    count = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = Server(folder)
        # MLflow makes its tables as it starts.
        with server.running():
            pass
        services = fill(folder / "mlflow.db", server.url)
        ray = cluster(services, server.url)
        name_replicas(folder / "mlflow.db", ray, services)
        settings = Settings(
            home=folder,
            context="local",
            attached=False,
            cluster=CLUSTER,
            mlflow_url=server.url,
            ray_url="",
            ray_token=None,
            serve_url="",
            grpc_address=None,
            storage="/runs",
        )
        with server.running() as process, closing(Mlflow(server.url, {})) as mlflow:
            http = mlflow._http
            jobs = JobController(mlflow, ray, settings, "bench", None)
            first_jobs, jobs_turns = measure(jobs.step, count, http, process, ray)
            jobs.close()
            loop = ServiceController(mlflow, ray, settings, None)
            first_services, services_turns = measure(loop.step, count, http, process, ray)
            loop.close()
    print("Of a turn: seconds, requests, and in the mean MB and processor seconds of MLflow and of control")
    headings = ("median", "longest", "requests", "most", "MB", "MLflow", "control")
    print(f"{'':16} {'turns':>6}", *(f"{heading:>9}" for heading in headings))
    for name, turns in (
        ("jobs, first", first_jobs),
        ("jobs", jobs_turns),
        ("services, first", first_services),
        ("services", services_turns),
    ):
        print(
            f"{name:16} {len(turns.seconds):6} {statistics.median(turns.seconds):7.3f} s "
            f"{max(turns.seconds):7.3f} s {statistics.median(turns.requests):9.0f} {max(turns.requests):9} "
            f"{statistics.mean(turns.received_bytes) / 1e6:9.3f} {statistics.mean(turns.mlflow_cpu_s):9.3f} "
            f"{statistics.mean(turns.control_cpu_s):9.3f}"
        )
    both = list(zip(jobs_turns.mlflow_cpu_s, services_turns.mlflow_cpu_s, strict=True))
    bytes_ = list(zip(jobs_turns.received_bytes, services_turns.received_bytes, strict=True))
    figures = {
        "records": RECORDS,
        "queued": QUEUED,
        "services": SERVICES,
        "jobs_turn_s": round(statistics.median(jobs_turns.seconds), 3),
        "jobs_turn_requests": round(statistics.median(jobs_turns.requests)),
        "services_turn_s": round(statistics.median(services_turns.seconds), 3),
        "services_turn_requests": round(statistics.median(services_turns.requests)),
        "mlflow_cpu_s_per_turn": round(statistics.mean(a + b for a, b in both), 3),
        "bytes_per_turn": round(statistics.mean(a + b for a, b in bytes_)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
