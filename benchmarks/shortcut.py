"""What a request of a small model costs on Serve's own way, and past it: two services, by turns.

They answer with the same version; one goes without the middleware of the local stack. Prints a line of each
and, last, one line of JSON.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil
import torch
from base import Registry, small, wait
from closed_loop import Request, closed_loop
from person import Person, person_with_empty_home, say

CONNECTIONS = 16
ROUNDS = 12
ROUND_S = 1.0
SPEC = """
kind: service
name: {name}
model: models:/asked@champion
replicas: 1
engine: onnxruntime
"""
WAYS = {
    "shortcut": "",
    "serve": 'env:\n  RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH: ""\n',
}


def replica(name: str) -> psutil.Process:
    [found] = [each for each in psutil.process_iter() if f"ServeReplica:{name}:" in " ".join(each.cmdline())]
    return found


def healthy(person: Person, name: str) -> bool:
    return bool(person.asks("service", name)["phase"] == "healthy")


def main() -> None:
    # Ended from outside, it ends its stack first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    torch.set_num_threads(1)
    figures: dict[str, dict[str, float]] = {}
    body = json.dumps({"inputs": [[1.0, 2.0, 3.0, 4.0]]}).encode()
    with person_with_empty_home() as person, tempfile.TemporaryDirectory() as folder:
        say("starting a stack")
        person.types("up")
        mlflow_url = next(part["url"] for part in person.asks("status")["parts"] if part["name"] == "mlflow")
        Registry(mlflow_url).exported("asked", small(), "champion")
        urls = {}
        for way, more in WAYS.items():
            spec = Path(folder) / f"{way}.yaml"
            spec.write_text(SPEC.format(name=way) + more)
            person.types("deploy", spec)
            wait(partial(healthy, person, way), "the service is healthy")
            urls[way] = f"{person.asks('service', way)['url']}/invocations"
            closed_loop(Request(urls[way], body), CONNECTIONS, ROUND_S)
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        costs: dict[str, list[float]] = {way: [] for way in WAYS}
        processes = {way: replica(way) for way in WAYS}
        for _ in range(ROUNDS):
            for way, process in processes.items():
                began, began_s = process.cpu_times(), time.monotonic()
                found = closed_loop(Request(urls[way], body), CONNECTIONS, ROUND_S)
                if found.failed:
                    sys.exit(f"{found.failed} requests failed")
                ended, took_s = process.cpu_times(), time.monotonic() - began_s
                used_s = ended.user + ended.system - began.user - began.system
                rates[way].append(found.per_s)
                costs[way].append(used_s / (found.per_s * took_s) * 1e6)
    for way in WAYS:
        figures[way] = {
            "rps": round(statistics.median(rates[way]), 1),
            "cpu_us": round(statistics.median(costs[way]), 1),
        }
        rps, cpu_us = figures[way].values()
        print(f"{way:<10} {rps:>8.1f} requests/s  {cpu_us:>6.1f} µs of the replica's processor time each")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
