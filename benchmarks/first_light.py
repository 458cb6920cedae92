"""The first minutes with Journeyman, measured as a person has them: through the CLI, on a stack of its own.

Prints a table and, last, one line of JSON. Times are wall clock; medians where a command is run often.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from person import LIMIT_S, POLL_S, ROOT, Person, person_with_empty_home, say

DIGITS = ROOT / "examples" / "digits"
REPEATS = 5
IMAGE = [[0.0] * 64]

MEANINGS = {
    "demo_s": "the whole demo, from no stack to the accuracy",
    "up_s": "`up`, in an empty home folder",
    "down_s": "`down`, a service running",
    "help_ms": "`--help`",
    "jobs_ms": "`jobs`, stack warm",
    "submit_to_first_step_s": "from `submit` to the first point of the loss",
    "cancel_s": "from `cancel` of a running job to its end",
    "deploy_to_first_answer_s": "from `deploy` to the first answer over HTTP",
}

LONG_JOB = {
    "train.yaml": "kind: train\nname: long\nentrypoint: train:train_loop\nworkers: 2\n",
    "train.py": "import time\n\n\ndef train_loop(config):\n    time.sleep(3600)\n",
}


def measure_piece_by_piece(person: Person) -> dict[str, float]:
    measured = {"help_ms": times_often(person, "--help")}
    say("starting a stack")
    measured["up_s"] = person.times("up")
    say("training digits")
    measured["submit_to_first_step_s"] = submit_to_first_step_s(person)
    person.waits_for_phase("digits", "finished")
    measured["jobs_ms"] = times_often(person, "jobs")
    say("deploying digits")
    measured["deploy_to_first_answer_s"] = deploy_to_first_answer_s(person)
    say("cancelling a long job")
    measured["cancel_s"] = cancel_s(person)
    say("stopping the stack")
    measured["down_s"] = person.times("down", "--yes")
    return measured


def times_often(person: Person, *arguments: str) -> float:
    """Milliseconds, the median of REPEATS after one that warms the disk's cache."""
    person.types(*arguments)
    return 1000 * statistics.median(person.times(*arguments) for _ in range(REPEATS))


def submit_to_first_step_s(person: Person) -> float:
    """By the clock of the worker that logged the first loss, which is this machine's."""
    begin = time.time()
    person.types("submit", DIGITS / "train.yaml", "--follow")
    run_id = person.asks("job", "digits")["run_id"]
    mlflow_url = next(part["url"] for part in person.asks("status")["parts"] if part["name"] == "mlflow")
    answer = httpx.get(
        f"{mlflow_url}/api/2.0/mlflow/metrics/get-history", params={"run_id": run_id, "metric_key": "loss"}
    )
    points: list[Mapping[str, Any]] = answer.raise_for_status().json()["metrics"]
    return min(int(point["timestamp"]) for point in points) / 1000 - begin


def deploy_to_first_answer_s(person: Person) -> float:
    begin = time.perf_counter()
    person.types("deploy", DIGITS / "service.yaml")
    url = person.asks("service", "digits")["url"]
    while time.perf_counter() - begin < LIMIT_S:
        try:
            answer = httpx.post(f"{url}/invocations", json={"inputs": IMAGE}, timeout=LIMIT_S)
        except httpx.TransportError:
            pass
        else:
            if answer.status_code == httpx.codes.OK:
                return time.perf_counter() - begin
        time.sleep(POLL_S)
    sys.exit(f"{url} gives no answer after {LIMIT_S:.0f} s")


def cancel_s(person: Person) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in LONG_JOB.items():
            (Path(folder) / name).write_text(text)
        person.types("submit", Path(folder) / "train.yaml")
    person.waits_for_phase("long", "running")
    begin = time.perf_counter()
    person.types("cancel", "long", "--yes")
    person.waits_for_phase("long", "cancelled")
    return time.perf_counter() - begin


def demo_s(person: Person) -> float:
    say("running the demo from no stack")
    begin = time.perf_counter()
    person.runs(sys.executable, DIGITS / "demo.py")
    return time.perf_counter() - begin


def main() -> None:
    with person_with_empty_home() as person:
        measured = measure_piece_by_piece(person)
    with person_with_empty_home() as person:
        measured["demo_s"] = demo_s(person)
    for key, meaning in MEANINGS.items():
        print(f"{key:<26} {measured[key]:>8.1f}   {meaning}")
    print(json.dumps({key: round(measured[key], 2) for key in MEANINGS}))


if __name__ == "__main__":
    main()
