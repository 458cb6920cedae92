"""What it costs a small model that Serve watches whether whoever asks is still there: one replica, by turns.

Its service goes without the middleware of the local stack, so that a header of the request decides. Prints a
line of each and, last, one line of JSON.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch
from base import Registry, small, wait
from closed_loop import Request, closed_loop
from person import person_with_empty_home, say

CONNECTIONS = 16
ROUNDS = 12
ROUND_S = 1.0
SPEC = """
kind: service
name: asked
model: models:/asked@champion
replicas: 1
engine: onnxruntime
env:
  RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH: ""
"""
JSON = ("content-type", "application/json")
WAYS = {"watched": (JSON,), "unwatched": (JSON, ("x-request-disconnect-disabled", "?1"))}


def replica() -> psutil.Process:
    [found] = [each for each in psutil.process_iter() if "ServeReplica:asked:" in " ".join(each.cmdline())]
    return found


def main() -> None:
    # Ended from outside, it ends its stack first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    torch.set_num_threads(1)
    figures: dict[str, dict[str, float]] = {}
    with person_with_empty_home() as person, tempfile.TemporaryDirectory() as folder:
        say("starting a stack")
        person.types("up")
        mlflow_url = next(part["url"] for part in person.asks("status")["parts"] if part["name"] == "mlflow")
        Registry(mlflow_url).exported("asked", small(), "champion")
        spec = Path(folder) / "asked.yaml"
        spec.write_text(SPEC)
        person.types("deploy", spec)
        wait(lambda: person.asks("service", "asked")["phase"] == "healthy", "the service is healthy")
        url = f"{person.asks('service', 'asked')['url']}/invocations"
        body = json.dumps({"inputs": [[1.0, 2.0, 3.0, 4.0]]}).encode()
        process = replica()
        closed_loop(Request(url, body), CONNECTIONS, ROUND_S)
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        costs: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way, headers in WAYS.items():
                began, began_s = process.cpu_times(), time.monotonic()
                found = closed_loop(Request(url, body, headers), CONNECTIONS, ROUND_S)
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
