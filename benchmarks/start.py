"""How long work takes to start: a job of two workers beside torchrun with the same loop, in turns.

    journeyman up && python benchmarks/start.py [ROUNDS]

The loop writes the time of its first step and of its last to a file; everything is measured from the moment
that the command is given. The first job of a stack comes before the rounds: it has the fork server started.
The plain ones start without it. One line of JSON is last.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from journeyman.cluster.local.stack import observe
from journeyman.cluster.settings import context_home

WORKERS = 2
LIMIT_S = 300.0
LOOP = """
import os, sys, time
from pathlib import Path

def step_often(told, report, steps):
    import torch

    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for number in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).pow(2).mean().backward()
        optimizer.step()
        if number == 0 and told:
            Path(told, "first").write_text(str(time.time()))
        report(number)
    if told:
        Path(told, "last").write_text(str(time.time()))

def loop(config):
    import ray.train

    told = config["told"] if ray.train.get_context().get_world_rank() == 0 else ""
    step_often(told, lambda number: ray.train.report({"step": number}), config["steps"])

def script():
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    told = sys.argv[1] if torch.distributed.get_rank() == 0 else ""
    step_often(told, lambda number: None, int(sys.argv[2]))
    torch.distributed.destroy_process_group()

if __name__ == "__main__":
    script()
"""
SPECS = {
    "function": "entrypoint: loop:loop\nconfig: {{told: {told}, steps: {steps}}}\n",
    "script": "run: python loop.py {told} {steps}\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One run of the loop, in seconds since its command was given."""

    first_step_s: float
    last_step_s: float
    exit_s: float


def measure(command: list[str], told: Path, folder: Path) -> Start:
    """Raises CalledProcessError where it fails, TimeoutExpired where it takes for ever."""
    for name in ("first", "last"):
        (told / name).unlink(missing_ok=True)
    began_s = time.time()
    subprocess.run(
        command, cwd=folder, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ended_s = time.time()
    first_s, last_s = (float((told / name).read_text()) - began_s for name in ("first", "last"))
    return Start(first_step_s=first_s, last_step_s=last_s, exit_s=ended_s - began_s)


def commands(folder: Path, told: Path) -> dict[str, list[str]]:
    """What is compared: the same loop, started by each of them."""
    python = Path(sys.executable).parent
    torchrun = [str(python / "torchrun"), "--standalone", f"--nproc-per-node={WORKERS}"]
    found = {"torchrun": [*torchrun, "loop.py", str(told), "1"]}
    jobs = (
        ("function", "function", 1),
        ("function, plain", "function", 1),
        ("script", "script", 1),
        ("ten reports", "function", 10),
    )
    for name, kind, steps in jobs:
        spec = folder / f"{name.replace(' ', '-').replace(',', '')}.yaml"
        spec.write_text(
            f"kind: train\nname: start\nworkers: {WORKERS}\n"
            + SPECS[kind].format(told=told, steps=steps)
            + ("env: {JOURNEYMAN_WARM: '0'}\n" if name.endswith("plain") else "")
        )
        found[name] = [str(python / "journeyman"), "submit", spec.name, "--follow"]
    return found


def memory_while(command: list[str], told: Path, folder: Path) -> dict[str, dict[str, float]]:
    """What processes hold once a job has stepped."""
    (told / "first").unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        deadline_s = time.time() + LIMIT_S
        while not (told / "first").exists() and process.poll() is None and time.time() < deadline_s:
            time.sleep(0.1)
        return shared_memory()


def shared_memory() -> dict[str, dict[str, float]]:
    """Of Ray's workers and the fork server, by their titles: MiB resident, proportional and private."""
    found: dict[str, dict[str, float]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            title = (process / "cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
            whole = (process / "cmdline").read_bytes().decode(errors="replace")
            rolled = (process / "smaps_rollup").read_text()
        except OSError:
            continue
        name = "fork server" if "cluster.warm.server" in whole else title
        if name != "fork server" and not name.startswith("ray::"):
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in rolled.splitlines()[1:]}
        private = sizes["Private_Clean"] + sizes["Private_Dirty"]
        found[name] = {"rss": round(sizes["Rss"]), "pss": round(sizes["Pss"]), "private": round(private)}
    return found


def median(starts: list[Start]) -> dict[str, float]:
    return {
        name: round(statistics.median(asdict(each)[name] for each in starts), 2) for name in asdict(starts[0])
    }


def main(rounds: int) -> None:
    stack = observe(context_home(os.environ))
    with tempfile.TemporaryDirectory() as scratch:
        folder, told = Path(scratch, "code"), Path(scratch, "told")
        folder.mkdir()
        told.mkdir()
        (folder / "loop.py").write_text(LOOP)
        compared = commands(folder, told)
        measure(compared["function"], told, folder)
        deadline_s = time.time() + LIMIT_S
        while "fork server" in observe(context_home(os.environ)).processes and time.time() < deadline_s:
            time.sleep(0.5)
        starts: dict[str, list[Start]] = {name: [] for name in compared}
        for number in range(rounds):
            for name, command in compared.items():
                start = measure(command, told, folder)
                starts[name].append(start)
                print(
                    f"{number + 1} {name}: first step {start.first_step_s:.1f} s, exit {start.exit_s:.1f} s"
                )
        medians = {name: median(each) for name, each in starts.items()}
        peer = medians["torchrun"]
        result = {
            "cpus": stack.logical_cpus,
            "processes": observe(context_home(os.environ)).processes,
            "load": os.getloadavg(),
            "medians": medians,
            "first_step_of_torchrun": {
                name: round(each["first_step_s"] / peer["first_step_s"], 2) for name, each in medians.items()
            },
            "reports_s": round(
                medians["ten reports"]["last_step_s"] - medians["ten reports"]["first_step_s"], 2
            ),
            "end_s": round(medians["function"]["exit_s"] - medians["function"]["last_step_s"], 2),
            "memory_mib": memory_while(compared["ten reports"], told, folder),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
