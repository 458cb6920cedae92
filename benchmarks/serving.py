"""One served model beside its peers: the same weights, client and cores, by turns in one run.

Prints a table and, last, one line of JSON. Ours is what `journeyman deploy` makes, with nothing set. Peers
get environments of their own under `benchmarks/.peers`, made when first needed; torch is the same in all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path
from typing import Any

import httpx
import numpy as np
import torch
from base import Registry
from closed_loop import Request, Round, closed_loop
from person import LIMIT_S, POLL_S, ROOT, Person, person_with_empty_home, say

from journeyman.models.cache import download_version
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.onnx_form import ONNX

PEERS = ROOT / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))
from measured import SHAPES, build  # noqa: E402

ENVIRONMENTS = ROOT / "benchmarks" / ".peers"
REQUIREMENTS = {
    # Its workers ask for an event loop as uvloop no longer allows.
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22"),
    "litserve": ("litserve==0.2.19",),
    "bentoml": ("bentoml==1.4.40",),
}
CONNECTIONS = (1, 16, 64)
ROUNDS = 3
ROUND_S = 3.0
WARM_S = 1.0
START_S = 90.0


@dataclass(frozen=True, slots=True)
class Server:
    """Something that answers, and how it is asked for one row."""

    name: str
    request: Request
    read: Callable[[bytes], np.ndarray]


# -- ours --------------------------------------------------------------------------------------------------


def ours(person: Person, mlflow_url: str, model: str, row: np.ndarray, folder: Path) -> list[Server]:
    """Published, deployed, and given the time to find its engine."""
    registry = Registry(mlflow_url)
    registry.exported(model, build(model), "champion", torch.from_numpy(np.concatenate([row, row[::-1] * 2])))
    spec = folder / f"{model}.yaml"
    spec.write_text(f"kind: service\nname: {model}\nmodel: models:/{model}@champion\n")
    person.types("deploy", spec)
    deadline = time.monotonic() + LIMIT_S
    while not person.asks("service", model)["verdicts"] or not settled(person, model):
        if time.monotonic() > deadline:
            sys.exit(f"the engines of {model} were not raced within {LIMIT_S:.0f} s")
        time.sleep(POLL_S)
    told = person.asks("service", model)
    say(f"{model} is computed by {', '.join(told['engines'])}")
    body = json.dumps({"inputs": row.tolist()}).encode()
    url = told["url"]
    described = {"name": "input", "shape": list(row.shape), "datatype": "FP32"}
    asked = {"inputs": [described | {"parameters": {"binary_data_size": row.nbytes}}]}
    asked["parameters"] = {"binary_data_output": True}
    head = json.dumps(asked).encode()
    binary = (
        ("content-type", "application/octet-stream"),
        ("inference-header-content-length", str(len(head))),
    )
    return [
        Server("ours", Request(f"{url}/invocations", body), predictions),
        Server(
            "ours_binary", Request(f"{url}/v2/models/{model}/infer", head + row.tobytes(), binary), last_ten
        ),
    ]


def settled(person: Person, model: str) -> bool:
    told = person.asks("service", model)
    return set(told["verdicts"][0]["winners"]) == set(", ".join(told["engines"]).split(", "))


# -- peers -------------------------------------------------------------------------------------------------


def environment(name: str) -> Path:
    """The Python of a peer's environment; what it lacks, torch above all, it takes from ours."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    made = folder / "made"
    if not made.exists():
        say(f"making the environment of {name}")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], check=True)
        packages = folder / Path(get_path("purelib")).relative_to(sys.prefix)
        (packages / "ours.pth").write_text(get_path("purelib"))
        made.touch()
    return python


