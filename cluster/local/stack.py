"""The local stack as a whole: MLflow, a Ray head and control, started, watched and stopped together."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from journeyman.cluster.local.changeover import NOTHING_RUNS, Changeover, changeover
from journeyman.cluster.local.parts import (
    ATTACHED_NAMES,
    DEFAULT_PORTS,
    PART_NAMES,
    SUPERVISOR,
    control_heartbeat_file,
    log_file,
    ray_folder,
    ray_sessions,
)
from journeyman.cluster.local.plan import (
    Plan,
    installed_versions,
    make_plan,
    parts_of,
    read_plan,
    this_machine,
    write_plan,
)
from journeyman.cluster.local.processes import (
    MARK,
    OwnedProcess,
    end_processes,
    main_process,
    mark_of,
    owned_processes,
)
from journeyman.cluster.local.supervisor import FAILED_AFTER, PartState, read_state, state_file
from journeyman.cluster.owned import is_open, make_owned
from journeyman.cluster.settings import make_home, ray_token_file, write_token
from journeyman.cluster.warm.told import read_states, start_in_words
from journeyman.errors import StackError
from journeyman.home import make_mlflow_token
from journeyman.version import VERSION

START_LIMIT_S = 180.0
STOP_GRACE_S = 4.0
"""How long jobs may write down what they have, and MLflow may finish what it answers."""
POLL_S = 0.2
LOG_TAIL_LINES = 15

Report = Callable[[str, str], None]
"""Told of progress: the part (or "stack") and what there is to say of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    mlflow_url: str
    ray_url: str
    serve_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    name: str
    state: str
    """starting, up, restarting, failed (dies again and again) or down."""
    reason: str
    """What is wrong or was, in words; empty where there is nothing to say."""
    url: str
    pid: int | None
    since_s: float | None
    """Epoch seconds: since when it answers, or runs where it does not answer yet."""
    restarts: int
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    running: bool
    """Whether there is a supervisor that keeps the parts up."""
    cluster: str
    attached: bool
    """Whether something else started the cluster: control alone runs here."""
    parts: tuple[PartStatus, ...]
    logical_cpus: int
    processes: str
    """How those of jobs and services start, in words; empty where they do so elsewhere."""
    notes: tuple[str, ...]


def refuse_to_end(why: str) -> None:
    """Whoever would end Ray, with what runs on it, is asked before. Raises StackError."""
    raise StackError(
        f"{why}: it would have to end, and with it the jobs and services on it",
        "`journeyman up --yes` ends it and starts it anew: jobs resume from their last checkpoints.",
    )


def start(
    home: Path,
    report: Report,
    names: tuple[str, ...] = PART_NAMES,
    may_end: Callable[[str], None] = refuse_to_end,
) -> Endpoints:
    """Start the stack, join the one there is or take over what runs of it, and wait until every part answers.

    What runs goes on where it fits the version that is installed; the other parts are started anew. `may_end`
    is told why Ray would have to end, with what runs on it, and raises where it must not: nothing is changed
    then. Interrupted, it leaves the stack starting. Raises StackError when a part keeps dying or does not
    answer in time; a stack that this very call started is then stopped again, one that was there is left as
    it is.
    """
    with _lock(home):
        plan, versions = read_plan(home), installed_versions()
        joins = plan is not None and _supervised(plan.stack)
        if plan is not None and plan.target is not None:
            names = ATTACHED_NAMES
        if plan is not None and joins and plan.versions == versions:
            report("stack", "is running already")
        else:
            change = _changeover(home, plan, names, versions) if plan else NOTHING_RUNS
            if "ray" in change.ended:
                may_end(change.ended["ray"])
            if plan is not None and change.kept and "ray" not in change.ended:
                plan = _take_over(home, plan, change, names, report, supervised=joins)
                joins = True
            else:
                plan = _begin(home, plan, names, report)
                joins = False
    if trouble := _trouble_until_up(home, plan.stack, report):
        if not joins:
            stop(home)
        raise trouble
    return Endpoints(mlflow_url=plan.mlflow_url, ray_url=plan.ray_url, serve_url=plan.serve_url)


def stop(home: Path) -> int:
    """End the stack's processes, and no others; how many there were. The cluster and its ports are kept.

    Raises StackError where one does not end.
    """
    with _lock(home):
        plan = read_plan(home)
        if plan is None:
            return 0
        ended = _end_stack(home, plan.stack)
        state_file(home).unlink(missing_ok=True)
        control_heartbeat_file(home).unlink(missing_ok=True)
        write_plan(home, plan, running=False)
        return ended


