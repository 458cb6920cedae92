"""What a replica has of its service's versions, and what it does next. Pure.

One owner, the event loop, holds a `Held` and hands every event to `decide`. Threads do the tasks that come
out of it and hand their results in as events; a result that nobody waits for any more changes nothing.

    target    ──► what is lacking ──► a task ──► its result, the same event again or never
    candidate     loading ──► ready | failed | new replicas        (waits in between for what is away)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from journeyman.models.engines.engine import Engine
from journeyman.serve.records import FAILED, NEW_REPLICAS, PASSING, READY, Report

if TYPE_CHECKING:
    from journeyman.serve.replica.version import LoadedVersion

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
TRIES_UNTOLD = 4
"""So often a candidate is tried before control hears that it could not be, which takes it from replicas."""
REASON_CHARACTERS = 1000
"""Of what a replica says of a version: a signature of many columns is longer than anybody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The versions a replica is to have."""

    serving: str
    candidate: str | None = None
    trial: int = 0
    follows: str | None = None
    """The version that `serving` is to take the place of, while it is tried by replicas of its own."""
    engine: Engine | None = None
    """The one that is ordered; None for what was measured to be the fastest."""
    verdicts: str = ""
    """Changes when there is a new verdict on `serving`."""


class Lane(StrEnum):
    """What goes on side by side: of each there is one at a time."""

    SERVING = "serving"
    """The version that serves, or is to."""
    CANDIDATE = "candidate"
    COMPILER = "compiler"


class Role(StrEnum):
    """What a version is loaded for."""

    FIRST = "first"
    """The replica has nothing yet."""
    SERVING = "serving"
    """Another one is to serve, and was not loaded before."""
    ENGINE = "engine"
    """The version that serves, computed otherwise."""
    CANDIDATE = "candidate"
    COMPILE = "compile"
    """The version that serves, as machine code of this node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is lacking. Of two that are equal one is enough."""

    role: Role
    version: str
    engine: Engine | None = None
    verdicts: str = ""
    trial: int = 0
    compiled: bool = False
    """Whether machine code has been made since the version was loaded."""
    folder: Path | None = None
    """Of the version that is to be compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a thread is to do; its result bears the same number."""

    number: int
    need: Need
    beside: LoadedVersion | None
    """The version that serves meanwhile."""
    follows: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is done about a need: a task is under way, or one has failed and is tried again."""

    need: Need
    task: int
    tries: int = 1
    again_at_s: float | None = None
    """None while the task is under way."""
    reason: str = ""


# -- events ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ordered:
    """The target is another one, or the same once more."""

    target: Target


@dataclass(frozen=True, slots=True)
class Got:
    """A version is loaded, or a version that serves is compiled, which has no `loaded`."""

    task: int
    loaded: LoadedVersion | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be had, today or tomorrow."""

    task: int
    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """It cannot be had now: what it takes does not answer."""

    task: int
    reason: str


@dataclass(frozen=True, slots=True)
class NeedsReplicas:
    """A candidate that is not to be loaded beside another version."""

    task: int
    reason: str


@dataclass(frozen=True, slots=True)
class Woken:
    """Time has passed."""


Event = Ordered | Got | Refused | Away | NeedsReplicas | Woken


# -- state -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What became of the version that is tried beside the one that serves."""

    need: Need
    loaded: LoadedVersion | None = None
    failed: str = ""
    needs_replicas: str = ""

    @property
    def state(self) -> str | None:
        """As it is reported; None while it is loaded."""
        if self.loaded is not None:
            return READY
        if self.failed:
            return FAILED
        return NEW_REPLICAS if self.needs_replicas else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that a replica has and does."""

    target: Target
    serving: LoadedVersion | None = None
    """None until the first version is loaded."""
    chosen: tuple[Engine | None, str] = (None, "")
    """The engine that was ordered and the verdicts there were when the one of `serving` was chosen."""
    engine_trouble: str = ""
    candidate: Candidate | None = None
    works: Mapping[Lane, Work] = field(default_factory=dict)
    compiled: Mapping[Path, str] = field(default_factory=dict)
    """Why a folder's version cannot be compiled on this node, or used compiled; empty where it can."""
    refused: str = ""
    """Why the first version cannot be had."""
    tasks: int = 0
    """That were begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows from an event."""

    held: Held
    tasks: tuple[Task, ...] = ()
    """To begin now."""
    wake_at_s: float | None = None
    """When time alone makes a difference."""


