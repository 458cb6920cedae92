"""Verbs that are interrupted, and a submission that several processes try at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from journeyman.client import Client
from journeyman.cluster.local.parts import ray_folder
from journeyman.cluster.local.stack import stop
from journeyman.cluster.settings import load_settings

pytestmark = [pytest.mark.own_stack, pytest.mark.long]

CLI = Path(sys.executable).with_name("journeyman")
LIMIT_S = 120.0
SLOW = """
import time
import mlflow


class Slow(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        time.sleep(8)
        return model_input


mlflow.models.set_model(Slow())
"""
TRIES = """
import os, sys, time, uuid
from pathlib import Path
from journeyman.client import Client
from journeyman.cluster.settings import load_settings

key = uuid.UUID(int=7)
uuid.uuid4 = lambda: key
client = Client(load_settings(os.environ))
while time.time() < float(sys.argv[2]):
    pass
print(client.submit(Path(sys.argv[1])).run_id)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    yield home
    stop(home)
    shutil.rmtree(ray_folder(home), ignore_errors=True)


@pytest.mark.filterwarnings("ignore")  # MLflow's own, while it saves the model.
def test_interrupt_ends_the_waiting_and_nothing_else(home: Path, tmp_path: Path) -> None:
    told = interrupted("up", after=lambda lines: any(line.startswith("ray") for line in lines))
    assert told == "stopped waiting; the stack goes on starting: `journeyman status`, `journeyman down`"
    assert subprocess.run([CLI, "up"], check=False, capture_output=True).returncode == 0

    settings = load_settings(os.environ)
    register_slow(settings.mlflow_url, tmp_path)
    (tmp_path / "service.yaml").write_text(
        yaml.safe_dump({"kind": "service", "name": "slow", "model": "models:/slow/1", "allow_code": True})
    )
    told = interrupted("deploy", str(tmp_path / "service.yaml"), after=lambda lines: len(lines) > 1)
    assert told == "stopped waiting; the order for slow stands: `journeyman service slow`"
    with closing(Client(settings)) as client:
        deadline = time.monotonic() + LIMIT_S
        while (seen := client.service("slow")).phase != "healthy":
            assert time.monotonic() < deadline, f"{seen.phase}: {seen.reason}"
            time.sleep(0.3)
        (tmp_path / "request.json").write_text('{"inputs": [[1.0, 2.0]]}')
        asked = ["query", "slow", "--input", str(tmp_path / "request.json")]
        assert interrupted(*asked, after=lambda lines: False) == "interrupted"
        assert client.query("slow", b'{"inputs": [[1.0, 2.0]]}').status == 200

        (tmp_path / "train.py").write_text("import time\n\n\ndef loop(config):\n    time.sleep(1)\n")
        spec = tmp_path / "train.yaml"
        spec.write_text(yaml.safe_dump({"kind": "train", "name": "once", "entrypoint": "train:loop"}))
        at = str(time.time() + 5)
        tries = [
            subprocess.Popen([sys.executable, "-c", TRIES, spec, at], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        answered = {tried.communicate(timeout=LIMIT_S)[0].strip() for tried in tries}
        while not all(job.ended for job in client.jobs()):
            assert time.monotonic() < deadline + LIMIT_S, client.jobs()
            time.sleep(0.3)
        jobs = client.jobs()
        ran = [job for job in jobs if job.phase == "finished"]
        assert len(ran) == 1 and answered <= {job.run_id for job in jobs}
        twin = f"was submitted twice: it is job {ran[0].run_id[:8]}"
        assert {job.reason for job in jobs if job is not ran[0]} <= {twin}


def interrupted(*arguments: str, after: Callable[[Sequence[str]], bool]) -> str:
    """What a verb says last when Ctrl-C comes once its output is as wanted, or after three seconds."""
    process = subprocess.Popen([CLI, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    lines: list[str] = []
    deadline = time.monotonic() + 3
    while not after(lines) and time.monotonic() < deadline:
        lines += process.stdout.readlines()
        time.sleep(0.1)
    assert process.poll() is None, lines
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


def register_slow(url: str, folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW)
    tensors = Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
    mlflow.pyfunc.save_model(
        folder / "slow",
        python_model=str(folder / "slow.py"),
        signature=ModelSignature(inputs=tensors, outputs=tensors),
        input_example=np.ones((1, 2), np.float32),
        pip_requirements=[],
    )
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    run_id = client.create_run("0").info.run_id
    client.log_artifacts(run_id, str(folder / "slow"), "model")
    client.create_registered_model("slow")
    client.create_model_version("slow", f"{client.get_run(run_id).info.artifact_uri}/model", run_id)
