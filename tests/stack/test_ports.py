"""What listens of a stack that serves is what docs/operations.md says, and lets in whom it says."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
import torch

from journeyman.client import Client
from journeyman.cluster.local.parts import DEFAULT_PORTS
from journeyman.cluster.local.plan import read_plan
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.settings import Settings

from .conftest import registered

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
NAME = "listened"
LIMIT_S = 120.0
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
FIRST_OF_THE_KERNEL = 32768
WORDS = {
    "MLflow": "uvicorn",
    "Ray's dashboard": "ray/dashboard",
    "Ray's autoscaler": "ray/autoscaler",
    "a job's driver": "-m journeyman.",
}
"""What tells processes of one name apart: by what the table calls them, a part of their command line."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy runs on Linux alone")


@dataclass(frozen=True, slots=True)
class Listener:
    process: str
    command: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Row:
    """Of the table."""

    process: str
    command: str
    port: str
    address: str

    def is_of(self, listener: Listener, ports: dict[int, int]) -> bool:
        # `python3.12` is Python too, and `ray` each of Ray's workers, such as `ray::IDLE`.
        name = listener.process.partition(":")[0] if self.process == "ray" else listener.process
        name = "python" if name.startswith("python") else name
        # The kernel cuts what a process calls itself.
        same = name[:15] == self.process[:15] or listener.command.startswith(self.process)
        where = listener.address in LOOPBACK if self.address == "loopback" else True
        return same and self.command in listener.command and where and self._has(listener.port, ports)

    def _has(self, port: int, ports: dict[int, int]) -> bool:
        if self.port.startswith("any"):
            return port >= FIRST_OF_THE_KERNEL
        first = int(self.port.removeprefix("from "))
        if self.port.startswith("from "):
            # A thousand replicas are more than there is room for.
            return first <= port < first + 1000
        return port == ports.get(first, first)


def table() -> list[Row]:
    text = OPERATIONS.read_text().partition("## What listens where")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)`(?: \(([^)]+)\))? \| ([^|]+) \| (loopback|all) \|", text, re.MULTILINE)
    assert len(rows) == text.count("\n| `")
    return [Row(process, WORDS.get(told, ""), port, address) for process, told, port, address in rows]


def listeners(stack: Settings) -> Iterator[Listener]:
    pids = {each.process.pid for each in owned_processes(mark_of(stack.cluster, ""))}
    for connection in psutil.net_connections("inet"):
        listens = connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
        if listens and connection.pid in pids and connection.laddr:
            try:
                process = psutil.Process(connection.pid)
                name, command = process.name(), " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            yield Listener(name, command, *connection.laddr)


@pytest.fixture(scope="module")
def serving(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The stack, with a service that answers."""
    folder = tmp_path_factory.mktemp("listened")
    registered(stack.mlflow_url, NAME, torch.nn.Linear(4, 3), torch.rand(2, 4), folder / "model", "champion")
    (folder / "service.yaml").write_text(f"kind: service\nname: {NAME}\nmodel: models:/{NAME}@champion\n")
    deployed = subprocess.run(
        [sys.executable, "-c", "from journeyman.cli import main; main()", "deploy", folder / "service.yaml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert deployed.returncode == 0, deployed.stderr
    yield stack
    with closing(Client(stack)) as client:
        client.undeploy(NAME)


def test_what_listens_is_in_the_table_and_what_is_in_the_table_listens(serving: Settings) -> None:
    plan = read_plan(serving.home)
    assert plan is not None
    ports = {first: plan.ports[name] for name, first in DEFAULT_PORTS.items()}
    rows = table()
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = list(listeners(serving))
        stray = [each for each in found if not any(row.is_of(each, ports) for row in rows)]
        lasting = [row for row in rows if not row.port.endswith("at times")]
        silent = [row for row in lasting if not any(row.is_of(each, ports) for each in found)]
        # HAProxy replaces itself whenever its routes change; a look in between finds neither of the two.
        if not silent or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert not stray, f"not in {OPERATIONS.name}: {stray}"
    assert not silent, f"nothing listens as {OPERATIONS.name} says: {silent}"
    # What is said to be on loopback is nowhere else too: a row for all addresses hides nothing of it.
    numbered = {ports.get(int(row.port), int(row.port)): row for row in rows if row.port.isdigit()}
    wide = {each.port for each in found if each.address not in LOOPBACK}
    assert {port for port in wide if port in numbered} == {
        port for port, row in numbered.items() if row.address == "all"
    }


def test_ray_lets_in_nobody_without_the_token(serving: Settings) -> None:
    plan = read_plan(serving.home)
    assert plan is not None
    for name, path in (("ray_dashboard", "/api/version"), ("ray_agent", "/api/job_agent/jobs/")):
        url = f"http://127.0.0.1:{plan.ports[name]}{path}"
        assert httpx.get(url).status_code in (401, 403), name


class _Opens:
    """Opens a file where it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self._path), "w"))


def test_replicas_read_no_pickle_of_strangers(serving: Settings, tmp_path: Path) -> None:
    pickled = pickle.dumps(_Opens(tmp_path / "opened"))
    # As Serve's ASGIRequest is written, of which the first field is a pickle.
    request = b"\x0a" + bytes([len(pickled) % 128 + 128, len(pickled) // 128]) + pickled
    asked = [
        each.port
        for each in listeners(serving)
        if each.command.startswith("ray::ServeReplica") and each.address not in LOOPBACK
    ]
    assert asked
    told = {}
    for port in asked:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as refused:
                call(request, timeout=30)
            told[port] = refused.value.code()
    assert not (tmp_path / "opened").exists()
    assert set(told.values()) <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}
    assert grpc.StatusCode.UNAUTHENTICATED in told.values()
