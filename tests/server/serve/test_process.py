"""What a replica's process has when Ray's worker starts in it, and what it does without idle time."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from journeyman.serve.control.application import replica_python

# The thread that imported is joined before the machine has let go of it: it may end between two lines.
SCRIPT = """
import os, sys
from contextlib import suppress
policies = []
for thread in os.listdir("/proc/self/task"):
    with suppress(ProcessLookupError):
        policies.append(os.sched_getscheduler(int(thread)))
print(__name__, sys.argv[1:], sys.path[0] == os.path.dirname(os.path.abspath(__file__)))
print("ray.serve._private.replica" in sys.modules, "journeyman.serve.replica.deployment" in sys.modules)
print(policies.count(os.SCHED_OTHER), os.sched_getscheduler(0))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """A program in the place of Ray's worker."""
    (tmp_path / "worker.py").write_text(SCRIPT)
    return tmp_path / "worker.py"


def said(command: list[str], cwd: Path) -> list[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    return subprocess.check_output(command, cwd=cwd, env=environment, text=True).splitlines()


def test_worker_finds_what_it_imports_and_computes_at_full_priority(worker: Path, tmp_path: Path) -> None:
    # A folder of that name beside the process is not to be taken for Ray.
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").touch()
    name, imported, threads = said([*shlex.split(replica_python()), str(worker), "one", "two"], tmp_path)
    assert name == "__main__ ['one', 'two'] True"
    assert imported == "True True"
    # The main thread and the one that numpy computes with.
    assert threads == f"2 {os.SCHED_OTHER}"


def test_worker_starts_without_them_where_there_is_no_time_for_them(worker: Path, tmp_path: Path) -> None:
    hurried = (
        "import sys; from journeyman.serve.replica import process; process._AT_MOST_S = 0; "
        "process.main(sys.argv[1:])"
    )
    name, imported, _ = said([sys.executable, "-c", hurried, str(worker), "one"], tmp_path)
    assert name == "__main__ ['one'] True"
    assert imported == "False False"
