"""What the guard of the local MLflow costs: the stack's own server, by turns with it and without.

Prints a table: the medians of all rounds, for the machine may have others on it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from journeyman.cluster.local.parts import DEFAULT_PORTS, Machine, stack_parts
from journeyman.home import make_mlflow_token

ROUNDS = 2
REQUESTS = 200
OTHERS = 2500
"""Connections that others have, both of whose ends are on this machine."""
IDLE_S = 20.0
PROBE_S = 5.0
LIMIT_S = 180.0
MEANINGS = {
    "kept": "ms, request on a connection that is kept",
    "new": "ms, request on a new connection",
    "new_among_many": f"ms, the same among {2 * OTHERS} other sockets",
    "idle": "ms of processor time a second, idle, asked every 5 s",
    "start": "s from its start to its first answer",
}


@contextmanager
def server(home: Path, guarded: bool) -> Iterator[tuple[str, psutil.Process, float]]:
    """Its address, its process and how long it took to answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    machine = Machine(python=Path(sys.executable), logical_cpus=8, fast_ingress=True)
    ports = DEFAULT_PORTS | {"mlflow": port}
    part = stack_parts(home=home, stack="guard", ports=ports, machine=machine, environ=os.environ)["mlflow"]
    command = list(part.command)
    if not guarded:
        at = command.index("--app-name")
        del command[at : at + 2]
    began_s = time.perf_counter()
    with part.log.open("ab") as log:
        process = subprocess.Popen(
            command, env=dict(part.environment), cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not answers(url):
            if process.poll() is not None or time.perf_counter() - began_s > LIMIT_S:
                sys.exit(part.log.read_text())
            time.sleep(0.02)
        took_s = time.perf_counter() - began_s
        yield url, psutil.Process(process.pid), took_s
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).text == "OK"
    except httpx.HTTPError:
        return False


def ask(url: str, *, keep: bool) -> float:
    """Milliseconds that a request takes, in the median."""
    took = []
    limits = httpx.Limits(max_keepalive_connections=1 if keep else 0)
    with httpx.Client(trust_env=False, limits=limits) as http:
        for _ in range(REQUESTS):
            began_s = time.perf_counter()
            http.get(f"{url}/version").raise_for_status()
            took.append(1000 * (time.perf_counter() - began_s))
    return statistics.median(took)


@contextmanager
def others() -> Iterator[None]:
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        for _ in range(OTHERS):
            held += (socket.create_connection(listener.getsockname()), listener.accept()[0])
        try:
            yield
        finally:
            for each in held:
                each.close()


def idle(url: str, process: psutil.Process) -> float:
    """Milliseconds of processor time a second."""
    family = [process, *process.children(recursive=True)]
    used_s = -sum(sum(each.cpu_times()[:2]) for each in family)
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < IDLE_S:
        answers(url)
        time.sleep(PROBE_S)
    used_s += sum(sum(each.cpu_times()[:2]) for each in family)
    return 1000 * used_s / (time.perf_counter() - began_s)


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="journeyman-guard-"))
    told: dict[bool, dict[str, list[float]]] = {
        kind: {name: [] for name in MEANINGS} for kind in (False, True)
    }
    try:
        for folder in ("logs", "mlflow/artifacts"):
            (home / folder).mkdir(parents=True)
        make_mlflow_token(home)
        for number in range(2 * ROUNDS):
            guarded = bool(number % 2)
            with server(home, guarded) as (url, process, took_s):
                seen = told[guarded]
                seen["start"].append(took_s)
                seen["kept"].append(ask(url, keep=True))
                seen["new"].append(ask(url, keep=False))
                with others():
                    seen["new_among_many"].append(ask(url, keep=False))
                seen["idle"].append(idle(url, process))
            print(f"turn {number + 1} of {2 * ROUNDS}: {told}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(home)
    print("| | MLflow alone | behind the guard |\n|---|---|---|")
    for name, meaning in MEANINGS.items():
        alone, behind = (statistics.median(told[kind][name]) for kind in (False, True))
        print(f"| {meaning} | {alone:.2f} | {behind:.2f} |")


if __name__ == "__main__":
    main()
