"""The first minutes with Journeyman, measured as a person has them: through the CLI, on a stack of its own.

Prints a table and, last, one line of JSON. Times are wall clock; medians where a command is run often.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
JOURNEYMAN = Path(sys.executable).with_name("journeyman")

REPEATS = 5
POLL_S = 0.1
LIMIT_S = 300.0
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


class Person:
    """Someone with a home folder of their own who types `journeyman` commands."""

    def __init__(self, home: Path) -> None:
        # A stack of its own: not one that the environment points to.
        theirs = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
        self.environment = {k: v for k, v in os.environ.items() if k not in theirs}
        self.environment["JOURNEYMAN_HOME"] = str(home)

    def runs(self, *command: str | Path) -> str:
        """What the command prints; where it fails the benchmark ends, and shows why."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(
                f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def types(self, *arguments: str | Path) -> str:
        return self.runs(JOURNEYMAN, *arguments)

    def asks(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.types(*arguments, "--json"))
        return answer

    def times(self, *arguments: str | Path) -> float:
        """Seconds that a command takes."""
        begin = time.perf_counter()
        self.types(*arguments)
        return time.perf_counter() - begin

    def times_often(self, *arguments: str) -> float:
        """Milliseconds, the median of REPEATS after one that warms the disk's cache."""
        self.types(*arguments)
        return 1000 * statistics.median(self.times(*arguments) for _ in range(REPEATS))

    def waits_for_phase(self, job: str, *phases: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while (seen := self.asks("job", job)["phase"]) not in phases:
            if time.monotonic() > deadline:
                sys.exit(f"job {job} is {seen} after {LIMIT_S:.0f} s, not {' or '.join(phases)}")
            time.sleep(POLL_S)


@contextmanager
def person_with_empty_home() -> Iterator[Person]:
    """Whatever happens inside, their stack is stopped after."""
    with tempfile.TemporaryDirectory(prefix="journeyman-bench-") as home:
        person = Person(Path(home))
        try:
            yield person
        finally:
            stop = [JOURNEYMAN, "down", "--yes"]
            subprocess.run(stop, env=person.environment, check=False, capture_output=True)


def measure_piece_by_piece(person: Person) -> dict[str, float]:
    measured = {"help_ms": person.times_often("--help")}
    say("starting a stack")
    measured["up_s"] = person.times("up")
    say("training digits")
    measured["submit_to_first_step_s"] = submit_to_first_step_s(person)
    person.waits_for_phase("digits", "finished")
    measured["jobs_ms"] = person.times_often("jobs")
    say("deploying digits")
    measured["deploy_to_first_answer_s"] = deploy_to_first_answer_s(person)
    say("cancelling a long job")
    measured["cancel_s"] = cancel_s(person)
    say("stopping the stack")
    measured["down_s"] = person.times("down", "--yes")
    return measured


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


def say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


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
