"""A process that a fork server made is what Python would have started, or Python starts it."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journeyman.cluster.warm import launcher, node, wire
from journeyman.cluster.warm.condition import conditions
from journeyman.cluster.warm.node import OFF, STARTING, WARM, Node, State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process starts plainly")

LAUNCHER = [sys.executable, "-I", "-S", launcher.__file__]
PATIENT = (
    f"import sys; sys.path.append({node.package_root()!r}); from journeyman.cluster.warm import launcher; "
    "launcher.ANSWER_S = launcher.READY_S = 120; launcher.main()"
)
PATIENT_LAUNCHER = [sys.executable, "-I", "-S", "-c", PATIENT]
"""Waits for a fork server however full this machine is."""
STARTS_S = 500.0
WORKER = "--worker-id=00ff"
REGISTERS = """
import sys, types
ray = types.ModuleType("ray")
ray.is_initialized = lambda: True
sys.modules["ray"] = ray
"""
"""What Ray's worker does, as far as anybody sees it."""


class Warm:
    """A fork server whose raylet is this process, and what asks it."""

    def __init__(self) -> None:
        # As this process was started: what it has set since would be a job's.
        self.environment = {
            **node.environment_of(os.getpid()),
            "RAY_RAYLET_PID": str(os.getpid()),
            node.RAYLET: str(os.getpid()),
        }

    @property
    def node(self) -> Node:
        return node.node_of(os.getpid())

    @property
    def told(self) -> State:
        told = self.node.read()
        assert told is not None
        return told

    def start(self) -> None:
        """The first worker of a node has it started, and starts plainly."""
        self.run("-m", "platform", WORKER)
        wait_for(lambda: self.node.read() is not None and self.told.state != STARTING, STARTS_S)
        assert self.told.state == WARM, f"{self.told.reason}\n{Path(self.node.log).read_text()}"

    def end(self) -> None:
        os.kill(self.told.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{self.told.pid}").exists())
        for path in (self.node.socket, self.node.told):
            Path(path).unlink(missing_ok=True)

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        environment = self.environment | options.pop("environment", {})
        return subprocess.Popen(
            [*(LAUNCHER if options.pop("hasty", False) else PATIENT_LAUNCHER), *command],
            env=environment,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def run(self, *command: str, **options: Any) -> tuple[int, str, str]:
        process = self.popen(*command, **options)
        out, err = process.communicate(timeout=400)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    found = Warm()
    found.start()
    yield found
    found.end()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        (tmp_path / "program.py").write_text(text)
        return str(tmp_path / "program.py")

    return write


def wait_for(there: Callable[[], object], limit_s: float = 240.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not there():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return "(zombie)" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


FORKED = (
    "import os, sys; from pathlib import Path; parent = Path(f'/proc/{os.getppid()}/cmdline').read_bytes()\n"
    + ("sys.stdout.write(f\"{'forked' if b'warm.server' in parent else 'plain'}\\n\"); sys.stdout.flush()\n")
)
"""Prints how it was started."""

LOOKS = """
import gc, json, locale, logging, os, resource, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path

def fields(path, names):
    lines = dict(line.split(":", 1) for line in Path(path).read_text().splitlines())
    return {name: lines[name].strip() for name in names}

def files():
    found = {}
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            flags = fields(f"/proc/self/fdinfo/{number}", ["flags"])["flags"]
            found[number] = [os.readlink(f"/proc/self/fd/{number}"), flags, os.get_inheritable(number)]
        except OSError:
            pass
    return found

seen = {
    "environment": dict(os.environ),
    "of C": sorted(subprocess.check_output(["env", "-0"]).decode("latin-1").split(chr(0))),
    "folder": os.getcwd(),
    "arguments": [sys.argv, sys.orig_argv, sys.executable],
    "shown": Path("/proc/self/cmdline").read_bytes().rstrip(b" \\0").decode(),
    "path": [sys.path, sys.flags.__repr__(), sys.warnoptions, sys.dont_write_bytecode],
    "files": files(),
    "streams": [
        [stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.name]
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "main": {
        name: repr(value).partition(" at 0x")[0]
        for name, value in vars(sys.modules["__main__"]).items() if name.startswith("__")
    },
    "main's name": [__name__, sys.modules["__main__"].__dict__ is globals()],
    "signals": [repr(signal.getsignal(each)) for each in sorted(signal.valid_signals())],
    "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "process": [
        os.getpgid(0) == int(sys.argv[1]) if len(sys.argv) > 1 else None,
        os.getsid(0) == int(sys.argv[2]) if len(sys.argv) > 2 else None,
    ],
    "limits": {
        name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name[:7] == "RLIMIT_"
    },
    "priority": [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)],
    "processors": sorted(os.sched_getaffinity(0)),
    "status": fields("/proc/self/status", [
        "Name", "Umask", "Uid", "Gid", "Groups", "SigBlk", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd",
        "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed", "SigPnd", "ShdPnd",
    ]),
    "score": Path("/proc/self/oom_score_adj").read_text(),
    "cgroup": Path("/proc/self/cgroup").read_text(),
    "spaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")},
    "core": [Path("/proc/self/coredump_filter").read_text(), resource.getrlimit(resource.RLIMIT_CORE)],
    "temporary": tempfile.gettempdir(),
    "zone": [time.tzname, time.timezone],
    "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding()],
    "interpreter": [
        sys.getrecursionlimit(), sys.getswitchinterval(), sys.excepthook is sys.__excepthook__,
        gc.isenabled(), gc.get_threshold(), sys.gettrace(), sys.getprofile(), threading.excepthook.__name__,
        threading.current_thread() is threading.main_thread(), threading.main_thread().name,
        sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__, sys.displayhook is sys.__displayhook__,
    ],
    "logging": [repr(logging.getLogger().handlers), logging.getLogger().level, logging.root.manager.disable],
    "loaded": [name in sys.modules for name in ("torch", "numpy", "ray", "torch.nn", "onnxruntime")],
}
# Of the signals that the C library keeps for itself, it takes one with a process's first thread.
seen["status"]["SigCgt"] = int(seen["status"]["SigCgt"], 16) & ~(0b11 << 31)
os.environ["OMP_NUM_THREADS"] = os.environ.get("LATER", os.environ.get("OMP_NUM_THREADS", "2"))
from torch.nn import Linear
import numpy, numpy.linalg, scipy.linalg, torch
from threadpoolctl import threadpool_info
seen["threads"] = {
    "torch": [torch.get_num_threads(), torch.get_num_interop_threads()],
    "modules": [[each.__spec__.origin, type(each.__loader__).__name__] for each in (torch, numpy)],
    "blas": [each["num_threads"] for each in threadpool_info() if each["internal_api"] == "openblas"],
    "openmp of torch": [each["num_threads"] for each in threadpool_info() if "torch" in each["filepath"]],
}
seen["torch"] = [str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.cuda.is_initialized()]
print(json.dumps(seen))
"""

CONDITIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "another folder, mask and files": {"umask": 0o027, "pass": 9},
    "lower limits and priority": {"nice": 5, "limits": {"RLIMIT_NOFILE": (512, 512), "RLIMIT_CORE": (0, 0)}},
    "signals ignored and blocked": {
        "ignored": [signal.SIGUSR1, signal.SIGHUP, signal.SIGINT],
        "blocked": [signal.SIGUSR2],
    },
    "one processor, for batches": {"policy": os.SCHED_BATCH, "processors": {0}},
    "a session of its own": {"session": True},
    "killed first for want of memory": {"score": "700"},
}


def in_conditions(wanted: dict[str, Any]) -> Callable[[], None]:
    """What happens between fork and exec of who is started there."""

    def prepare() -> None:
        if wanted.get("session"):
            os.setsid()
        os.umask(wanted.get("umask", 0o022))
        os.nice(wanted.get("nice", 0))
        for name, limits in wanted.get("limits", {}).items():
            resource.setrlimit(getattr(resource, name), limits)
        for number in wanted.get("ignored", ()):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted.get("blocked", ()))
        if "policy" in wanted:
            os.sched_setscheduler(0, wanted["policy"], os.sched_param(0))
        if "processors" in wanted:
            os.sched_setaffinity(0, wanted["processors"])
        if "score" in wanted:
            Path("/proc/self/oom_score_adj").write_text(wanted["score"])
        if "pass" in wanted:
            os.dup2(os.open("/dev/null", os.O_RDWR), wanted["pass"], inheritable=True)

    return prepare


@pytest.mark.parametrize("name", CONDITIONS)
def test_forked_process_is_what_python_would_have_started(
    warm: Warm, program: Callable[[str], str], tmp_path: Path, name: str
) -> None:
    wanted = CONDITIONS[name]
    (tmp_path / "beside").mkdir()
    (tmp_path / "temporary").mkdir()
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "beside"), warm.environment.get("PYTHONPATH", "")]),
        "TMPDIR": str(tmp_path / "temporary"),
        "TZ": "Asia/Tokyo",
        "OF_A_JOB": "naïve\udcff",
        **({"OMP_NUM_THREADS": "1"} if name == "usual" else {"LATER": "3"}),
    }
    path = program(LOOKS)
    seen = {}
    for how in ("forked", "plain"):
        environment[node.SWITCH] = "1" if how == "forked" else "0"
        out = tmp_path / "out"
        with out.open("w") as stdout:
            process = warm.popen(
                path,
                environment=environment,
                cwd=tmp_path / "beside",
                preexec_fn=in_conditions(wanted),
                pass_fds=[wanted["pass"]] if "pass" in wanted else [],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
            )
            process.wait(400)
        assert process.returncode == 0, out.read_text()
        seen[how] = json.loads(out.read_text())
    for each in seen.values():
        del each["environment"][node.SWITCH]
        each["of C"] = [line for line in each["of C"] if not line.startswith(node.SWITCH)]
    forked, plain = seen["forked"], seen["plain"]
    # What tells the launcher of its end, and what ends it with the launcher.
    own = [number for number in forked["files"] if number not in plain["files"]]
    assert [forked["files"].pop(number)[0].partition(":")[0] for number in own] == ["socket", "pipe"]
    # This file's handler of SIGINT is the interpreter's too.
    for item in plain:
        assert forked[item] == plain[item], item