def commands(model: str, folder: Path, free: Callable[[], int]) -> Iterator[tuple[str, list[str], int]]:
    """What starts each peer, and the port it answers on."""
    onnx = str(folder / model / ONNX)
    for name, engine in (("uvicorn", "eager"), ("uvicorn_same_engine", "onnx")):
        port = free()
        yield name, [sys.executable, str(PEERS / "bare.py"), engine, model, onnx, str(port)], port
    port = free()
    yield "ray_stock", [sys.executable, str(PEERS / "ray_serve.py"), model, str(port)], port
    port = free()
    fast = ["env", *(f"{name}={value}" for name, value in fast_ingress(folder / f"{model}-ha", free).items())]
    yield "ray_fast", [*fast, sys.executable, str(PEERS / "ray_serve.py"), model, str(port), onnx], port
    port = free()
    serve = ["-m", "mlflow", "models", "serve", "-m", str(folder / model), "--env-manager", "local"]
    yield "mlflow", [sys.executable, *serve, "--port", str(port)], port
    port = free()
    served = folder / f"{model}-mlserver"
    served.mkdir()
    settings = {"http_port": port, "grpc_port": free(), "metrics_port": free(), "host": "127.0.0.1"}
    (served / "settings.json").write_text(json.dumps(settings))
    settings = {"name": model, "implementation": "mlserver_model.Model"}
    settings["parameters"] = {"extra": {"model": model}}  # type: ignore[assignment]
    (served / "model-settings.json").write_text(json.dumps(settings))
    yield "mlserver", [str(environment("mlserver").with_name("mlserver")), "start", str(served)], port
    port = free()
    yield (
        "litserve",
        [str(environment("litserve")), str(PEERS / "litserve_server.py"), model, str(port)],
        port,
    )
    port = free()
    serve = ["-m", "bentoml", "serve", "bentoml_service:Model", "--port", str(port), "--host", "127.0.0.1"]
    yield "bentoml", [str(environment("bentoml")), *serve], port


def fast_ingress(folder: Path, free: Callable[[], int]) -> dict[str, str]:
    """Ray Serve's environment for it, beside another one on the same machine."""
    folder.mkdir()
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free()),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "a.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "m.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": "31100",
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": "31900",
    }


@contextmanager
def running(command: list[str], model: str, log: Path) -> Iterator[None]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("JOURNEYMAN", "RAY"))}
    environ |= {"SERVED_MODEL": model, "PYTHONPATH": str(PEERS), "OMP_NUM_THREADS": "1"}
    # MLflow starts the uvicorn that it finds there.
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PEERS,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(30 if "ray_serve" in str(command) else 1)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def asked(name: str, model: str, row: np.ndarray, port: int) -> Server:
    url = f"http://127.0.0.1:{port}/invocations"
    if name != "mlserver":
        return Server(name, Request(url, json.dumps({"inputs": row.tolist()}).encode()), predictions)
    described = {"name": "input", "shape": list(row.shape), "datatype": "FP32", "data": row.ravel().tolist()}
    body = json.dumps({"inputs": [described]}).encode()
    return Server(name, Request(f"http://127.0.0.1:{port}/v2/models/{model}/infer", body), outputs)


def predictions(body: bytes) -> np.ndarray:
    return np.array(json.loads(body)["predictions"])