def decide(held: Held, event: Event, now: float, spread: float = 1.0) -> Step:
    """`now` in seconds of a clock that never goes back.

    `spread` makes the pauses of one replica a little longer than another's: what was away would meet all of
    them at once.
    """
    match event:
        case Ordered(target):
            again = target.serving == held.target.serving
            held = replace(held, target=target, refused=held.refused if again else "")
        case Woken():
            pass
        case Got() | Refused() | Away() | NeedsReplicas():
            held = _with_result(held, event, now, spread)
        case _:
            assert_never(event)
    return _settled(held, now)


# -- results -----------------------------------------------------------------------------------------------


def _with_result(held: Held, event: Got | Refused | Away | NeedsReplicas, now: float, spread: float) -> Held:
    awaited = [lane for lane, each in held.works.items() if each.task == event.task]
    if not awaited or held.works[awaited[0]].again_at_s is not None:
        return held  # Nobody waits for it any more.
    lane, work = awaited[0], held.works[awaited[0]]
    if isinstance(event, Away):
        pause_s = spread * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (work.tries - 1))
        return _with_work(held, lane, replace(work, again_at_s=now + pause_s, reason=_cut(event.reason)))
    done = _with_work(held, lane, None)
    match work.need.role:
        case Role.CANDIDATE:
            return replace(done, candidate=_tried(work.need, event))
        case Role.COMPILE:
            return _compiled(done, work.need, event)
        case Role.FIRST | Role.SERVING | Role.ENGINE:
            if isinstance(event, Got):
                return _loaded(done, work.need, event)
            if work.need.role is Role.SERVING:
                # What is to serve is to serve: memory may come free, a deleted version may come back.
                again = replace(work, again_at_s=now + spread * LONGEST_PAUSE_S, reason=_cut(event.reason))
                return _with_work(held, lane, again)
            return _not_loaded(done, work.need, event.reason)
        case _:
            assert_never(work.need.role)


def _with_work(held: Held, lane: Lane, work: Work | None) -> Held:
    others = {key: each for key, each in held.works.items() if key is not lane}
    return replace(held, works=others if work is None else {**others, lane: work})


def _tried(need: Need, event: Got | Refused | NeedsReplicas) -> Candidate:
    if isinstance(event, Got):
        return Candidate(need=need, loaded=event.loaded)
    if isinstance(event, NeedsReplicas):
        return Candidate(need=need, needs_replicas=_cut(event.reason))
    return Candidate(need=need, failed=_cut(event.reason))


def _compiled(held: Held, need: Need, event: Got | Refused | NeedsReplicas) -> Held:
    assert need.folder is not None, "a need to compile has one"
    if isinstance(event, Got):
        return replace(held, compiled={**held.compiled, need.folder: ""})
    return _without_machine_code(held, need.folder, event.reason)


def _without_machine_code(held: Held, folder: Path, reason: str) -> Held:
    told = _stays(held, reason)
    return replace(held, compiled={**held.compiled, folder: _cut(reason)}, engine_trouble=told)


def _loaded(held: Held, need: Need, event: Got) -> Held:
    assert event.loaded is not None, "only what is compiled has none"
    found = replace(
        held,
        serving=event.loaded,
        chosen=(need.engine, need.verdicts),
        engine_trouble=event.loaded.engine_trouble,
    )
    folder = event.loaded.to_compile
    if need.compiled and folder is not None:
        # It would be compiled and loaded for ever.
        return _without_machine_code(found, folder, "its machine code is gone again")
    return found


def _not_loaded(held: Held, need: Need, reason: str) -> Held:
    if need.role is Role.FIRST:
        return replace(held, refused=_cut(reason))
    if need.compiled and held.serving is not None and held.serving.to_compile is not None:
        return _without_machine_code(held, held.serving.to_compile, reason)
    return replace(held, chosen=(need.engine, need.verdicts), engine_trouble=_stays(held, reason))


def _stays(held: Held, reason: str) -> str:
    return _cut(f"stays with {held.serving.plan if held.serving else 'nothing'}: {reason}")


# -- what is lacking ---------------------------------------------------------------------------------------


def _settled(held: Held, now: float) -> Step:
    """Swapped where that is all it takes, and with a task for everything that is lacking."""
    held = _promoted(_swapped(held))
    tasks: list[Task] = []
    wakes: list[float] = []
    for lane, need in (
        (Lane.SERVING, _lacking(held)),
        (Lane.CANDIDATE, _candidate(held)),
        (Lane.COMPILER, _to_compile(held)),
    ):
        work = held.works.get(lane)
        if need is None:
            held = _with_work(held, lane, None)
            continue
        if work is None or work.need != need:
            begun = Work(need=need, task=held.tasks + 1)
        elif work.again_at_s is None:
            continue
        elif now < work.again_at_s:
            wakes.append(work.again_at_s)
            continue
        else:
            begun = replace(work, task=held.tasks + 1, tries=work.tries + 1, again_at_s=None)
        held = _with_work(replace(held, tasks=begun.task), lane, begun)
        tasks.append(Task(number=begun.task, need=need, beside=held.serving, follows=held.target.follows))
    return Step(held=held, tasks=tuple(tasks), wake_at_s=min(wakes, default=None))


