"""What a request waits for a program that imports beside it: at each priority that the program can have.

A small model as `deploy` serves it is asked 20 times a second. Beside it, by turns, runs nothing, or what
imports torch and MLflow over and over, as a replica does that starts. Prints a table and, last, one line of
JSON.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch
from base import BODY, Registry, deploy, small
from load import Sample, SteadyLoad
from person import person_with_empty_home, say

PER_S = 20.0
ROUNDS = 6
TURN_S = 7.0
SETTLED_S = 20.0
"""The race of the service's engines is over by then."""
IMPORTS = ("bash", "-c", 'while true; do "$0" -c "import torch, mlflow"; done', sys.executable)
BESIDE: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "usual": IMPORTS,
    "nice_15": ("nice", "-n", "15", *IMPORTS),
    "idle_time": (
        sys.executable,
        "-c",
        "import os, sys; from journeyman.cluster.priority import use_idle_time; use_idle_time(); "
        "os.execvp(sys.argv[1], sys.argv[1:])",
        *IMPORTS,
    ),
}


def turn(command: Sequence[str], load: SteadyLoad) -> list[Sample]:
    """The requests of one turn, beside the command in a session of its own."""
    beside = subprocess.Popen(command, start_new_session=True) if command else None
    try:
        time.sleep(0.5)
        began_s = time.monotonic()
        time.sleep(TURN_S)
        return load.between(began_s, time.monotonic() - 0.2)
    finally:
        if beside is not None:
            os.killpg(beside.pid, signal.SIGKILL)
            beside.wait()


def main() -> None:
    # Ended from outside, it ends its stack first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    samples: dict[str, list[Sample]] = {name: [] for name in BESIDE}
    with person_with_empty_home() as person:
        say("starting a stack")
        person.types("up")
        parts = person.asks("status")["parts"]
        registry = Registry(next(part["url"] for part in parts if part["name"] == "mlflow"))
        registry.exported("small", small(), "champion", torch.rand(2, 4))
        url = deploy(person, "small", 1)
        time.sleep(SETTLED_S)
        with SteadyLoad(url, BODY, PER_S) as load:
            for number in range(ROUNDS):
                for name, command in BESIDE.items():
                    samples[name] += turn(command, load)
                say(f"round {number + 1} of {ROUNDS}")
    told = {}
    print(f"{'beside it':<12}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}{'failed':>8}")
    for name, seen in samples.items():
        quantiles = statistics.quantiles([1000 * sample.took_s for sample in seen], n=100)
        failed = sum(sample.version == "" for sample in seen)
        told[name] = {f"p{at}_ms": round(quantiles[at - 1], 1) for at in (50, 90, 99)} | {"failed": failed}
        print(f"{name:<12}{quantiles[49]:>9.1f}{quantiles[89]:>9.1f}{quantiles[98]:>9.1f}{failed:>8}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