def outputs(body: bytes) -> np.ndarray:
    [output] = json.loads(body)["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


def last_ten(body: bytes) -> np.ndarray:
    return np.frombuffer(body[-40:], np.float32).reshape(1, 10)


# -- measuring ---------------------------------------------------------------------------------------------


def check(server: Server, expected: np.ndarray, log: Path) -> None:
    """Waits until the server answers, and ends the benchmark where it answers something else."""
    deadline = time.monotonic() + START_S
    trouble = ""
    while time.monotonic() < deadline:
        try:
            request = server.request
            answer = httpx.post(request.url, content=request.body, headers=dict(request.headers), timeout=30)
            if answer.status_code == 200:
                np.testing.assert_allclose(server.read(answer.content), expected, rtol=1e-3, atol=1e-5)
                return
            trouble = f"{answer.status_code} {answer.text[:300]}"
        except httpx.HTTPError as error:
            trouble = str(error)
        time.sleep(POLL_S)
    sys.exit(f"{server.name} does not answer: {trouble}\n{log.read_text()[-2000:] if log.exists() else ''}")


def measure(servers: list[Server]) -> dict[str, dict[str, list[Round]]]:
    """Every server in every round, one after the other, by connections and name."""
    seen: dict[str, dict[str, list[Round]]] = {}
    for server in servers:
        closed_loop(server.request, 16, WARM_S)
    for number in range(ROUNDS):
        for connections in CONNECTIONS:
            for server in servers:
                found = closed_loop(server.request, connections, ROUND_S)
                if found.failed:
                    sys.exit(f"{server.name} failed {found.failed} requests at {connections} connections")
                seen.setdefault(str(connections), {}).setdefault(server.name, []).append(found)
        say(f"round {number + 1} of {ROUNDS}")
    return seen


def told(model: str, seen: Mapping[str, Mapping[str, list[Round]]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for connections, by_name in seen.items():
        print(f"\n{model}, {connections} connection{'s' if connections != '1' else ''}")
        print(f"  {'':<20}{'requests/s':>12}  {'least':>8}{'most':>8}  {'p50 ms':>9}  {'p99 ms':>9}")
        figures[connections] = {}
        for name, rounds in sorted(by_name.items(), key=lambda item: -max(r.per_s for r in item[1])):
            rates = [each.per_s for each in rounds]
            median = {
                "rps": round(statistics.median(rates), 1),
                "p50_ms": round(statistics.median(each.p50_ms for each in rounds), 2),
                "p99_ms": round(statistics.median(each.p99_ms for each in rounds), 2),
            }
            figures[connections][name] = median
            print(
                f"  {name:<20}{median['rps']:>12.1f}  {min(rates):>8.0f}{max(rates):>8.0f}  "
                f"{median['p50_ms']:>9.2f}  {median['p99_ms']:>9.2f}"
            )
    return figures


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=tuple(SHAPES), help="one of the two alone")
    parser.add_argument("--peers", help="these alone, comma between them; `none` for ours alone")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    with person_with_empty_home() as person, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        say("starting a stack")
        person.types("up")
        parts = person.asks("status")["parts"]
        mlflow_url = next(part["url"] for part in parts if part["name"] == "mlflow")
        for model in [arguments.model] if arguments.model else SHAPES:
            row = np.random.default_rng(0).random((1, *SHAPES[model]), dtype=np.float32)
            figures[model] = told(
                model, side_by_side(person, mlflow_url, model, row, folder, arguments.peers)
            )
            person.types("undeploy", model, "--yes")
    print(this_hardware())
    print(json.dumps(figures))


def side_by_side(
    person: Person, mlflow_url: str, model: str, row: np.ndarray, folder: Path, peers: str | None
) -> dict[str, dict[str, list[Round]]]:
    with torch.inference_mode():
        expected = build(model)(torch.from_numpy(row)).numpy()
    servers = ours(person, mlflow_url, model, row, folder)
    # What MLflow's own server and the engine of the bare one are given.
    download_version(mlflow_url, model, "1", folder / model)
    with ExitStack() as started:
        logs = {}
        wanted = None if peers is None else set(peers.split(",")) - {"none"}
        for name, command, port in commands(model, folder, free_port):
            if wanted is not None and wanted <= logs.keys():
                # Of those that nobody asked for no environment is made.
                break
            if wanted is None or name in wanted:
                logs[name] = folder / f"{model}-{name}.log"
                started.enter_context(running(command, model, logs[name]))
                servers.append(asked(name, model, row, port))
        for server in servers:
            check(server, expected, logs.get(server.name, folder / "none"))
        say(f"{len(servers)} servers answer {model} alike")
        return measure(servers)


if __name__ == "__main__":
    main()
