"""The examples run as their files say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from journeyman.client import Client
from journeyman.cluster.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 480.0


def test_demo_reads_digits_over_http(stack: Settings) -> None:
    """On the shared stack, which `up` in the demo joins."""
    demo = [sys.executable, str(EXAMPLES / "digits" / "demo.py")]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Accuracy over HTTP: 9" in done.stdout
    assert "is running already" in done.stdout
    client = Client(stack)
    try:
        assert client.service("digits").serving_version == "1"
        client.undeploy("digits")
    finally:
        client.close()
