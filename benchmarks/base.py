"""What versions that change and parts that die cost those who wait, on a stack of its own.

Prints a table a measurement and, last, one line of JSON. Nothing is set for the benchmark: services and jobs
are ordered as a person orders them, and parts are killed with SIGKILL.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import mlflow
import torch
from load import SteadyLoad, p99_ms
from mlflow import MlflowClient
from person import LIMIT_S, POLL_S, ROOT, Person, person_with_empty_home, say

from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import EXPORTED, graph_bytes, save_package
from journeyman.models.registry import log_package, register
from journeyman.tracking.records import GRAPH_BYTES

_ROWS = torch.arange(8.0).reshape(2, 4) / 8
BODY = json.dumps({"inputs": [[1.0, 2.0, 3.0, 4.0]]}).encode()
STEADY_S = 30.0
"""300 requests and more: of 120 the p99 is little more than the slowest."""
SETTLED_S = 3.0
"""For so long only the new version answered: the swap is over."""
DEEP_LAYERS = 800
"""Reading a graph of this many layers takes about 10 s on the machine this was written on."""
LOAD_PAUSE_S = 10

MEANINGS = {
    "swap_small_s": "from the move of the alias to the first answer of the new version, small model",
    "swap_back_s": "the same when it is moved back",
    "swap_10s_load_p99_ratio": "p99 of a swap to a model that loads for 10 s over the p99 before; the worst",
    "crowded_p99_ratio": "p99 beside a busy process of lowest priority on each core over that; the median",
    "swap_failed_requests": "of all swaps",
    "restore_after_kill_all_s": "from everything killed and `up` typed to the next answer of the service",
    "control_restart_s": "from control killed to its next decision",
    "worker_recover_s": "from a worker killed amid training to the next new step",
    "lost_steps": "steps of that training that its run lacks in the end",
    "submissions_per_s": "200 jobs submitted from 20 processes at once",
}

# A version that brings Python of its own, which takes its time to load.
SLEEPY = f"""
import time
import mlflow


