"""The golden records as tests use them: parsed, restored for a real MLflow, and a Ray that answers them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from journeyman.cluster.settings import Settings, load_settings, make_home
from journeyman.home import endpoints_file
from journeyman.tracking.records import KIND, Run, parse_run

HERE = Path(__file__).parent
_PYTHON = "/home/ada/venv/bin/python"
"""Which the recorded stack ran on; control tells Serve of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The records of one moment of one cluster, as one schema version writes them."""

    folder: Path
    taken_s: float
    """When they were taken, by MLflow's clock."""
    endpoints: Mapping[str, Any]
    """What the stack wrote down of itself."""
    run_bodies: Sequence[Mapping[str, Any]]
    """As MLflow's REST tells them, oldest first."""
    runs: Sequence[Run]
    ray: Mapping[str, Any]
    """Ray's answers by the path that is asked."""

    @property
    def applications(self) -> dict[str, dict[str, Any]]:
        """Serve's, as its REST tells them."""
        return dict(self.ray["/api/serve/applications/"]["applications"])

    def of_kind(self, kind: str) -> list[Run]:
        return [run for run in self.runs if run.tags.get(KIND) == kind]

    def named(self, kind: str, name: str) -> Run:
        (run,) = (run for run in self.of_kind(kind) if run.name == name)
        return run

    def artifact(self, run: Run, path: str) -> bytes:
        return (self.folder / "artifacts" / run.experiment_id / run.run_id / "artifacts" / path).read_bytes()


def read_golden(schema_version: str) -> Golden:
    folder = HERE / schema_version

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text().replace(_PYTHON, sys.executable))

    bodies = read("runs.json")
    paths = {
        "/api/jobs/": "ray_jobs.json",
        "/api/serve/applications/": "applications.json",
        "/nodes": "nodes_summary.json",
        "/api/cluster_status": "cluster_status.json",
        "/api/v0/nodes": "nodes.json",
        "/api/version": "version.json",
    }
    return Golden(
        folder=folder,
        taken_s=read("moment.json")["taken_ms"] / 1000,
        endpoints=read("endpoints.json"),
        run_bodies=bodies,
        runs=[parse_run(body) for body in bodies],
        ray={path: read(name) for path, name in paths.items()},
    )


def restore(golden: Golden, folder: Path) -> None:
    """MLflow's database and artifacts, as `mlflow.db` and `artifacts` of a folder."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.executescript((golden.folder / "mlflow.sql").read_text())
    shutil.copytree(golden.folder / "artifacts", folder / "artifacts")


def home_of(golden: Golden, home: Path, mlflow_url: str) -> Settings:
    """A home folder whose stack is the recorded one, but for where its MLflow listens."""
    make_home(home)
    endpoints_file(home).write_text(json.dumps({**golden.endpoints, "mlflow_url": mlflow_url}))
    return load_settings({"JOURNEYMAN_HOME": str(home)})


@dataclass(slots=True)
class RecordedRay:
    """Answers what was recorded, takes what it is sent, and keeps it."""

    url: str
    answers: dict[str, Any]
    packages: dict[str, bytes] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    configs: list[dict[str, Any]] = field(default_factory=list)
    """Of Serve, as they were PUT."""
    asked: list[str] = field(default_factory=list)
    """Paths with their queries, in order."""

    def job(self, submission_id: str) -> dict[str, Any]:
        """Ray's record of a job, to be changed."""
        (job,) = (job for job in self.answers["/api/jobs/"] if job["submission_id"] == submission_id)
        found: dict[str, Any] = job
        return found

    def has_room(self) -> None:
        """Nothing that was placed is there any more."""
        figures = self.answers["/nodes"]["data"]["nodeLogicalResources"]
        for node, told in figures.items():
            figures[node] = "\n".join(f"0.0/{line.partition('/')[2]}" for line in told.splitlines())

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        """Status and body."""
        *_, name = path.split("/")
        match method, path:
            case "PUT", "/api/serve/applications/":
                self.configs.append(json.loads(content))
            case "POST", "/api/jobs/":
                body = json.loads(content)
                if any(job["submission_id"] == body["submission_id"] for job in self.answers[path]):
                    return 500, f"{body['submission_id']} already exists".encode()
                self.submitted.append(body)
                self.answers[path].append({"submission_id": body["submission_id"], "status": "PENDING"})
            case "POST", _ if path.endswith("/stop"):
                self.stopped.append(path.split("/")[-2])
            case "PUT", _ if path.startswith("/api/packages/"):
                self.packages[name] = content
            case "GET", _ if path in self.answers:
                return 200, json.dumps(self.answers[path]).encode()
            case "GET", _ if path.startswith("/api/jobs/"):
                found = [job for job in self.answers["/api/jobs/"] if job["submission_id"] == name]
                return (200, json.dumps(found[0]).encode()) if found else (404, b"")
            case "GET", _ if path.startswith("/api/packages/") and name in self.packages:
                pass
            case _:
                return 404, b""
        return 200, b"{}"


@contextmanager
def recorded_ray(golden: Golden) -> Iterator[RecordedRay]:
    """The recorded Ray on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            ray.asked.append(self.path)
            status, body = ray.answer(self.command, urlsplit(self.path).path, content)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Tests tell what was asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    ray = RecordedRay(f"http://127.0.0.1:{server.server_port}", json.loads(json.dumps(dict(golden.ray))))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ray
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