def _swapped(held: Held) -> Held:
    target, candidate = held.target, held.candidate
    if candidate is not None and candidate.need != _need_of_candidate(target):
        if (
            candidate.loaded is not None
            and candidate.loaded.version == target.serving
            and held.serving is not None
            and held.serving.version != target.serving
        ):
            found = candidate.loaded
            known = found.measured or not target.verdicts
            held = replace(
                held,
                serving=found,
                # A verdict that came after it was loaded has it loaded once more.
                chosen=(candidate.need.engine, target.verdicts if known else ""),
                engine_trouble=found.engine_trouble,
            )
        held = replace(held, candidate=None)
    return held


def _promoted(held: Held) -> Held:
    """With what loads a candidate that is to serve already as what loads the version that is to serve."""
    trying, need = held.works.get(Lane.CANDIDATE), _lacking(held)
    if trying is None or need is None or need.role is not Role.SERVING or Lane.SERVING in held.works:
        return held
    alike = (trying.need.version, trying.need.engine) == (need.version, need.engine)
    if not alike or _need_of_candidate(held.target) == trying.need:
        return held
    return _with_work(_with_work(held, Lane.CANDIDATE, None), Lane.SERVING, replace(trying, need=need))


def _lacking(held: Held) -> Need | None:
    """Of the version that is to serve."""
    target, serving = held.target, held.serving
    if serving is None or serving.version != target.serving:
        if held.refused:
            return None
        return Need(
            role=Role.FIRST if serving is None else Role.SERVING,
            version=target.serving,
            engine=target.engine,
            verdicts=target.verdicts,
        )
    compiled = serving.to_compile is not None and held.compiled.get(serving.to_compile) == ""
    if held.chosen == (target.engine, target.verdicts) and not compiled:
        return None
    return Need(
        role=Role.ENGINE,
        version=target.serving,
        engine=target.engine,
        verdicts=target.verdicts,
        compiled=compiled,
    )


def _candidate(held: Held) -> Need | None:
    need = _need_of_candidate(held.target)
    if held.serving is None or held.candidate is not None:
        return None
    return need


def _need_of_candidate(target: Target) -> Need | None:
    if target.candidate is None:
        return None
    return Need(role=Role.CANDIDATE, version=target.candidate, engine=target.engine, trial=target.trial)


def _to_compile(held: Held) -> Need | None:
    serving = held.serving
    if serving is None or serving.to_compile is None or serving.to_compile in held.compiled:
        return None
    return Need(role=Role.COMPILE, version=serving.version, folder=serving.to_compile)


# -- what is told ------------------------------------------------------------------------------------------


def report_of(held: Held, generation: int, hardware: str) -> Report:
    """What the replica tells of itself: of a first version that it waits for it has none that serves."""
    target, serving, candidate = held.target, held.serving, held.candidate
    has, told = serving.version if serving else "", target.candidate
    state: str | None
    if candidate is not None:
        state, reason = candidate.state, candidate.failed or candidate.needs_replicas
    else:
        state, reason = _waits(held, Lane.CANDIDATE)
    if serving is None:
        state, reason = (FAILED, held.refused) if held.refused else _waits(held, Lane.SERVING)
        if target.follows is not None and state is not None:
            # Tried by replicas of its own: nobody need try it again, or not now.
            has, told = (target.serving if held.refused else ""), target.serving
        else:
            state = None
    return Report(
        generation=generation,
        serving=has,
        trial=target.trial,
        candidate=told,
        candidate_state=state,
        reason=reason,
        hardware=hardware,
        engine=str(serving.plan) if serving else "",
        engine_trouble=(_waits(held, Lane.SERVING)[1] or held.engine_trouble) if serving else "",
    )


def _waits(held: Held, lane: Lane) -> tuple[str | None, str]:
    """The state and the reason of what is not there yet; none where nothing stood in its way so far."""
    work = held.works.get(lane)
    if work is None or not work.reason:
        return None, ""
    if work.need.role is Role.ENGINE:
        return None, _stays(held, work.reason)
    failed = work.tries - (work.again_at_s is None)
    if work.need.role is not Role.SERVING and failed >= TRIES_UNTOLD:
        return PASSING, work.reason
    return None, _cut(f"version {work.need.version} cannot be loaded yet: {work.reason}")


def _cut(reason: str) -> str:
    line = " ".join(reason.split()) or "no word of why"
    return line if len(line) <= REASON_CHARACTERS else f"{line[: REASON_CHARACTERS - 1]}…"