class Sleepy(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        time.sleep({LOAD_PAUSE_S})

    def predict(self, context, model_input, params=None):
        return model_input[:, :3]


mlflow.models.set_model(Sleepy())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """What a move of an alias was like for those who asked meanwhile."""

    what: str
    live_s: float
    """To the first answer of the new version."""
    mixed_s: float
    """Between that and the last answer of the old one; 0 where none came after."""
    steady_p99_ms: float
    swap_p99_ms: float
    requests: int
    failed: int

    @property
    def ratio(self) -> float:
        return self.swap_p99_ms / self.steady_p99_ms

    def told(self) -> str:
        return (
            f"{self.what:<34} live {self.live_s:6.2f} s  mixed {self.mixed_s:5.2f} s  p99 "
            f"{self.steady_p99_ms:7.1f} → {self.swap_p99_ms:7.1f} ms ({self.ratio:4.2f} x)  "
            f"failed {self.failed} of {self.requests}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What was seen of one service: its swaps, and its p99 where the cores are shared with something else."""

    swaps: tuple[Swap, ...]
    alone_p99_ms: float
    crowded_p99_ms: float

    @property
    def crowded_ratio(self) -> float:
        return self.crowded_p99_ms / self.alone_p99_ms

    def told(self) -> str:
        crowded = (
            f"{'  beside busy processes':<34} p99 {self.alone_p99_ms:7.1f} → {self.crowded_p99_ms:7.1f} ms "
            f"({self.crowded_ratio:4.2f} x)"
        )
        return "\n".join((*(each.told() for each in self.swaps), crowded))


# -- models ------------------------------------------------------------------------------------------------


class Registry:
    """Registers versions at a stack's MLflow as a job would."""

    def __init__(self, mlflow_url: str) -> None:
        self.url = mlflow_url
        mlflow.set_tracking_uri(mlflow_url)
        self.client = MlflowClient()

    def exported(
        self, name: str, model: torch.nn.Module, alias: str | None, rows: torch.Tensor = _ROWS
    ) -> str:
        run_id = self.client.create_run("0").info.run_id
        with tempfile.TemporaryDirectory() as folder:
            package = save_package(model, rows, Path(folder) / "model")
            add_onnx(package)
            tags = {GRAPH_BYTES: str(graph_bytes(package.path / EXPORTED))}
            model_id = log_package(self.client, package, run_id, name)
            version = register(self.client, model_id, name, run_id, tags, alias)
        self.client.set_terminated(run_id)
        return version

    def python(self, name: str, alias: str | None) -> str:
        with tempfile.TemporaryDirectory() as folder:
            code = Path(folder) / "sleepy.py"
            code.write_text(SLEEPY)
            logged = mlflow.pyfunc.log_model(
                name=name,
                python_model=str(code),
                input_example=torch.rand(2, 4).numpy(),
                registered_model_name=name,
                pip_requirements=[],
            )
        version = str(logged.registered_model_version)
        if alias:
            self.move(name, version, alias)
        return version

    def move(self, name: str, version: str, alias: str = "champion") -> None:
        self.client.set_registered_model_alias(name, alias, version)


def small() -> torch.nn.Module:
    return torch.nn.Linear(4, 3)


def deep() -> torch.nn.Module:
    layers = [layer for _ in range(DEEP_LAYERS) for layer in (torch.nn.Linear(8, 8), torch.nn.ReLU())]
    return torch.nn.Sequential(torch.nn.Linear(4, 8), *layers, torch.nn.Linear(8, 3))


# -- swaps -------------------------------------------------------------------------------------------------


def deploy(person: Person, name: str, replicas: int) -> str:
    """Where the service answers, once it does."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "service.yaml"
        spec.write_text(
            f"kind: service\nname: {name}\nmodel: models:/{name}@champion\n"
            f"replicas: {replicas}\nresources: {{cpus: 0.5}}\nallow_code: true\n"
        )
        person.types("deploy", spec)
    wait(lambda: person.asks("service", name)["phase"] == "healthy", f"{name} is healthy")
    url: str = person.asks("service", name)["url"]
    return url


def swap(load: SteadyLoad, what: str, version: str, move: Callable[[], None]) -> Swap:
    """Moves the alias under the load and waits until only `version` answers."""
    steady_from_s = time.monotonic()
    time.sleep(STEADY_S)
    moved_s = time.monotonic()
    move()

    def settled() -> bool:
        newest = load.between(time.monotonic() - SETTLED_S, time.monotonic())
        return bool(newest) and all(sample.version == version for sample in newest)

    wait(settled, f"{what}: version {version} answers alone")
    ended_s = time.monotonic()
    during = load.between(moved_s, ended_s)
    new = [sample.sent_s + sample.took_s for sample in during if sample.version == version]
    old = [sample.sent_s + sample.took_s for sample in during if sample.version not in ("", version)]
    return Swap(
        what=what,
        live_s=min(new) - moved_s,
        mixed_s=max(0.0, max(old) - min(new)) if old else 0.0,
        steady_p99_ms=p99_ms(load.between(steady_from_s, moved_s)),
        swap_p99_ms=p99_ms(load.between(moved_s, ended_s - SETTLED_S)),
        requests=len(during),
        failed=sum(sample.version == "" for sample in during),
    )


def there_and_back(
    person: Person, registry: Registry, name: str, versions: tuple[str, str], replicas: int, per_s: float
) -> Moves:
    say(f"{name} on {replicas} replicas")
    registry.move(name, versions[0])
    url = deploy(person, name, replicas)
    label = f"{name}, {replicas} replica{'s' if replicas > 1 else ''}"
    with SteadyLoad(url, BODY, per_s) as load:
        wait(lambda: len(load.samples) > 3 * per_s, "the load runs")
        alone_p99_ms, crowded_p99_ms = crowded(load)
        swaps = tuple(
            swap(load, f"{label}, {way}", version, lambda version=version: registry.move(name, version))  # type: ignore[misc]
            for way, version in (("there", versions[1]), ("back", versions[0]))
        )
    moves = Moves(swaps=swaps, alone_p99_ms=alone_p99_ms, crowded_p99_ms=crowded_p99_ms)
    print(moves.told(), flush=True)
    person.types("undeploy", name, "--yes")
    wait(lambda: name not in [s["name"] for s in services(person)], f"{name} is gone")
    return moves


def crowded(load: SteadyLoad) -> tuple[float, float]:
    """p99 in milliseconds before, and while each core has a process that computes at the lowest priority.

    Whatever loads a version computes too: below this no swap on this machine can be.
    """
    began_s = time.monotonic()
    time.sleep(STEADY_S)
    crowded_s = time.monotonic()
    computing = ["nice", "-n", "19", sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(computing) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(STEADY_S)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return p99_ms(load.between(began_s, crowded_s)), p99_ms(load.between(crowded_s, time.monotonic()))


def services(person: Person) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(person.types("services", "--json"))
    return found


def measure_swaps(person: Person, registry: Registry) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = {
            "small": (
                registry.exported("small", small(), "champion"),
                registry.exported("small", small(), None),
            ),
            "deep": (registry.exported("deep", deep(), "champion"), registry.exported("deep", deep(), None)),
            "sleepy": (registry.python("sleepy", "champion"), registry.python("sleepy", None)),
        }
    light = there_and_back(person, registry, "small", pairs["small"], 1, 50)
    heavy = [
        there_and_back(person, registry, name, pairs[name], replicas, 10)
        for name, replicas in (("deep", 1), ("deep", 4), ("sleepy", 1), ("sleepy", 4))
    ]
    slow = [each for moves in heavy for each in moves.swaps]
    return {
        "swap_small_s": light.swaps[0].live_s,
        "swap_back_s": light.swaps[1].live_s,
        "swap_10s_load_p99_ratio": max(each.ratio for each in slow),
        "crowded_p99_ratio": statistics.median(moves.crowded_ratio for moves in heavy),
        "swap_failed_requests": sum(each.failed for each in (*light.swaps, *slow)),
    }


# -- deaths ------------------------------------------------------------------------------------------------


def kill(cluster: str, part: str, called: str = "", limit: int | None = None) -> int:
    """SIGKILL to a part's processes with `called` in their command line; how many there were."""
    struck = [
        each.process
        for each in owned_processes(mark_of(cluster, part))
        if called in " ".join(each.process.cmdline())
    ][:limit]
    for process in struck:
        process.kill()
    return len(struck)


def measure_deaths(person: Person, registry: Registry) -> dict[str, float]:
    cluster = str(person.asks("status")["cluster"])
    say("killing control")
    measured = {"control_restart_s": control_restart_s(person, cluster)}
    say("submitting 200 jobs from 20 processes")
    told = json.loads(person.runs(sys.executable, ROOT / "benchmarks" / "submissions.py").splitlines()[-1])
    measured["submissions_per_s"] = told["submissions_per_s"]
    say("killing a worker")
    measured |= worker_recovery(person, registry, cluster)
    say("killing everything")
    registry.move("small", "1")
    url = deploy(person, "small", 1)
    began = time.monotonic()
    kill(cluster, "")
    person.types("up")
    wait(lambda: answers(url), "the service answers again")
    measured["restore_after_kill_all_s"] = time.monotonic() - began
    return measured


def control_restart_s(person: Person, cluster: str) -> float:
    """A job that asks for more than there is free is told so by control: its reason is the decision."""
    with tempfile.TemporaryDirectory() as folder:
        write_job(Path(folder), "queued", "def train_loop(config):\n    pass\n")
        kill(cluster, "control")
        began = time.monotonic()
        person.types("submit", Path(folder) / "train.yaml")
    wait(lambda: person.asks("job", "queued")["reason"] != "submitted", "control decides")
    seconds = time.monotonic() - began
    person.waits_for_phase("queued", "finished")
    return seconds


def worker_recovery(person: Person, registry: Registry, cluster: str) -> dict[str, float]:
    loop = ROOT / "tests" / "chaos" / "loop" / "train.yaml"
    person.types("submit", loop, "--set", "config.epochs=12")
    job = person.asks("job")
    expected = 12 * int(job["params"]["steps"])

    def step() -> int:
        return int(person.asks("job", job["run_id"])["steps"].get("loss", -1))

    wait(lambda: step() >= expected // 3, "the training is under way")
    before = step()
    struck_ms = time.time() * 1000
    if kill(cluster, "ray", "ray::RayTrainWorker", limit=1) != 1:
        sys.exit("there was no worker to kill")
    person.waits_for_phase(job["run_id"], "finished")
    history = registry.client.get_metric_history(job["run_id"], "loss")
    new = [point.timestamp for point in history if point.step > before and point.timestamp > struck_ms + 1000]
    return {
        "worker_recover_s": (min(new) - struck_ms) / 1000,
        "lost_steps": expected - len({point.step for point in history}),
    }


def write_job(folder: Path, name: str, code: str) -> None:
    (folder / "train.yaml").write_text(f"kind: train\nname: {name}\nentrypoint: train:train_loop\n")
    (folder / "train.py").write_text(code)


def answers(url: str) -> bool:
    try:
        return httpx.post(f"{url}/invocations", content=BODY, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def wait(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not look():
        if time.monotonic() > deadline:
            sys.exit(f"not within {LIMIT_S:.0f} s: {what}")
        time.sleep(POLL_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=("swaps", "deaths"), help="measure a part of it")
    only = parser.parse_args().only
    # Ended from outside, it ends its stack first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with person_with_empty_home() as person:
        say("starting a stack")
        person.types("up")
        parts = person.asks("status")["parts"]
        registry = Registry(next(part["url"] for part in parts if part["name"] == "mlflow"))
        measured = {} if only == "deaths" else measure_swaps(person, registry)
        if only == "deaths":
            registry.exported("small", small(), "champion")
        measured |= {} if only == "swaps" else measure_deaths(person, registry)
    for key, meaning in MEANINGS.items():
        if key in measured:
            print(f"{key:<26} {measured[key]:>8.2f}   {meaning}")
    print(json.dumps({key: round(measured[key], 2) for key in MEANINGS if key in measured}))


if __name__ == "__main__":
    main()
