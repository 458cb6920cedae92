"""A script's process: how it is started, told to end, and what its end is called."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from journeyman.jobs.environment import STOP
from journeyman.jobs.outcome import Cause, RankError
from journeyman.jobs.worker import script
from journeyman.jobs.worker.script import elastic_environment, run_script, why_stop

SAVES = """
import pathlib, signal, sys, time
def stop(number, frame):
    pathlib.Path("saved").write_text(signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("ready").touch()
time.sleep(600)
"""
STAYS = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
pathlib.Path("child").write_text(str(child.pid))
pathlib.Path("ready").touch()
time.sleep(600)
"""  # noqa: E501


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the script runs, as the only rank: what Ray says of ranks is not asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "torchrun_environment", lambda: {"RANK": "0"})
    return tmp_path


def never() -> Cause | None:
    return None


def once_ready(cause: Cause) -> Callable[[], Cause | None]:
    return lambda: cause if Path("ready").exists() else None


def run(line: str, told: Callable[[], Cause | None] = never, grace_s: float = 30.0) -> RankError | None:
    try:
        run_script(line, os.environ, lambda pid: None, grace_s, told)
    except RankError as error:
        return error
    return None


@pytest.mark.parametrize("cause", [Cause.STOPPED, Cause.PREEMPTED])
def test_script_that_is_told_to_end_saves_and_its_end_says_why(folder: Path, cause: Cause) -> None:
    (folder / "train.py").write_text(SAVES)
    ended = run("train.py --lr 0.1", once_ready(cause))
    assert ended is not None
    assert (folder / "saved").read_text() == "SIGTERM"
    assert (ended.message, ended.cause) == ("train.py exited with code 0 after SIGTERM", cause)


def test_script_that_does_not_end_is_killed_after_its_grace_and_all_that_it_started(folder: Path) -> None:
    (folder / "train.py").write_text(STAYS)
    began_s = time.monotonic()
    ended = run("train.py", once_ready(Cause.STOPPED), grace_s=0.5)
    assert ended is not None and time.monotonic() - began_s > 0.5
    assert ended.message == "train.py was ended by SIGKILL after SIGTERM"
    child = int((folder / "child").read_text())
    deadline_s = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("pass", None, None),
        ("raise SystemExit(3)", "-m pkg.train exited with code 3", Cause.USER),
        ("import os; os.kill(os.getpid(), 9)", "-m pkg.train was ended by SIGKILL", Cause.MACHINE),
    ],
)
def test_module_is_started_as_torchrun_does_and_its_end_is_its_own(
    folder: Path, code: str, message: str | None, cause: Cause | None
) -> None:
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "model.py").write_text("")
    (folder / "pkg" / "train.py").write_text(
        "from . import model\nimport os, sys\nassert os.environ['RANK'] == '0'\n"
        f"assert sys.argv[1:] == ['a b']\n{code}"
    )
    ended = run("-m pkg.train 'a b'")
    assert (ended.message if ended else None, ended.cause if ended else None) == (message, cause)


def test_whole_environment_of_torchruns_agent_is_there() -> None:
    told = elastic_environment({"JOURNEYMAN_RUN_ID": "f00", "JOURNEYMAN_ATTEMPT": "3"}, rank=1, ranks=2)
    assert told["TORCHELASTIC_RUN_ID"] == "f00"
    assert (told["TORCHELASTIC_RESTART_COUNT"], told["TORCHELASTIC_USE_AGENT_STORE"]) == ("2", "False")
    assert (told["ROLE_NAME"], told["ROLE_RANK"], told["ROLE_WORLD_SIZE"]) == ("default", "1", "2")


def test_rank_learns_of_its_end_without_asking_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STOP, raising=False)
    for preempted, cause in ((False, None), (True, Cause.PREEMPTED)):
        monkeypatch.setattr(script, "is_preempted", lambda preempted=preempted: preempted)
        assert why_stop() is cause
    monkeypatch.setenv(STOP, "1")
    assert why_stop() is Cause.STOPPED