def test_children_of_one_fork_server_draw_each_their_own(warm: Warm, program: Callable[[str], str]) -> None:
    path = program(
        "import json, random, tempfile, uuid, numpy, secrets, torch, sympy.core.random\n"
        "print(json.dumps([random.random(), numpy.random.random(), str(uuid.uuid4()), tempfile.mktemp(), "
        "secrets.token_hex(), torch.initial_seed(), torch.rand(1).item(), "
        "sympy.core.random.rng.random()]))"
    )
    first, second = (json.loads(warm.run(path)[1]) for _ in range(2))
    assert [one for one, other in zip(first, second, strict=True) if one == other] == []


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_is_the_launchers(warm: Warm, program: Callable[[str], str], code: int) -> None:
    assert warm.run(program(f"{FORKED}sys.exit({code})")) == (code, "forked\n", "")


def test_what_nobody_caught_is_told_as_python_tells_it(warm: Warm, program: Callable[[str], str]) -> None:
    path = program(f"{FORKED}\ndef asked():\n    raise ValueError('no')\nasked()\n")
    plain = warm.run(path, environment={node.SWITCH: "0"})
    forked = warm.run(path)
    assert (plain[0], plain[1]) == (1, "plain\n")
    assert forked == (1, "forked\n", plain[2])


