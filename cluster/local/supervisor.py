"""The supervising process of a stack: starts the parts, restarts those that end, writes down how they are.

    python -m journeyman.cluster.local.supervisor <home> <part>...

It detaches itself: the command returns at once and the process goes on. It holds nothing that its parts
need: ended, it leaves them running, unsupervised. What to start when is `decide`, a pure function; the rest
looks, acts and writes `stack.json`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import httpx
from pydantic import TypeAdapter, ValidationError

from journeyman.cluster.local.parts import (
    HEARTBEAT_LIMIT_S,
    HeartbeatProbe,
    HttpProbe,
    Part,
    attached_parts,
    stack_parts,
)
from journeyman.cluster.local.plan import read_plan, this_machine, write_whole
from journeyman.cluster.local.processes import end_processes, mark_of, owned_processes
from journeyman.errors import StackDownError, StackError

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
FAILED_AFTER = 3
"""Deaths in a row from which on a part counts as failed; it is still started again, ever more rarely."""
STEADY_S = 60.0
"""A part that answered for this long starts counting its deaths anew."""
SILENT_S = 15.0
"""From this long without an answer on, the status says so."""

TICK_S = 0.2
PROBE_WHEN_UP_S = 5.0
PROBE_TIMEOUT_S = 2.0
LOG_LIMIT_BYTES = 16 * 2**20
"""A log longer than this is moved aside before its part starts."""

State = Literal["starting", "up", "restarting", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What has happened to one part so far; times in epoch seconds."""

    started_at: float | None = None
    """When the latest process was started; None before the first."""
    up_at: float | None = None
    """When that process answered for the first time."""
    answered_at: float | None = None
    died_at: float | None = None
    """When that process ended; None while it runs."""
    last_exit: str = ""
    deaths_in_a_row: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    start: bool
    state: State
    reason: str


def decide(lives: Mapping[str, Life], now: float) -> dict[str, Decision]:
    """For each part: whether to start it now, how it is, and why, in words."""
    return {name: _decide_one(life, now) for name, life in lives.items()}


def backoff_s(deaths_in_a_row: int) -> float:
    # The exponent is held down: after a night of deaths the power would be too large for a float.
    return min(FIRST_BACKOFF_S * 2.0 ** min(deaths_in_a_row - 1, 16), MAX_BACKOFF_S)


def started(life: Life, now: float) -> Life:
    return replace(
        life,
        started_at=now,
        up_at=None,
        answered_at=None,
        died_at=None,
        restarts=life.restarts + (life.started_at is not None),
    )


def answered(life: Life, now: float) -> Life:
    return replace(life, up_at=life.up_at if life.up_at is not None else now, answered_at=now)


def died(life: Life, now: float, last_exit: str) -> Life:
    steady = life.up_at is not None and now - life.up_at >= STEADY_S
    return replace(
        life, died_at=now, last_exit=last_exit, deaths_in_a_row=1 if steady else life.deaths_in_a_row + 1
    )


def _decide_one(life: Life, now: float) -> Decision:
    if life.started_at is None:
        return Decision(start=True, state="starting", reason="starts")
    if life.died_at is not None:
        state: State = "failed" if life.deaths_in_a_row >= FAILED_AFTER else "restarting"
        ended = f"ended ({life.last_exit})"
        if life.deaths_in_a_row > 1:
            ended += f", {life.deaths_in_a_row} times in a row"
        pause_s = backoff_s(life.deaths_in_a_row)
        # A wait longer than the pause itself means that the clock was set back.
        if 0 < life.died_at + pause_s - now <= pause_s:
            return Decision(start=False, state=state, reason=f"{ended}; starts again after {pause_s:g} s")
        return Decision(start=True, state=state, reason=f"{ended}; starts again now")
    again = f"was restarted {life.restarts}x, last: {life.last_exit}" if life.restarts else ""
    if life.answered_at is None:
        if life.deaths_in_a_row >= FAILED_AFTER:
            return Decision(start=False, state="failed", reason=f"{again}; does not answer yet")
        if life.restarts:
            return Decision(start=False, state="restarting", reason=f"{again}; does not answer yet")
        return Decision(start=False, state="starting", reason="does not answer yet")
    if now - life.answered_at > SILENT_S:
        silent = f"runs, but has not answered since {time.strftime('%X', time.localtime(life.answered_at))}"
        return Decision(start=False, state="up", reason=f"{silent}; {again}" if again else silent)
    return Decision(start=False, state="up", reason=again)


# -- what it writes down ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """How a part is; times in epoch seconds."""

    name: str
    state: State
    reason: str
    pid: int | None
    since: float | None
    """Since when the process answers, or, before that, runs; None while there is no process."""
    restarts: int
    deaths_in_a_row: int
    last_exit: str
    url: str
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorState:
    pid: int
    parts: tuple[PartState, ...]


_STATE = TypeAdapter(SupervisorState)


def state_file(home: Path) -> Path:
    return home / "stack.json"


