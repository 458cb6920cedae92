"""The demo: trains on handwritten digits, serves the model and asks it, by `journeyman` commands alone.

Exits 0 when the service reads at least 95 % of the held-out digits, asked over HTTP.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from data import Digits, load
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = Path("examples/digits")
QUERY = Path(".demo/held_out.json")
JOURNEYMAN = Path(sys.executable).with_name("journeyman")

ACCURACY_NEEDED = 0.95
ROLLOUT_LIMIT_S = 120
POLL_S = 1.0
DRAWN_MOST = 8
DRAWN_WIDTH = 18
"""Characters of one image and the gap to the next."""
SHADES = " ░▒▓█"


def main() -> int:
    digits = load()
    journeyman("up")
    journeyman("submit", f"{EXAMPLE}/train.yaml", "--follow")
    job = ask("job", "digits", "--json")
    journeyman("deploy", f"{EXAMPLE}/service.yaml")
    service = wait_until_served(job["model_version"])

    (ROOT / QUERY).parent.mkdir(exist_ok=True)
    (ROOT / QUERY).write_text(json.dumps({"inputs": digits.test_images.tolist()}))
    answer = ask("query", "digits", "--input", str(QUERY))
    predictions = np.asarray(answer["predictions"]).argmax(axis=1)

    draw(digits, predictions)
    right = int((predictions == digits.test_labels).sum())
    accuracy = right / len(digits.test_labels)
    print(
        f"\nAccuracy over HTTP: {accuracy:.1%} ({right} of {len(predictions)} held-out images read right)\n"
    )
    show_where(job, service)
    if accuracy < ACCURACY_NEEDED:
        print(f"\nThat is less than the {ACCURACY_NEEDED:.0%} this demo asks for.", file=sys.stderr)
        return 1
    return 0


def journeyman(*arguments: str) -> None:
    """Run one command before the person's eyes; where it fails, the demo ends with its exit code."""
    echo(*arguments)
    end_unless_done(subprocess.run([JOURNEYMAN, *arguments], cwd=ROOT, check=False).returncode)


def ask(*arguments: str, quietly: bool = False) -> dict[str, Any]:
    """What a command answers in JSON."""
    if not quietly:
        echo(*arguments)
    done = subprocess.run([JOURNEYMAN, *arguments], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    end_unless_done(done.returncode)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def echo(*arguments: str) -> None:
    print("\n$ journeyman", *arguments, flush=True)


def end_unless_done(exit_code: int) -> None:
    if exit_code:
        print("\nThe demo ends here. What runs still runs; `make down` stops it.", file=sys.stderr)
        sys.exit(exit_code)


def wait_until_served(model_version: str) -> dict[str, Any]:
    """The service, once the version that the job published is the one it answers with."""
    wanted = model_version.rpartition("/")[2]
    service = ask("service", "digits", "--json")
    deadline = time.monotonic() + ROLLOUT_LIMIT_S
    while str(service["serving_version"] or "").rpartition("/")[2] != wanted:
        if time.monotonic() > deadline:
            print(
                f"\nThe service does not answer with version {wanted}: {service['reason']}", file=sys.stderr
            )
            end_unless_done(1)
        time.sleep(POLL_S)
        service = ask("service", "digits", "--json", quietly=True)
    print(f"The service answers with version {wanted} of the model.")
    return service


def draw(digits: Digits, predictions: NDArray[np.int64]) -> None:
    """As many held-out images as fit side by side; the first that were misread, if any, come last."""
    drawn_most = max(1, min(DRAWN_MOST, (shutil.get_terminal_size().columns + 2) // DRAWN_WIDTH))
    misread = np.flatnonzero(predictions != digits.test_labels)[: drawn_most // 4]
    others = np.flatnonzero(predictions == digits.test_labels)[: drawn_most - len(misread)]
    drawn = [*others, *misread]
    shades = np.clip(digits.test_images[drawn] * len(SHADES) // 17, 0, len(SHADES) - 1).astype(int)
    print()
    for row in range(8):
        lines = [
            # Twice as wide as high, as characters are not.
            "".join(SHADES[shade] * 2 for shade in image[row * 8 : row * 8 + 8])
            for image in shades
        ]
        print("  ".join(lines).rstrip())
    said = [f"read {predictions[i]}, is {digits.test_labels[i]}" for i in drawn]
    marks = [" ✗" if i in misread else "" for i in drawn]
    print("  ".join(f"{text + mark:<16}" for text, mark in zip(said, marks, strict=True)).rstrip())


def show_where(job: dict[str, Any], service: dict[str, Any]) -> None:
    status = ask("status", "--json")
    parts = {part["name"]: part["url"] for part in status["parts"]}
    print()
    print(f"  The run in MLflow   {job['url']}")
    print(f"  The model           {parts['mlflow']}/#/models/digits?workflowType=machine_learning")
    print(f"  The service's run   {service['page_url']}")
    print(f"  The endpoint        {service['url']}")
    print(f"  Ray's dashboard     {parts['ray']}")
    print()
    print("  Stop everything with `make down`; `make demo` again trains the next version.")


if __name__ == "__main__":
    sys.exit(main())