def test_text_of_an_exit_is_told(warm: Warm, program: Callable[[str], str]) -> None:
    assert warm.run(program(f"{FORKED}sys.exit('so')")) == (1, "forked\n", "so\n")


def test_callbacks_and_threads_are_waited_for(warm: Warm, program: Callable[[str], str]) -> None:
    path = program(
        f"{FORKED}import atexit, threading, time\n"
        "atexit.register(print, 'at exit')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
    )
    assert warm.run(path) == (0, "forked\nthread\nat exit\n", "")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_launcher_ends_by_the_signal_that_ended_its_child(
    warm: Warm, program: Callable[[str], str], number: signal.Signals
) -> None:
    path = program(f"{FORKED}import sys\nsys.modules['ray'] = None\nos.kill(os.getpid(), {int(number)})")
    path = program(f"{REGISTERS}{FORKED}import time; time.sleep(0.3); os.kill(os.getpid(), {int(number)})")
    assert warm.run(path) == (-number, "forked\n", "")
    assert warm.told.state == WARM


def test_signals_reach_the_child(warm: Warm, program: Callable[[str], str]) -> None:
    path = program(
        f"{FORKED}import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "sys.stdout.write('ready\\n'); sys.stdout.flush(); time.sleep(60)"
    )
    with warm.popen(path) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["forked\n", "ready\n"]
        process.terminate()
        assert process.wait(240) == 7


