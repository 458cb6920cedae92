"""The supervising process of a stack: starts the parts, restarts those that end, writes down how they are.

    python -m journeyman.cluster.local.supervisor <home> <part>...

It detaches itself: the command returns at once and the process goes on. It holds nothing that its parts
need: ended, it leaves them running, and the next one takes them over. What to start and to end when is
`decide`, a pure function; the rest looks, acts and writes `stack.json`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import httpx
from pydantic import TypeAdapter, ValidationError

from journeyman.cluster.local.logs import rotate
from journeyman.cluster.local.parts import SUPERVISOR, HeartbeatProbe, HttpProbe, Part, log_file
from journeyman.cluster.local.plan import parts_of, read_plan, write_whole
from journeyman.cluster.local.processes import (
    AdoptedProcess,
    end_processes,
    main_process,
    mark_of,
    owned_processes,
)
from journeyman.errors import StackDownError, StackError
from journeyman.home import why_not_asked

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
FAILED_AFTER = 3
"""Deaths in a row from which on a part counts as failed; it is still started again, ever more rarely."""
STEADY_S = 60.0
"""A part that answered for this long starts counting its deaths anew."""
SILENT_S = 15.0
"""From this long without an answer on, the status says so."""
ADOPTION_LIMIT_S = 60.0
"""A part that ran before this supervisor and does not answer for this long is started anew."""
MAX_STEP_S = 5.0
"""Most of a silence that one look adds: a machine that slept was not watched meanwhile."""

TICK_S = 0.2
PROBE_WHEN_UP_S = 5.0
PROBE_TIMEOUT_S = 2.0
KILL_LIMIT_S = 1.0
"""The other parts are not looked at meanwhile; what has not ended by then is asked again after a pause."""
LOGS_LOOK_S = 10.0
LOG_LIMIT_BYTES = 50 * 2**20

_logger = logging.getLogger(__name__)

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
    silence_limit_s: float | None = None
    """As the part's."""
    silent_s: float = 0.0
    """For how long it was watched and did not answer."""
    adopted: bool = False
    """Whether its process ran before this supervisor."""
    refused_at: float | None = None
    """When the operating system last refused to start or to end its process; None once it did."""
    refusals_in_a_row: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    start: bool
    state: State
    reason: str
    end: bool = False
    """Whether to end the process, which runs and does nothing."""


def decide(lives: Mapping[str, Life], now: float) -> dict[str, Decision]:
    """For each part: whether to start it now, how it is, and why, in words."""
    return {name: _decide_one(life, now) for name, life in lives.items()}


def backoff_s(deaths_in_a_row: int) -> float:
    # The exponent is held down: after a night of deaths the power would be too large for a float.
    return min(FIRST_BACKOFF_S * 2.0 ** min(deaths_in_a_row - 1, 16), MAX_BACKOFF_S)


def started(life: Life, now: float) -> Life:
    return _accepted(
        replace(
            life,
            started_at=now,
            up_at=None,
            answered_at=None,
            died_at=None,
            silent_s=0.0,
            adopted=False,
            restarts=life.restarts + (life.started_at is not None),
        )
    )


def adopted(life: Life, now: float) -> Life:
    """Its process was started by an earlier supervisor, and counts as started now."""
    return replace(life, started_at=now, adopted=True)


def answered(life: Life, now: float) -> Life:
    up_at = life.up_at if life.up_at is not None else now
    return _accepted(replace(life, up_at=up_at, answered_at=now, silent_s=0.0))


def silent(life: Life, watched_s: float) -> Life:
    """It did not answer, in the `watched_s` since the last look."""
    return replace(life, silent_s=life.silent_s + min(max(watched_s, 0.0), MAX_STEP_S))


def died(life: Life, now: float, last_exit: str) -> Life:
    steady = life.up_at is not None and now - life.silent_s - life.up_at >= STEADY_S
    deaths_in_a_row = 1 if steady else life.deaths_in_a_row + 1
    return _accepted(replace(life, died_at=now, last_exit=last_exit, deaths_in_a_row=deaths_in_a_row))


