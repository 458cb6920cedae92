"""Which process may be forked, and what is said of how processes start."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from journeyman.cluster.warm import node
from journeyman.cluster.warm.command import warm_python
from journeyman.cluster.warm.imports import recorded_reads, unlike
from journeyman.cluster.warm.node import OFF, STARTING, WARM, State
from journeyman.cluster.warm.told import read_states, start_in_words


@pytest.mark.parametrize(
    ("there", "wanted", "differing"),
    [
        ({}, {}, []),
        ({}, {"OF_A_JOB": "1"}, []),
        ({}, {"READ": "1"}, ["READ"]),
        ({"READ": "1"}, {}, ["READ"]),
        ({"READ": "1"}, {"READ": "1"}, []),
        ({}, {"LD_PRELOAD": ""}, []),
        ({"LANG": ""}, {}, ["LANG"]),
        ({}, {"LD_PRELOAD": "x", "MALLOC_ARENA_MAX": "2"}, ["LD_PRELOAD", "MALLOC_ARENA_MAX"]),
        ({"HOME": "/a"}, {"HOME": "/b", "LANG": "C"}, ["HOME", "LANG"]),
        ({}, {"PYTHONBREAKPOINT": "ray.util.rpdb.set_trace"}, []),
        ({}, {"OMP_NUM_THREADS": "1", "PYTHONPATH": "/x", "TMPDIR": "/y", "MLFLOW_TRACKING_URI": "z"}, []),
        ({}, {"OMP_PLACES": "cores", "PYTHONWARNINGS": "error"}, ["OMP_PLACES", "PYTHONWARNINGS"]),
    ],
)
def test_variable_that_would_have_been_read_decides(
    there: dict[str, str], wanted: dict[str, str], differing: list[str]
) -> None:
    assert unlike({"READ"}, there, wanted) == differing


def test_reads_are_recorded_and_copies_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", "1")
    monkeypatch.setenv("COPIED", "1")
    with recorded_reads() as read:
        assert os.environ["THERE"] == "1"
        assert os.environ.get("MISSING") is None
        assert "ASKED" not in os.environ
        assert dict(os.environ)["COPIED"] == os.environ.copy()["COPIED"] == "1"
    os.environ.get("LATER")
    assert read == {"THERE", "MISSING", "ASKED"}


STATE = State(state=WARM, reason="", pid=7, stack="s/ray", since_s=1.0)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], "plainly: no worker has started a fork server yet"),
        ([STATE], "warm"),
        ([STATE._replace(refused="LD_PRELOAD is set")], "warm; one did not: LD_PRELOAD is set"),
        (
            [STATE._replace(state=STARTING, reason="imports what its children need")],
            "plainly: the fork server imports what its children need",
        ),
        ([STATE._replace(state=OFF, reason="it starts threads", pid=0)], "plainly: it starts threads"),
        ([STATE._replace(pid=8)], "plainly: the fork server has ended, the next worker starts one"),
        ([STATE._replace(state=OFF, reason="old"), STATE._replace(since_s=2.0)], "warm"),
    ],
)
def test_how_processes_start_is_said(states: list[State], words: str) -> None:
    assert start_in_words(states, [7]) == words


def test_states_of_a_stack_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "folder_of", lambda user: str(tmp_path))
    assert read_states("s/ray") == []
    for name, state in {
        "1": STATE,
        "2": STATE._replace(stack="other/ray"),
        "3": STATE._replace(since_s=0.0),
    }.items():
        node.Node(str(tmp_path), name).write(state)
    (tmp_path / "4.json").write_text('{"state": 1}')
    (tmp_path / "5.json").write_text("no")
    assert [each.since_s for each in read_states("s/ray")] == [0.0, 1.0]


def test_folder_that_others_can_read_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "folder_of", lambda user: str(tmp_path / "folder"))
    assert node.private_folder() == str(tmp_path / "folder")
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    (tmp_path / "folder").chmod(0o755)
    with pytest.raises(PermissionError, match="not this user's alone"):
        node.private_folder()
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        node.private_folder()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process starts plainly")
@pytest.mark.parametrize(
    ("told", "loaded"), [({}, None), ({"RAY_LD_PRELOAD_ON_WORKERS": "1"}, "/nowhere/liballocator.so")]
)
def test_allocator_of_rays_servers_is_theirs_alone(told: dict[str, str], loaded: str | None) -> None:
    environment = {"LD_PRELOAD": "/nowhere/liballocator.so", "A": "b=c", **told}
    pipe = subprocess.PIPE
    with subprocess.Popen(["/bin/cat"], env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as raylet:
        assert raylet.stdin is not None and raylet.stdout is not None
        # Once it answers it has its environment.
        raylet.stdin.write(b"there?\n")
        raylet.stdin.flush()
        assert raylet.stdout.readline() == b"there?\n"
        found = node.environment_of(raylet.pid)
        raylet.stdin.close()
    assert (found.get("LD_PRELOAD"), found["A"]) == (loaded, "b=c")


def test_stamp_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journeyman" / "below").mkdir(parents=True)
    (tmp_path / "journeyman" / "below" / "one.py").touch()
    monkeypatch.setattr(node, "package_root", lambda: str(tmp_path))
    before = node.stamp()
    assert node.stamp() == before
    os.utime(tmp_path / "journeyman" / "below" / "one.py", (1, 1))
    changed = node.stamp()
    (tmp_path / "journeyman" / "two.py").touch()
    assert len({before, changed, node.stamp()}) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process starts plainly")
def test_launcher_is_the_plain_command_where_there_is_no_node(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sys\nprint(sys.argv[1:], sys.flags.isolated, 'json' in sys.modules)\n"
    )
    (tmp_path / "json.py").touch()
    command = [*shlex.split(warm_python("program.py")), "one", "two words"]
    assert subprocess.check_output(command, cwd=tmp_path, text=True) == "['one', 'two words'] 0 False\n"