def test_child_and_what_it_started_end_with_a_launcher_that_is_killed(
    warm: Warm, program: Callable[[str], str]
) -> None:
    path = program(
        f"{FORKED}import subprocess, time\n"
        "started = subprocess.Popen(['sleep', '60'])\n"
        "sys.stdout.write(f'{os.getpid()} {started.pid}\\n'); sys.stdout.flush(); time.sleep(60)"
    )
    # As the driver of a job, it is in a session of its own.
    with warm.popen(path, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    wait_for(lambda: all(is_gone(pid) for pid in pids))


def test_worker_stands_for_itself_once_it_is_known(
    warm: Warm, program: Callable[[str], str], tmp_path: Path
) -> None:
    """Its launcher ends, and it goes on; before, it ends with it."""
    path = program(
        f"{FORKED}import time\n(open(sys.argv[2], 'w')).write(str(os.getpid()))\n"
        f"if sys.argv[3] == 'known':\n    exec({REGISTERS!r})\ntime.sleep(60)"
    )
    told = tmp_path / "pid"
    process = warm.popen(
        path, WORKER, str(told), "known", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert process.wait(240) == 0
    pid = int(told.read_text())
    assert not is_gone(pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    told.unlink()
    process = warm.popen(
        path, WORKER, str(told), "unknown", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: told.exists() and told.read_text())
    process.kill()
    process.wait()
    wait_for(lambda: is_gone(int(told.read_text())))
    assert warm.told.state == WARM


def test_worker_that_becomes_another_program_stands_for_itself(
    warm: Warm, program: Callable[[str], str], tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    path = program(
        f"{FORKED}(open(sys.argv[2], 'w')).write(str(os.getpid()))\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    process = warm.popen(path, WORKER, str(told), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(240) == 0
    pid = int(told.read_text())
    assert not is_gone(pid)
    os.kill(pid, signal.SIGKILL)
    assert warm.told.state == WARM


def test_fork_server_that_is_stopped_makes_no_second_process(
    warm: Warm, program: Callable[[str], str], tmp_path: Path
) -> None:
    path = program(f"{FORKED}(open(sys.argv[2], 'a')).write('one ')")
    told = tmp_path / "told"
    os.kill(warm.told.pid, signal.SIGSTOP)
    try:
        assert warm.run(path, WORKER, str(told), hasty=True) == (0, "plain\n", "")
        assert told.read_text() == "one "
    finally:
        os.kill(warm.told.pid, signal.SIGCONT)
    # It forks for who asked meanwhile, and that child ends without a word.
    assert warm.run(program(FORKED))[1] == "forked\n"
    wait_for(lambda: not children_of(warm.told.pid))
    assert told.read_text() == "one "
    assert warm.told.state == WARM


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"TORCH_LOGS": "+dynamo"}, "TORCH_LOGS would have been read before"),
        ({"MALLOC_ARENA_MAX": "1"}, "MALLOC_ARENA_MAX would have been read before"),
        ({"LC_ALL": "C"}, "LC_ALL would have been read before"),
    ],
)
def test_unusual_environment_starts_plainly(
    warm: Warm, program: Callable[[str], str], environment: dict[str, str], reason: str
) -> None:
    assert warm.run(program(FORKED), environment=environment)[1] == "plain\n"
    wait_for(lambda: warm.told.refused.startswith(reason))


def test_code_that_stands_before_what_is_loaded_starts_plainly(
    warm: Warm, program: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "yaml.py").write_text("NAME = 'of the job'")
    code, out, _ = warm.run(program(f"{FORKED}import yaml; print(yaml.NAME)"))
    assert (code, out) == (0, "plain\nof the job\n")
    wait_for(lambda: warm.told.refused == f"{tmp_path} has modules of its own: yaml")


def test_switch_is_heeded(warm: Warm, program: Callable[[str], str]) -> None:
    assert warm.run(program(FORKED), environment={node.SWITCH: "0"})[1] == "plain\n"


def test_process_of_no_node_starts_plainly(warm: Warm, program: Callable[[str], str]) -> None:
    assert warm.run(program(FORKED), environment={node.RAYLET: ""})[1] == "plain\n"
    assert warm.run(program(FORKED), environment={node.RAYLET: str(2**22 - 1)})[1] == "plain\n"


def test_nobody_else_is_served(warm: Warm) -> None:
    """Who is not this user cannot reach the socket; who reaches it all the same is hung up on."""
    assert Path(warm.node.folder).stat().st_mode & 0o077 == 0
    if os.getuid() != 0:
        pytest.skip("to be somebody else takes a superuser")
    asks = (
        "import os, socket, sys\n"
        "asking = socket.socket(socket.AF_UNIX)\n"
        "folder = os.open(os.path.dirname(sys.argv[1]), os.O_PATH)\n"
        "os.setresuid(0, 65534, 0)\n"
        "try:\n    asking.connect(sys.argv[1])\nexcept PermissionError:\n    print('not reached')\n"
    )
    said = subprocess.check_output([sys.executable, "-c", asks, warm.node.socket], text=True)
    assert said == "not reached\n"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert wire.same_user(ours)


def test_forks_leave_nothing_behind(warm: Warm, program: Callable[[str], str]) -> None:
    """A thousand of them; asked for by this process, for launchers of their own would take minutes."""
    path = program("import os; os._exit(0)")
    fork_directly(warm, path)
    before = left_by(warm.told.pid)
    for _ in range(1000):
        fork_directly(warm, path)
    wait_for(lambda: not children_of(warm.told.pid))
    after = left_by(warm.told.pid)
    assert after["files"] == before["files"]
    assert after["threads"] == before["threads"]
    assert after["KiB"] - before["KiB"] < 4096


def fork_directly(warm: Warm, path: str) -> None:
    link, its_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    its_life, life = os.pipe()
    with socket.socket(socket.AF_UNIX) as connection, link, its_link:
        connection.connect(warm.node.socket)
        request = {
            "command": [path],
            "interpreter": sys.executable,
            "environment": warm.environment,
            "files": [0, 1, 2],
            "worker": False,
            "given": conditions(),
        }
        assert wire.receive(connection) == {"heard": True}
        wire.send(connection, request, [its_link.fileno(), its_life, 0, 1, 2])
        os.close(its_life)
        assert link.recv(1000).startswith(b"ready ")
        link.send(b"go")
        assert wire.receive(connection) == {"ended": 0}
    os.close(life)


def left_by(pid: int) -> dict[str, Any]:
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    # Not what is of files: who else maps them changes how it is counted.
    own = [int(line.split()[1]) for line in rolled if line.startswith(("Anonymous:", "Swap:"))]
    return {
        "files": sorted(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "KiB": sum(own),
    }


# -- what ends it: these come last, each with a fork server of its own ----------------------------------


@pytest.fixture
def own(warm: Warm) -> Iterator[Warm]:
    """The one there is, and one anew for who comes next."""
    yield warm
    warm.end()
    warm.start()


def test_worker_whose_child_ends_early_starts_plainly_and_nobody_is_forked_any_more(
    own: Warm, program: Callable[[str], str]
) -> None:
    path = program(f"{FORKED}if b'warm.server' in parent: os.kill(os.getpid(), 11)\nsys.exit(5)")
    assert own.run(path, WORKER) == (5, "forked\nplain\n", "")
    wait_for(lambda: own.told.state == OFF)
    assert own.told.reason == "a child was ended by SIGSEGV before Ray knew it"
    assert own.run(program(FORKED), WORKER) == (0, "plain\n", "")
    assert own.told.state == OFF


def test_dead_fork_server_is_done_without_and_started_again(own: Warm, program: Callable[[str], str]) -> None:
    path = program(f"{FORKED}import time; time.sleep(1); sys.exit(9)")
    with own.popen(path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        os.kill(own.told.pid, signal.SIGKILL)
        # Who was forked lives on, and says itself how it ended.
        assert process.wait(240) == 9
    wait_for(lambda: is_gone(own.told.pid))
    assert own.run(program(FORKED)) == (0, "plain\n", "")
    assert own.run(program(FORKED), WORKER) == (0, "plain\n", "")
    wait_for(lambda: own.told.state == WARM and not is_gone(own.told.pid), STARTS_S)
    assert own.run(program(FORKED)) == (0, "forked\n", "")


def test_code_that_was_changed_has_a_fork_server_of_its_own_and_the_one_before_ends(
    own: Warm, program: Callable[[str], str]
) -> None:
    before, file = own.told.pid, Path(node.package_root()) / "journeyman/cluster/warm/__init__.py"
    was = file.stat()
    os.utime(file)
    try:
        assert own.run(program(FORKED)) == (0, "plain\n", "")
        own.start()
        assert own.told.pid != before
        wait_for(lambda: is_gone(before))
        assert own.run(program(FORKED)) == (0, "forked\n", "")
        own.end()
    finally:
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert own.told.reason == "its code was changed meanwhile"
    Path(own.node.told).unlink()
    own.start()


def test_fork_server_ends_with_its_raylet(tmp_path: Path) -> None:
    """And leaves no file that the next one does not sweep."""
    script = (
        "import os, subprocess, sys\n"
        f"os.environ['RAY_RAYLET_PID'] = os.environ['{node.RAYLET}'] = str(os.getpid())\n"
        f"subprocess.run([*{LAUNCHER!r}, '-m', 'platform', '{WORKER}'], stdout=subprocess.DEVNULL)\n"
        "sys.stdout.write('asked\\n'); sys.stdout.flush(); sys.stdin.read()"
    )
    raylet = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert raylet.stdout is not None
    assert raylet.stdout.readline() == "asked\n"
    server = node.node_of(raylet.pid)
    wait_for(lambda: (told := server.read()) is not None and told.state == WARM, STARTS_S)
    told = server.read()
    assert told is not None
    raylet.kill()
    raylet.communicate()
    wait_for(lambda: is_gone(told.pid))
    assert [each for each in (server.socket, server.told, server.log) if os.path.exists(each)] == []