def observe(home: Path) -> StackStatus:
    """How the stack is; changes nothing."""
    plan = read_plan(home)
    state, trouble = None, ""
    try:
        state = read_state(home)
    except StackError as error:
        trouble = f"{error.message}. {error.hint}"
    supervised = plan is not None and _supervised(plan.stack)
    notes = list(plan.notes) if plan is not None and supervised else []
    if supervised and trouble:
        notes.append(trouble)
    if plan is not None and supervised and plan.versions != installed_versions():
        runs = plan.versions.get("journeyman", "another version")
        notes.append(f"it was started by Journeyman {runs}: `journeyman up` changes it over to {VERSION}")
    parts: tuple[PartStatus, ...] = ()
    if plan is not None and state is not None:
        left = (
            set() if supervised else {each.process.pid for each in owned_processes(mark_of(plan.stack, ""))}
        )
        parts = tuple(_part_status(part, supervised=supervised, left=left) for part in state.parts)
        if not supervised:
            notes.append(
                "the supervisor is gone: `journeyman up` takes over what runs, `journeyman down` ends it"
            )
    attached = plan is not None and plan.target is not None
    return StackStatus(
        running=supervised,
        cluster=plan.cluster if plan is not None else "",
        attached=attached,
        parts=parts,
        logical_cpus=this_machine().logical_cpus,
        processes=_start_in_words(plan.stack) if plan is not None and supervised and not attached else "",
        notes=tuple(notes),
    )


def _part_status(part: PartState, *, supervised: bool, left: set[int]) -> PartStatus:
    alive = supervised or part.pid in left
    unsupervised = "runs, but nobody restarts it" if alive else "ended, and nobody restarts it"
    return PartStatus(
        name=part.name,
        state=part.state if alive else "down",
        reason=part.reason if supervised else unsupervised,
        url=part.url,
        pid=part.pid if alive else None,
        since_s=part.since if alive else None,
        restarts=part.restarts,
        log=part.log,
    )


def _start_in_words(stack: str) -> str:
    return start_in_words(read_states(mark_of(stack, "ray")), psutil.pids())


# -- starting ------------------------------------------------------------------------------------------


def _take_over(
    home: Path, plan: Plan, change: Changeover, names: tuple[str, ...], report: Report, *, supervised: bool
) -> Plan:
    """Have another supervisor look after what goes on, and start the rest."""
    why = "is changed over to the version that is installed" if supervised else "its supervisor is gone"
    report("stack", f"{why}; takes over what runs: {', '.join(change.kept)}")
    for name, ends in change.ended.items():
        report(name, f"is started anew: {ends}")
    plan = replace(plan, versions=installed_versions())
    _end_parts(plan.stack, (SUPERVISOR, *change.ended))
    if plan.target is None and "mlflow" not in change.kept:
        # What the supervisor has started meanwhile would know the old token.
        _end_parts(plan.stack, ("mlflow",))
        make_mlflow_token(home)
    _launch(home, plan, names)
    return plan


def _begin(home: Path, plan: Plan | None, names: tuple[str, ...], report: Report) -> Plan:
    """Start all, once what is left of it has ended."""
    if plan is not None and _end_stack(home, plan.stack):
        report("stack", "ended what was left of the stack before")
    if plan is None or plan.target is None:
        plan = _prepare(home, plan)
    plan = replace(plan, versions=installed_versions())
    _launch(home, plan, names)
    for note in plan.notes:
        report("stack", note)
    return plan


def _changeover(home: Path, plan: Plan, names: tuple[str, ...], versions: Mapping[str, str]) -> Changeover:
    """What of the parts that run a supervisor which starts now would take over."""
    # A version with other ports had other commands.
    has_ports = plan.target is not None or DEFAULT_PORTS.keys() <= plan.ports.keys()
    parts = parts_of(home, plan, os.environ) if has_ports else {}
    living = {}
    for name in names:
        mark = mark_of(plan.stack, name)
        owned = owned_processes(mark)
        as_now = name in parts and main_process(mark, parts[name].command) is not None
        # Of what a part that died has left nothing goes on.
        if owned and (as_now or not _died(home, name, owned)):
            living[name] = as_now
    return changeover(living, plan.versions, versions)


def _died(home: Path, name: str, owned: Sequence[OwnedProcess]) -> bool:
    """Whether the process that the part was is known to be none of these."""
    with suppress(StackError):
        state = read_state(home)
        pids = {part.pid for part in state.parts if part.name == name} if state else set()
        return bool(pids) and not pids & {each.process.pid for each in owned}
    return False


def _prepare(home: Path, previous: Plan | None) -> Plan:
    """Ports, folders and the token of a stack whose MLflow and Ray run here."""
    plan = make_plan(previous, this_machine())
    for folder in (home / "mlflow" / "artifacts", home / "runs"):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "logs").mkdir(exist_ok=True)
    prepare_ray_folder(home)
    make_mlflow_token(home)
    if not ray_token_file(home).exists():
        write_token(home, secrets.token_hex(32))
    return plan


def _launch(home: Path, plan: Plan, names: tuple[str, ...]) -> None:
    (home / "logs").mkdir(exist_ok=True)
    state_file(home).unlink(missing_ok=True)
    write_plan(home, plan, running=True)
    with log_file(home, SUPERVISOR).open("ab") as log:
        command = [sys.executable, "-m", "journeyman.cluster.local.supervisor", str(home), *names]
        subprocess.run(
            command,
            env={**os.environ, MARK: mark_of(plan.stack, SUPERVISOR)},
            cwd=home / "logs",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # What shares a session with a process of the stack is taken for a part of it: not whoever calls.
            start_new_session=True,
            # Where it fails, those who wait for it find it gone, and its log tells why.
            check=False,
        )