def refused(life: Life, now: float, refusal: str) -> Life:
    """What was to be done with its process was not done."""
    return replace(life, refused_at=now, refusals_in_a_row=life.refusals_in_a_row + 1, refusal=refusal)


def _accepted(life: Life) -> Life:
    return replace(life, refused_at=None, refusals_in_a_row=0, refusal="")


def _decide_one(life: Life, now: float) -> Decision:
    decision = _due(life, now)
    if life.refused_at is None or not (decision.start or decision.end):
        return decision
    pause_s = backoff_s(life.refusals_in_a_row)
    waits = _waits(life.refused_at, pause_s, now)
    return Decision(
        start=decision.start and not waits,
        end=decision.end and not waits,
        state="failed" if life.refusals_in_a_row >= FAILED_AFTER else decision.state,
        reason=f"{life.refusal}; tried again " + (f"after {pause_s:g} s" if waits else "now"),
    )


def _waits(since: float, pause_s: float, now: float) -> bool:
    # A wait longer than the pause itself means that the clock was set back.
    return 0 < since + pause_s - now <= pause_s


def _due(life: Life, now: float) -> Decision:
    if life.started_at is None:
        return Decision(start=True, state="starting", reason="starts")
    if life.died_at is not None:
        state: State = "failed" if life.deaths_in_a_row >= FAILED_AFTER else "restarting"
        ended = f"ended ({life.last_exit})"
        if life.deaths_in_a_row > 1:
            ended += f", {life.deaths_in_a_row} times in a row"
        pause_s = backoff_s(life.deaths_in_a_row)
        if _waits(life.died_at, pause_s, now):
            return Decision(start=False, state=state, reason=f"{ended}; starts again after {pause_s:g} s")
        return Decision(start=True, state=state, reason=f"{ended}; starts again now")
    again = f"was restarted {life.restarts}x, last: {life.last_exit}" if life.restarts else ""
    waits_for_first = life.adopted and life.answered_at is None
    limit_s = ADOPTION_LIMIT_S if waits_for_first else life.silence_limit_s
    if limit_s is not None and life.silent_s > limit_s:
        hung = f"hangs: has not answered for {life.silent_s:.0f} s; is ended and started again"
        return Decision(start=False, end=True, state="restarting", reason=hung)
    if life.answered_at is None:
        if life.deaths_in_a_row >= FAILED_AFTER:
            return Decision(start=False, state="failed", reason=f"{again}; does not answer yet")
        if life.restarts:
            return Decision(start=False, state="restarting", reason=f"{again}; does not answer yet")
        return Decision(start=False, state="starting", reason="does not answer yet")
    if now - life.answered_at > SILENT_S:
        since = f"runs, but has not answered since {time.strftime('%X', time.localtime(life.answered_at))}"
        return Decision(start=False, state="up", reason=f"{since}; {again}" if again else since)
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


