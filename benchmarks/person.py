"""Someone who types `journeyman` commands on a stack of their own: what the benchmarks measure through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
JOURNEYMAN = Path(sys.executable).with_name("journeyman")
POLL_S = 0.1
LIMIT_S = 300.0


class Person:
    """Has a home folder of their own."""

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


def say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)
