"""One life of a real stack: up, up again, parts killed, a service deployed, the supervisor killed, down."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest

from journeyman.cluster.local.parts import ray_folder
from journeyman.cluster.local.plan import Plan, read_plan, write_plan
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.local.stack import PartStatus, observe, start, stop
from journeyman.cluster.owned import why_not_owned
from journeyman.cluster.settings import load_settings
from journeyman.errors import StackDownError, StackError

pytestmark = pytest.mark.own_stack

PARTS = ("mlflow", "ray")
LIMIT_S = 90.0
Seen = TypeVar("Seen")

APPLICATION = """
from ray import serve

@serve.deployment
class Greeter:
    async def __call__(self, request):
        return "hello"

app = Greeter.bind()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "greeter_of_the_stack_test.py").write_text(APPLICATION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    # A person's own servers, which the parts of the stack must not hear of.
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    home = tmp_path / "home"
    yield home
    stop(home)
    shutil.rmtree(ray_folder(home), ignore_errors=True)


def test_stack_lives_through_kills_and_leaves_nothing_behind(home: Path) -> None:
    said: list[tuple[str, str]] = []

    def report(part: str, text: str) -> None:
        said.append((part, text))

    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        taken = listener.getsockname()[1]
        home.mkdir()
        write_plan(home, Plan(cluster="kept", ports={"mlflow": taken}), running=False)
        with pytest.raises(StackDownError):
            load_settings({"JOURNEYMAN_HOME": str(home)})

        # A taken port is named with its owner, and another one is used.
        endpoints = start(home, report, PARTS)
        assert any(f"port {taken} is taken by" in text and f"pid {os.getpid()}" in text for _, text in said)
        assert endpoints.mlflow_url != f"http://127.0.0.1:{taken}"
        status = observe(home)
        assert (status.running, status.cluster) == (True, "kept")
        assert [(part.name, part.state, part.restarts) for part in status.parts] == [
            ("mlflow", "up", 0),
            ("ray", "up", 0),
        ]
        assert status.logical_cpus >= 8
        assert any(f"port {taken} is taken" in note for note in status.notes)
        settings = load_settings({"JOURNEYMAN_HOME": str(home)})
        assert (settings.mlflow_url, settings.ray_url) == (endpoints.mlflow_url, endpoints.ray_url)
        assert settings.cluster == "kept"
        # Ray opens the folders of its sessions to everybody; nobody else gets there.
        assert why_not_owned(ray_folder(home), ray_folder(home)) == ""

        # Ray lets nobody in without the token, which only its owner can read.
        assert httpx.get(f"{endpoints.ray_url}/api/version").status_code == 401
        assert (home / "ray_token").stat().st_mode & 0o777 == 0o600
        ray = httpx.Client(
            base_url=endpoints.ray_url, headers={"Authorization": f"Bearer {settings.ray_token}"}, timeout=60
        )
        with ray:
            resources = ray.get("/api/v0/nodes").json()["data"]["result"]["result"][0]["resources_total"]
            assert resources["CPU"] == status.logical_cpus

            # Up twice is one stack.
            pids = {part.name: part.pid for part in status.parts}
            assert start(home, report, PARTS) == endpoints
            assert ("stack", "is running already") in said
            assert {part.name: part.pid for part in observe(home).parts} == pids

            # A part that is killed comes back on its port, and the status says so.
            os.kill(pids["mlflow"] or 0, signal.SIGKILL)
            mlflow = eventually(lambda: part_up_again(home, "mlflow"))
            assert mlflow.pid != pids["mlflow"]
            assert mlflow.restarts == 1
            assert "killed by signal 9" in mlflow.reason
            assert httpx.get(f"{endpoints.mlflow_url}/health").text == "OK"
            assert {part.name: part.pid for part in observe(home).parts}["ray"] == pids["ray"]

            # A service answers through HAProxy.
            ports = (read_plan(home) or Plan(cluster="", ports={})).ports
            ray.put(
                "/api/serve/applications/",
                json={
                    "http_options": {"host": "127.0.0.1", "port": ports["serve"]},
                    "applications": [
                        {
                            "name": "greeter",
                            "route_prefix": "/greeter",
                            "import_path": "greeter_of_the_stack_test:app",
                        }
                    ],
                },
            ).raise_for_status()
        assert eventually(lambda: answer(f"{endpoints.serve_url}/greeter")) == "hello"
        owned = {each.process.name() for each in owned_processes(mark_of("kept", ""))}
        assert "raylet" in owned
        if sys.platform == "linux":
            assert "haproxy" in owned
            # HAProxy replaces itself whenever its routes change; a look in between finds neither of the two.
            assert eventually(lambda: listeners_on_all_interfaces() or None) == {
                ports["haproxy_stats"],
                ports["haproxy_metrics"],
            }

        # HAProxy has left Serve's proxy by now and asks the replica itself, past what is ours.
        assert answer(f"{endpoints.serve_url}/greeter") == "hello"

        # Without its supervisor the stack runs on and is found again.
        (supervisor,) = owned_processes(mark_of("kept", "supervisor"))
        supervisor.process.kill()
        eventually(lambda: None if observe(home).running else "gone")
        unsupervised = observe(home)
        assert [part.state for part in unsupervised.parts] == ["up", "up"]
        assert any("the supervisor is gone" in note for note in unsupervised.notes)

        # Up takes it over: nothing is started, and what answers goes on answering.
        pids = {part.name: part.pid for part in unsupervised.parts}
        assert start(home, report, PARTS) == endpoints
        assert ("stack", "its supervisor is gone; takes over what runs: mlflow, ray") in said
        adopted = observe(home)
        assert adopted.running
        assert {part.name: part.pid for part in adopted.parts} == pids
        assert [(part.state, part.restarts) for part in adopted.parts] == [("up", 0)] * 2
        assert answer(f"{endpoints.serve_url}/greeter") == "hello"

        # Down ends all of it and nothing else.
        assert stop(home) > len(PARTS)
        assert owned_processes(mark_of("kept", "")) == ()
        assert foreign.poll() is None
        assert observe(home).parts == ()
        assert stop(home) == 0
        with pytest.raises(StackDownError):
            load_settings({"JOURNEYMAN_HOME": str(home)})
        kept = read_plan(home)
        assert kept is not None
        assert (kept.cluster, kept.ports) == ("kept", ports)

        # Up again is the same cluster.
        assert start(home, report, ("ray",)).ray_url == endpoints.ray_url
    finally:
        listener.close()
        foreign.kill()
        foreign.wait()


def test_stack_with_a_part_that_keeps_dying_is_stopped_and_shows_the_log(home: Path) -> None:
    (home / "ray_token").mkdir(parents=True)
    with pytest.raises(StackError, match="ray ended 3 times in a row") as error:
        start(home, lambda part, text: None, ("ray",))
    assert str(home / "logs" / "ray.log") in error.value.hint
    assert "ray_token" in error.value.hint
    assert not observe(home).running
    plan = read_plan(home)
    assert plan is not None
    assert owned_processes(mark_of(plan.cluster, "")) == ()


def part_up_again(home: Path, name: str) -> PartStatus | None:
    part = next(part for part in observe(home).parts if part.name == name)
    return part if part.state == "up" and part.restarts else None


def answer(url: str) -> str | None:
    try:
        response = httpx.get(url)
    except httpx.HTTPError:
        return None
    return response.text if response.status_code == 200 else None


def listeners_on_all_interfaces() -> set[int]:
    """The stack's ports, below those the kernel hands out, that the whole network can reach."""
    pids = {each.process.pid for each in owned_processes(mark_of("kept", ""))}
    connections = [
        connection
        for connection in psutil.net_connections("tcp")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN
    ]
    addresses = [(connection.laddr[0], connection.laddr[1]) for connection in connections if connection.laddr]
    return {port for host, port in addresses if not host.endswith("127.0.0.1") and port < 32768}


def eventually(look: Callable[[], Seen | None]) -> Seen:
    deadline = time.monotonic() + LIMIT_S
    while (seen := look()) is None:
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
    return seen
