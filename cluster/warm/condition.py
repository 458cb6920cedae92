"""What a process has of who started it, beside its arguments: taken down in one, put on in another. Linux."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from typing import Any

COMPARED = (
    "Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
    "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed",
)  # fmt: skip
"""Of /proc/self/status."""
_LIMITS = sorted(name for name in vars(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE")
_LIBRARYS_OWN = 0b11 << 31
"""Signals 32 and 33: the C library has them for its threads, and leaves them ignored in what it spawns."""
_UNTOUCHABLE = (signal.SIGKILL, signal.SIGSTOP)


def conditions() -> dict[str, Any]:
    """Those of the calling process."""
    return {
        "folder": os.getcwd(),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS},
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "policy": [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority],
        "processors": sorted(os.sched_getaffinity(0)),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "oom_score_adj": _read("/proc/self/oom_score_adj"),
        "cgroup": _read("/proc/self/cgroup"),
        "spaces": {
            name: os.readlink(f"/proc/self/ns/{name}") for name in sorted(os.listdir("/proc/self/ns"))
        },
        "root": list(os.stat("/")[1:3]),
        "status": _status(),
    }


def put_on(given: dict[str, Any]) -> None:
    """Have the calling process, which was forked, be in these conditions.

    Raises OSError or ValueError naming what cannot be had.
    """
    os.chdir(given["folder"])
    _join(given["session"], given["group"])
    _move(given["cgroup"])
    os.umask(int(given["status"]["Umask"], 8))
    if given["oom_score_adj"] != _read("/proc/self/oom_score_adj"):
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(given["oom_score_adj"])
    if given["processors"] != sorted(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, given["processors"])
    policy, priority = given["policy"]
    if policy != os.sched_getscheduler(0):
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    if given["nice"] != os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, given["nice"])
    for name, (soft, hard) in given["limits"].items():
        number = getattr(resource, name)
        if resource.getrlimit(number) != (soft, hard):
            resource.setrlimit(number, (soft, hard))
    _set_signals(_numbers(given["status"]["SigIgn"]), _numbers(given["status"]["SigBlk"]))
    now = conditions()
    # The launcher's group and session are its own where they cannot be joined.
    for item in ("nice", "policy", "processors", "limits", "oom_score_adj", "cgroup", "spaces", "root"):
        if _plain(now[item]) != _plain(given[item]):
            raise ValueError(f"{item}: {now[item]} instead of {given[item]}")
    for name, value in given["status"].items():
        if now["status"].get(name) != value:
            raise ValueError(f"{name} of its status: {now['status'].get(name)} instead of {value}")


def _join(session: int, group: int) -> None:
    """The group of who asked; a group of its own where that is of a session that cannot be joined."""
    if os.getsid(0) == session:
        os.setpgid(0, group)
    else:
        os.setsid()


def _move(cgroup: str) -> None:
    """Into the control groups of who asked, where they are others."""
    mine = _read("/proc/self/cgroup").splitlines()
    for line in cgroup.splitlines():
        if line in mine:
            continue
        _, controllers, path = line.split(":", 2)
        name = controllers.removeprefix("name=")
        base = "/sys/fs/cgroup" if not name else f"/sys/fs/cgroup/{name}"
        with open(f"{base}{path}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))


def _set_signals(ignored: set[int], blocked: set[int]) -> None:
    for number in signal.valid_signals():
        if number in _UNTOUCHABLE:
            continue
        # As the interpreter does when it starts: whatever is ignored stays so.
        handler: Any = signal.SIG_IGN if number in ignored else signal.SIG_DFL
        if number == signal.SIGINT and number not in ignored:
            handler = signal.default_int_handler
        # Those that the C library keeps for itself.
        with contextlib.suppress(OSError):
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _numbers(mask: str) -> set[int]:
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def _status() -> dict[str, str]:
    fields = dict(line.split(":", 1) for line in _read("/proc/self/status").splitlines() if ":" in line)
    found = {name: fields[name].strip() for name in COMPARED if name in fields}
    for name in ("SigBlk", "SigIgn"):
        found[name] = f"{int(found[name], 16) & ~_LIBRARYS_OWN:016x}"
    return found


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _plain(value: Any) -> Any:
    """Without the difference that JSON makes to tuples."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