def read_state(home: Path) -> SupervisorState | None:
    """What the latest supervisor wrote last, whether or not it still runs. Raises StackError."""
    path = state_file(home)
    if not path.exists():
        return None
    try:
        return _STATE.validate_json(path.read_bytes())
    except ValidationError:
        raise StackError(
            f"{path} cannot be read: it is damaged, or another version of Journeyman wrote it",
            "`journeyman down`, then `journeyman up`: jobs and services carry on.",
        ) from None


# -- the process ---------------------------------------------------------------------------------------


class Supervisor:
    """Keeps the parts of one stack running until it is ended itself."""

    def __init__(self, home: Path, stack: str, parts: tuple[Part, ...]) -> None:
        self.home = home
        self.stack = stack
        self.parts = parts
        self.lives = {part.name: Life() for part in parts}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.written = b""
        self.http = httpx.Client(timeout=PROBE_TIMEOUT_S, trust_env=False)

    def run(self) -> None:
        while True:
            now = time.time()
            for part in self.parts:
                self.lives[part.name] = self._look(part, now)
            decisions = decide(self.lives, now)
            for part in self.parts:
                if decisions[part.name].start:
                    self._start(part)
            self._write(decide(self.lives, now))
            time.sleep(TICK_S)

    def _look(self, part: Part, now: float) -> Life:
        life = self.lives[part.name]
        if life.started_at is None or life.died_at is not None:
            return life
        code = self.processes[part.name].poll()
        if code is not None:
            return died(life, now, exit_in_words(code))
        due = life.answered_at is None or not 0 <= now - life.answered_at < PROBE_WHEN_UP_S
        return answered(life, now) if due and self._answers(part.probe) else life

    def _answers(self, probe: HttpProbe | HeartbeatProbe) -> bool:
        headers = {}
        try:
            if isinstance(probe, HeartbeatProbe):
                return time.time() - probe.path.stat().st_mtime < HEARTBEAT_LIMIT_S
            if probe.token_file is not None:
                headers["Authorization"] = f"Bearer {probe.token_file.read_text().strip()}"
            response = self.http.get(probe.url, headers=headers)
        except (OSError, httpx.HTTPError):
            return False
        return response.status_code == 200 and probe.contains in response.text

    def _start(self, part: Part) -> None:
        if part.name in self.processes:
            # A parent that was killed leaves children behind, and they hold the part's port.
            leftovers = owned_processes(mark_of(self.stack, part.name))
            end_processes((each.process for each in leftovers), grace_s=0)
        if isinstance(part.probe, HeartbeatProbe):
            part.probe.path.unlink(missing_ok=True)
        if part.log.exists() and part.log.stat().st_size > LOG_LIMIT_BYTES:
            part.log.replace(part.log.with_suffix(".log.1"))
        with part.log.open("ab") as log:
            self.processes[part.name] = subprocess.Popen(
                part.command,
                env=dict(part.environment),
                # `python -m` puts the working folder on the import path: it must hold nothing to import.
                cwd=part.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.lives[part.name] = started(self.lives[part.name], time.time())

    def _write(self, decisions: Mapping[str, Decision]) -> None:
        written = _STATE.dump_json(
            SupervisorState(
                pid=os.getpid(), parts=tuple(self._state(part, decisions[part.name]) for part in self.parts)
            ),
            indent=2,
        )
        if written != self.written:
            # A full disk must not end the supervision; the next tick tries again.
            with contextlib.suppress(OSError):
                write_whole(state_file(self.home), written)
                self.written = written

    def _state(self, part: Part, decision: Decision) -> PartState:
        life = self.lives[part.name]
        runs = life.died_at is None and life.started_at is not None
        return PartState(
            name=part.name,
            state=decision.state,
            reason=decision.reason,
            pid=self.processes[part.name].pid if runs else None,
            since=(life.up_at or life.started_at) if runs else None,
            restarts=life.restarts,
            deaths_in_a_row=life.deaths_in_a_row,
            last_exit=life.last_exit,
            url=part.url,
            log=part.log,
        )


def exit_in_words(code: int) -> str:
    """Popen's return code: negative where a signal ended the process."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by signal {-code}: {signal.strsignal(-code)}"


def main() -> None:
    home, names = Path(sys.argv[1]), sys.argv[2:]
    plan = read_plan(home)
    if plan is None:
        raise StackDownError(f"no stack was planned in {home}", "Start one with `journeyman up`.")
    # Detached: otherwise a long-lived caller would have to collect it, and Ctrl-C in `up` would reach it.
    if os.fork():
        os._exit(0)
    os.setsid()
    machine, environ = this_machine(), os.environ
    if plan.target is not None:
        parts = attached_parts(home=home, stack=plan.stack, machine=machine, environ=environ)
    else:
        parts = stack_parts(home=home, stack=plan.stack, ports=plan.ports, machine=machine, environ=environ)
    Supervisor(home, plan.stack, tuple(parts[name] for name in names)).run()


if __name__ == "__main__":
    main()