class Running(Protocol):
    """A part's process, whoever started it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """None while it runs, then as Popen's return code; that of another's child is not known, and 0."""


class Supervisor:
    """Keeps the parts of one stack running until it is ended itself."""

    def __init__(self, home: Path, stack: str, parts: tuple[Part, ...]) -> None:
        self.home = home
        self.stack = stack
        self.parts = parts
        self.lives = {part.name: Life(silence_limit_s=part.silence_limit_s) for part in parts}
        self.processes: dict[str, Running] = {}
        self.written = b""
        self.looked_at = time.time()
        self.logs_looked_at = 0.0
        self.http = httpx.Client(timeout=PROBE_TIMEOUT_S, trust_env=False)

    def run(self) -> None:
        self.adopt()
        while True:
            self.turn()
            time.sleep(TICK_S)

    def adopt(self) -> None:
        """Take over those parts that run already: an earlier supervisor started them."""
        for part in self.parts:
            process = main_process(mark_of(self.stack, part.name), part.command)
            if process is not None:
                self.processes[part.name] = AdoptedProcess(process)
                self.lives[part.name] = adopted(self.lives[part.name], time.time())
                _logger.info("%s runs already, as process %s", part.name, process.pid)

    def turn(self) -> None:
        """Look at all parts, start and end what is due, and write down how they are."""
        now = time.time()
        watched_s, self.looked_at = now - self.looked_at, now
        for part in self.parts:
            self.lives[part.name] = self._look(part, now, watched_s)
        decisions = decide(self.lives, now)
        for part in self.parts:
            self._carry_out(part, decisions[part.name], now)
        self._write(decide(self.lives, now))
        if not 0 <= now - self.logs_looked_at < LOGS_LOOK_S:
            self.logs_looked_at = now
            for log in (*(part.log for part in self.parts), log_file(self.home, SUPERVISOR)):
                # On a full disk there is no room for a copy; the log goes on as it is.
                with contextlib.suppress(OSError):
                    rotate(log, LOG_LIMIT_BYTES)

    def _look(self, part: Part, now: float, watched_s: float) -> Life:
        life = self.lives[part.name]
        if life.started_at is None or life.died_at is not None:
            return life
        process = self.processes[part.name]
        code = process.poll()
        if code is not None:
            exit_code_known = isinstance(process, subprocess.Popen)
            return died(life, now, exit_in_words(code) if exit_code_known else "nobody saw how")
        # A look at a file costs nothing.
        rarely = isinstance(part.probe, HttpProbe) and life.answered_at is not None
        if rarely and life.silent_s == 0 and 0 <= now - (life.answered_at or 0) < PROBE_WHEN_UP_S:
            return life
        return answered(life, now) if self.answers(part.probe) else silent(life, watched_s)

    def _carry_out(self, part: Part, decision: Decision, now: float) -> None:
        """What one part refuses must not keep the others from being looked after."""
        doing = "started" if decision.start else "ended"
        try:
            if decision.start:
                self._start(part)
            elif decision.end:
                self._end(part, now)
        except (OSError, MemoryError, StackError) as error:
            why = error.message if isinstance(error, StackError) else str(error) or type(error).__name__
            self.lives[part.name] = refused(self.lives[part.name], now, f"cannot be {doing}: {why}")
            _logger.warning("%s cannot be %s: %s", part.name, doing, why)

    def answers(self, probe: HttpProbe | HeartbeatProbe) -> bool:
        headers = {}
        try:
            if isinstance(probe, HeartbeatProbe):
                # Both ways: a clock that was set back would have it answer for as long.
                return abs(time.time() - probe.path.stat().st_mtime) < probe.limit_s
            if probe.token_file is not None:
                if why_not_asked(probe.url, self.home):
                    return False
                headers["Authorization"] = f"Bearer {probe.token_file.read_text().strip()}"
            response = self.http.get(probe.url, headers=headers)
        except (OSError, httpx.HTTPError):
            return False
        return response.status_code == 200 and probe.contains in response.text

    def _start(self, part: Part) -> None:
        # A parent that was killed leaves children behind, and they hold the part's port.
        self._end_processes_of(part)
        if isinstance(part.probe, HeartbeatProbe):
            part.probe.path.unlink(missing_ok=True)
        # Appending: `rotate` empties the file under it.
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

    def _end(self, part: Part, now: float) -> None:
        """Kill its processes, with no grace: whatever hangs does not listen. Raises StackError."""
        life = self.lives[part.name]
        self._end_processes_of(part)
        # Collects it where it is a child.
        self.processes[part.name].poll()
        self.lives[part.name] = died(life, now, f"ended since it did not answer for {life.silent_s:.0f} s")
        _logger.warning("%s was ended: it did not answer for %.0f s", part.name, life.silent_s)

    def _end_processes_of(self, part: Part) -> None:
        left = owned_processes(mark_of(self.stack, part.name))
        end_processes((each.process for each in left), grace_s=0, kill_limit_s=KILL_LIMIT_S)

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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    parts = parts_of(home, plan, os.environ)
    Supervisor(home, plan.stack, tuple(parts[name] for name in names)).run()


if __name__ == "__main__":
    main()