def prepare_ray_folder(home: Path) -> None:
    """Ours alone, as /tmp is everybody's; of earlier sessions only the last is kept, for its logs.

    Raises StackError where another user may have written to it.
    """
    folder, sessions = ray_folder(home), ray_sessions(home)
    if is_open(folder):
        # Versions before gave Ray the folder itself.
        shutil.rmtree(folder, ignore_errors=True)
    if why := make_owned(folder, folder):
        raise StackError(
            f"Ray would keep its sessions, and the code of jobs, where others can change them: {why}",
            "Have it removed, or move the home folder with JOURNEYMAN_HOME.",
        )
    for session in sorted(sessions.glob("session_2*"))[:-1]:
        shutil.rmtree(session, ignore_errors=True)
    shutil.rmtree(folder / "ha", ignore_errors=True)
    (folder / "ha").mkdir()
    link = home / "logs" / "ray-session"
    link.unlink(missing_ok=True)
    link.symlink_to(sessions / "session_latest" / "logs")


def _trouble_until_up(home: Path, stack: str, report: Report) -> StackError | None:
    """Wait until every part is up (None), or until there is something that waiting will not cure."""
    began = time.monotonic()
    said: dict[str, tuple[str, str]] = {}
    while True:
        state = read_state(home)
        parts = state.parts if state is not None else ()
        waiting_s = time.monotonic() - began
        for part in parts:
            if said.get(part.name) != (part.state, part.reason):
                said[part.name] = (part.state, part.reason)
                report(part.name, _in_words(part, waiting_s))
            if part.deaths_in_a_row >= FAILED_AFTER:
                told = f"{part.name} ended {part.deaths_in_a_row} times in a row ({part.last_exit})"
                return _trouble(told, part.log)
            if part.state == "failed":
                return _trouble(f"{part.name} {part.reason}", part.log)
        late = [part for part in parts if part.state != "up"]
        if parts and not late:
            return None
        if not _supervised(stack):
            return _trouble("the supervisor of the stack is gone", log_file(home, SUPERVISOR))
        if waiting_s > START_LIMIT_S:
            names = " and ".join(part.name for part in late) or SUPERVISOR
            log = late[0].log if late else log_file(home, SUPERVISOR)
            return _trouble(f"{names} did not answer within {START_LIMIT_S:.0f} s", log)
        time.sleep(POLL_S)


def _in_words(part: PartState, waited_s: float) -> str:
    if part.state == "up":
        return f"up after {waited_s:.1f} s" + (f" at {part.url}" if part.url else "")
    return f"{part.state}: {part.reason}"


def _trouble(message: str, log: Path) -> StackError:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    end = [f"  {line}" for line in lines[-LOG_TAIL_LINES:]]
    return StackError(message, "\n".join([f"The end of its log, {log}:", *end]))


# -- stopping ------------------------------------------------------------------------------------------


def _end_parts(stack: str, names: Iterable[str]) -> None:
    """End these parts and no other; not Ray, whose jobs end before it does."""
    for name in names:
        grace_s = 0 if name == SUPERVISOR else STOP_GRACE_S
        end_processes(_plain(owned_processes(mark_of(stack, name))), grace_s=grace_s)


def _end_stack(home: Path, stack: str) -> int:
    """End everything that belongs to the stack; how many processes there were."""
    supervisor = owned_processes(mark_of(stack, SUPERVISOR))
    # First of all, or it would start again what ends.
    end_processes(_plain(supervisor), grace_s=0)
    ray = owned_processes(mark_of(stack, "ray"))
    # Ray's daemons and workers live in the session of `ray start`; each job's driver opens one of its own.
    jobs = [each for each in ray if each.session != _pid_of(home, "ray")]
    control = owned_processes(mark_of(stack, "control"))
    # Jobs get to flush while MLflow still listens. Ray itself gets no grace: asked politely it takes more
    # than 15 s, its workers end first, and a job would take that for a failure of its own.
    end_processes(_plain((*control, *jobs)), grace_s=STOP_GRACE_S)
    end_processes(_plain(ray), grace_s=0)
    mlflow = owned_processes(mark_of(stack, "mlflow"))
    end_processes(_plain(mlflow), grace_s=STOP_GRACE_S)
    ended = {each.process.pid for each in (*supervisor, *control, *ray, *mlflow)}
    # What was being started while we looked.
    while late := owned_processes(mark_of(stack, "")):
        end_processes(_plain(late), grace_s=0)
        ended |= {each.process.pid for each in late}
    return len(ended)


def _plain(processes: Iterable[OwnedProcess]) -> list[psutil.Process]:
    return [each.process for each in processes]


def _pid_of(home: Path, name: str) -> int | None:
    with suppress(StackError):
        state = read_state(home)
        return next((part.pid for part in state.parts if part.name == name), None) if state else None
    return None


def _supervised(stack: str) -> bool:
    return bool(owned_processes(mark_of(stack, SUPERVISOR)))


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """One `up` or `down` at a time; the lock goes with the process that holds it."""
    make_home(home)
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
