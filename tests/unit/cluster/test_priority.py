"""Who uses idle time does so with all that it starts, and nobody else does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from journeyman.cluster.priority import GIVES_WAY, give_way, use_idle_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")


def test_thread_that_uses_idle_time_does_so_alone_and_with_what_it_starts() -> None:
    told = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
    with ThreadPoolExecutor(1, initializer=use_idle_time) as idle:
        started = idle.submit(subprocess.check_output, told).result()
    assert int(started) == os.SCHED_IDLE
    assert int(subprocess.check_output(told)) == os.SCHED_OTHER


def test_sandbox_that_knows_no_idle_time_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    told = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0), os.nice(0))"]
    with ThreadPoolExecutor(1, initializer=use_idle_time) as idle:
        started = idle.submit(subprocess.check_output, told).result()
    assert started.split() == [b"%d" % os.SCHED_OTHER, b"19"]


def test_module_runs_as_a_program_in_idle_time(tmp_path: Path) -> None:
    code = "import os, sys\nprint(__name__, os.sched_getscheduler(0), os.nice(0), sys.argv[1:])\n"
    (tmp_path / "asked.py").write_text(code)
    command = [sys.executable, "-m", "journeyman.cluster.priority", "asked", "one", "two"]
    said = subprocess.check_output(command, cwd=tmp_path, text=True)
    assert said == f"__main__ {os.SCHED_IDLE} 19 ['one', 'two']\n"


def test_thread_that_gives_way_keeps_the_usual_policy() -> None:
    told = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0), os.nice(0))"]
    with ThreadPoolExecutor(1, initializer=give_way) as giving:
        started = giving.submit(subprocess.check_output, told).result()
    assert started.split() == [b"%d" % os.SCHED_OTHER, b"%d" % GIVES_WAY]
