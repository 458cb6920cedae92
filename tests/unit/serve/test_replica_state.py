"""What a replica holds and does next, in every order in which its threads may be done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeyman.models.engines.engine import Engine, Plan, alone
from journeyman.serve.replica.state import (
    LONGEST_PAUSE_S,
    REASON_CHARACTERS,
    TRIES_UNTOLD,
    Away,
    Event,
    Got,
    Held,
    Lane,
    NeedsReplicas,
    Ordered,
    Refused,
    Role,
    Step,
    Target,
    Task,
    Woken,
    decide,
    report_of,
)

FOLDER = Path("/cache/m/3-1")
SAFE, FAST = alone(Engine.TORCH_EXPORT), alone(Engine.AOTINDUCTOR)


@dataclass(frozen=True)
class Version:
    """As far as decisions read a loaded one."""

    version: str
    plan: Plan = SAFE
    engine_trouble: str = ""
    to_compile: Path | None = None
    measured: bool = False


def loaded(version: str, **told: Any) -> Any:
    return cast(Any, Version(version, **told))


@dataclass
class Replica:
    """Holds a state as the event loop does, at a time of the test's own."""

    held: Held
    now: float = 0.0
    begun: tuple[Task, ...] = ()
    """All that were ever begun, in order."""
    wake_at_s: float | None = None

    def meets(self, event: Event) -> Step:
        step = decide(self.held, event, self.now)
        self.held, self.wake_at_s = step.held, step.wake_at_s
        self.begun += step.tasks
        return step

    def orders(self, serving: str, **told: Any) -> Step:
        return self.meets(Ordered(Target(serving=serving, **told)))

    def last(self, role: Role) -> Task:
        return [task for task in self.begun if task.need.role is role][-1]

    @property
    def answers(self) -> str | None:
        return self.held.serving.version if self.held.serving else None


def replica(serving: str = "3", **told: Any) -> Replica:
    """One that has its first version."""
    made = Replica(Held(target=Target(serving=serving)))
    (first,) = made.orders(serving).tasks
    assert first.need.role is Role.FIRST
    assert made.meets(Got(first.number, loaded(serving, **told))).tasks == (
        made.begun[1:] if told.get("to_compile") else ()
    )
    return made


# -- one swap ----------------------------------------------------------------------------------------------


def test_candidate_is_loaded_beside_and_swapped_in_without_another_task() -> None:
    made = replica()
    (task,) = made.orders("3", candidate="4", trial=2).tasks
    assert (task.need.role, task.need.version, task.beside) == (Role.CANDIDATE, "4", loaded("3"))
    assert report_of(made.held, 1, "cpu").candidate_state is None
    made.meets(Got(task.number, loaded("4")))
    assert (made.answers, report_of(made.held, 1, "cpu").candidate_state) == ("3", "ready")
    assert made.orders("4", trial=2).tasks == ()
    assert (made.answers, made.held.candidate) == ("4", None)


def test_same_order_again_loads_nothing_again() -> None:
    made = replica()
    made.orders("3", candidate="4", trial=2)
    assert made.orders("3", candidate="4", trial=2).tasks == ()
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("4")))
    assert made.orders("3", candidate="4", trial=2).tasks == ()


def test_engine_that_is_loaded_late_does_not_undo_the_swap() -> None:
    made = replica(to_compile=FOLDER)
    made.orders("3", candidate="4", trial=2)
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("4")))
    made.meets(Got(made.last(Role.COMPILE).number, None))
    late = made.last(Role.ENGINE)
    made.orders("4", trial=2)
    before = made.held
    made.meets(Got(late.number, loaded("3", plan=FAST)))
    assert (made.answers, made.held) == ("4", before)


def test_version_that_is_loaded_late_does_not_come_back_after_it_was_left_and_ordered_again() -> None:
    made = replica()
    made.orders("4")
    first = made.last(Role.SERVING)
    made.orders("3")
    made.orders("4")
    second = made.last(Role.SERVING)
    assert first.number != second.number
    made.meets(Got(first.number, loaded("4")))
    assert made.answers == "3", "what the first thread brings may be of another engine"
    made.meets(Got(second.number, loaded("4")))
    assert made.answers == "4"


def test_candidate_that_is_to_serve_before_it_is_loaded_is_not_loaded_twice() -> None:
    made = replica()
    (task,) = made.orders("3", candidate="4", trial=2).tasks
    assert made.orders("4", trial=2).tasks == ()
    made.meets(Got(task.number, loaded("4")))
    assert made.answers == "4"


def test_next_candidate_waits_for_none_before_it() -> None:
    made = replica()
    made.orders("3", candidate="4", trial=2)
    stuck = made.last(Role.CANDIDATE)
    made.orders("3", candidate="5", trial=3)
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("5")))
    made.meets(Got(stuck.number, loaded("4")))
    assert made.held.candidate is not None
    assert made.held.candidate.loaded == loaded("5")
    made.orders("5", trial=3)
    assert made.answers == "5"


def test_swap_and_the_next_candidate_in_one_order() -> None:
    made = replica()
    made.orders("3", candidate="4", trial=2)
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("4")))
    (task,) = made.orders("4", candidate="5", trial=3).tasks
    assert (made.answers, task.need.version, task.beside) == ("4", "5", loaded("4"))


def test_candidate_that_cannot_serve_says_why_and_is_not_tried_again() -> None:
    made = replica()
    (task,) = made.orders("3", candidate="4", trial=2).tasks
    step = made.meets(Refused(task.number, "it holds\n NaN"))
    report = report_of(made.held, 1, "cpu")
    assert (report.candidate_state, report.reason, step.tasks) == ("failed", "it holds NaN", ())
    (task,) = made.orders("3", candidate="4", trial=3).tasks
    made.meets(NeedsReplicas(task.number, "brings Python of its own"))
    assert report_of(made.held, 1, "cpu").candidate_state == "new_replicas"


def test_reason_is_cut() -> None:
    made = replica()
    (task,) = made.orders("3", candidate="4", trial=2).tasks
    made.meets(Refused(task.number, "columns " + "'a': double (required), " * 5000))
    assert len(report_of(made.held, 1, "cpu").reason) == REASON_CHARACTERS


# -- what is away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.FIRST, Role.SERVING, Role.CANDIDATE, Role.ENGINE])
def test_what_cannot_be_had_now_is_tried_again_with_pauses(role: Role) -> None:
    made = Replica(Held(target=Target(serving="3"))) if role is Role.FIRST else replica()
    orders: dict[Role, dict[str, Any]] = {
        Role.FIRST: {"serving": "3"},
        Role.SERVING: {"serving": "4"},
        Role.CANDIDATE: {"serving": "3", "candidate": "4", "trial": 2},
        Role.ENGINE: {"serving": "3", "verdicts": "cpu"},
    }
    made.orders(**orders[role])
    pauses: list[float] = []
    for _ in range(9):
        made.meets(Away(made.last(role).number, "MLflow does not answer"))
        report = report_of(made.held, 1, "cpu")
        # A passing cause is no refusal; that a candidate waits for long is control's business.
        told_of = role is Role.CANDIDATE and len(pauses) + 1 >= TRIES_UNTOLD
        assert report.candidate_state == ("passing" if told_of else None)
        assert "MLflow does not answer" in (report.reason or report.engine_trouble)
        assert made.wake_at_s is not None
        pauses.append(made.wake_at_s - made.now)
        # Early, nothing happens.
        made.now = made.wake_at_s - 0.01
        assert made.meets(Woken()).tasks == ()
        made.now += 0.01
        assert [task.need.role for task in made.meets(Woken()).tasks] == [role]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    made.meets(Got(made.last(role).number, loaded(made.last(role).need.version)))
    report = report_of(made.held, 1, "cpu")
    assert (report.reason, report.engine_trouble, made.held.works) == ("", "", {})


def test_result_of_a_task_that_had_failed_already_is_none() -> None:
    made = replica()
    (task,) = made.orders("3", candidate="4", trial=2).tasks
    made.meets(Away(task.number, "MLflow is away"))
    before = made.held
    made.meets(Got(task.number, loaded("4")))
    assert made.held == before


def test_version_that_is_to_serve_is_tried_for_as_long_as_it_is_ordered() -> None:
    made = replica()
    made.orders("4")
    made.meets(Refused(made.last(Role.SERVING).number, "no memory is free"))
    assert report_of(made.held, 1, "cpu").engine_trouble == (
        "version 4 cannot be loaded yet: no memory is free"
    )
    made.now += LONGEST_PAUSE_S
    assert [task.need.version for task in made.meets(Woken()).tasks] == ["4"]
    made.orders("3")
    assert (made.held.works, report_of(made.held, 1, "cpu").engine_trouble) == ({}, "")


def test_first_version_that_is_tried_by_new_replicas_fails_for_all_of_them() -> None:
    made = Replica(Held(target=Target(serving="4", follows="3", trial=2)))
    (task,) = made.orders("4", follows="3", trial=2).tasks
    assert task.follows == "3"
    assert made.meets(Refused(task.number, "it holds NaN")).tasks == ()
    report = report_of(made.held, 2, "cpu")
    assert (report.serving, report.candidate, report.candidate_state, report.reason) == (
        "4",
        "4",
        "failed",
        "it holds NaN",
    )


def test_new_replica_that_waits_for_its_candidate_says_so() -> None:
    made = Replica(Held(target=Target(serving="4", follows="3", trial=2)))
    made.orders("4", follows="3", trial=2)
    for _ in range(TRIES_UNTOLD):
        assert report_of(made.held, 2, "cpu").candidate_state is None
        made.meets(Away(made.last(Role.FIRST).number, "S3 is away"))
        report = report_of(made.held, 2, "cpu")
        made.now += LONGEST_PAUSE_S
        made.meets(Woken())
    assert (report.serving, report.candidate, report.candidate_state, report.reason) == (
        "",
        "4",
        "passing",
        "S3 is away",
    )


# -- engines -----------------------------------------------------------------------------------------------


def test_engine_that_is_not_compiled_here_is_compiled_once_and_then_used() -> None:
    made = replica(to_compile=FOLDER, engine_trouble="stays with torch.export until …")
    (compile_,) = made.begun[1:]
    assert (compile_.need.role, compile_.need.folder) == (Role.COMPILE, FOLDER)
    (task,) = made.meets(Got(compile_.number, None)).tasks
    assert task.need.role is Role.ENGINE
    assert made.meets(Got(task.number, loaded("3", plan=FAST, measured=True))).tasks == ()
    assert report_of(made.held, 1, "cpu").engine == "aotinductor"
    assert report_of(made.held, 1, "cpu").engine_trouble == ""


def test_version_that_cannot_be_compiled_goes_on_as_it_is() -> None:
    made = replica(to_compile=FOLDER)
    assert made.meets(Refused(made.last(Role.COMPILE).number, "no compiler")).tasks == ()
    assert report_of(made.held, 1, "cpu").engine_trouble == "stays with torch.export: no compiler"
    assert made.answers == "3"


def test_machine_code_that_cannot_be_used_is_not_compiled_for_ever() -> None:
    for result in (
        lambda number: Refused(number, "another processor's"),
        lambda number: Got(number, loaded("3", to_compile=FOLDER)),
    ):
        made = replica(to_compile=FOLDER)
        made.meets(Got(made.last(Role.COMPILE).number, None))
        step = made.meets(result(made.last(Role.ENGINE).number))
        assert (step.tasks, made.held.works) == ((), {})
        assert report_of(made.held, 1, "cpu").engine_trouble.startswith("stays with torch.export: ")


def test_engine_that_cannot_be_changed_is_told_and_not_tried_again() -> None:
    made = replica()
    made.orders("3", engine=Engine.ONNXRUNTIME)
    step = made.meets(Refused(made.last(Role.ENGINE).number, "it has no ONNX form"))
    assert (step.tasks, made.answers) == ((), "3")
    assert report_of(made.held, 1, "cpu").engine_trouble == "stays with torch.export: it has no ONNX form"


def test_new_verdict_has_the_version_loaded_once_more_and_a_swap_does_not() -> None:
    made = replica()
    assert [task.need.role for task in made.orders("3", verdicts="cpu").tasks] == [Role.ENGINE]
    made.meets(Got(made.last(Role.ENGINE).number, loaded("3", measured=True)))
    made.orders("3", verdicts="cpu", candidate="4", trial=2)
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("4", measured=True)))
    assert made.orders("4", verdicts="cpu,gpu", trial=2).tasks == ()
    # One that was measured after it was loaded here.
    made.orders("4", candidate="5", trial=3, verdicts="cpu,gpu")
    made.meets(Got(made.last(Role.CANDIDATE).number, loaded("5")))
    assert [task.need.role for task in made.orders("5", verdicts="cpu", trial=3).tasks] == [Role.ENGINE]


# -- every order -------------------------------------------------------------------------------------------


def test_swap_is_never_undone_in_whatever_order_things_are_done() -> None:
    """Each once: the candidate is loaded, machine code is made, the engine of version 3 is loaded…"""
    for order in itertools.permutations(["candidate", "compiled", "swap", "engine", "verdict", "next"]):
        _swapped_once(order)


def _swapped_once(order: Sequence[str]) -> None:
    made = replica(to_compile=FOLDER)
    made.orders("3", candidate="4", trial=2)
    swapped = False
    for what in order:
        match what:
            case "candidate":
                made.meets(Got(made.last(Role.CANDIDATE).number, loaded("4")))
            case "compiled":
                made.meets(Got(made.last(Role.COMPILE).number, None))
            case "engine":
                for task in [each for each in made.begun if each.need.role is Role.ENGINE]:
                    made.meets(Got(task.number, loaded(task.need.version, plan=FAST, measured=True)))
            case "verdict":
                made.orders(**_told(made.held.target, verdicts="cpu"))
            case "next":
                made.orders(**_told(made.held.target, candidate="5", trial=3))
            case _:
                made.orders(**_told(made.held.target, serving="4"))
                swapped = True
        assert made.answers == "3" or swapped, order
    _all_done(made)
    assert made.answers == "4", order


def _told(target: Target, **changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "serving": target.serving,
        "candidate": target.candidate,
        "trial": target.trial,
        "verdicts": target.verdicts,
    } | changed
    if told["candidate"] == told["serving"]:
        told["candidate"] = None
    return told


VERSIONS = st.sampled_from(["1", "2", "3"])
TARGETS = st.builds(
    Target,
    serving=VERSIONS,
    candidate=st.none() | VERSIONS,
    trial=st.integers(1, 2),
    engine=st.none() | st.just(Engine.ONNXRUNTIME),
    verdicts=st.sampled_from(["", "cpu"]),
)
RESULTS = st.tuples(
    st.integers(0, 100), st.sampled_from(["got", "to compile", "refused", "away", "needs replicas"])
)


@settings(max_examples=400, deadline=None)
@given(st.lists(TARGETS | RESULTS | st.floats(0.1, 90.0), max_size=30))
def test_results_in_any_order_at_any_time(steps: list[Any]) -> None:
    made = replica("1")
    for step in steps:
        before, begun = made.held, len(made.begun)
        if isinstance(step, Target):
            made.meets(Ordered(step))
        elif isinstance(step, float):
            made.now += step
            made.meets(Woken())
        else:
            # Of any task there ever was: threads are late, and one may even answer twice.
            task = made.begun[step[0] % len(made.begun)]
            made.meets(_result(task, step[1]))
            under_way = {work.task for work in before.works.values() if work.again_at_s is None}
            if task.number not in under_way:
                assert made.held == before, "nobody waited for it"
        after = made.held
        assert after.serving is not None
        if before.serving is not after.serving:
            assert after.serving.version == after.target.serving, "only what is ordered takes over"
        if before.serving and before.serving.version == after.target.serving:
            assert after.serving.version == after.target.serving, "a swap is never undone"
        numbers = [task.number for task in made.begun]
        assert numbers == list(range(1, len(numbers) + 1))
        for task in made.begun[begun:]:
            assert any(work.task == task.number for work in after.works.values()), "begun and awaited"
        report_of(after, 1, "cpu")
    _all_done(made)
    held = made.held
    assert held.serving is not None
    assert (held.serving.version, held.works) == (held.target.serving, {})
    assert held.chosen[0] == held.target.engine
    assert (held.candidate is not None) == (held.target.candidate is not None)


def _result(task: Task, kind: str) -> Event:
    compiles = task.need.role is Role.COMPILE
    match kind:
        case "refused":
            return Refused(task.number, "no")
        case "away":
            return Away(task.number, "away")
        case "needs replicas" if task.need.role is Role.CANDIDATE:
            return NeedsReplicas(task.number, "brings Python of its own")
        case "to compile" if not compiles:
            folder = Path(f"/cache/m/{task.need.version}")
            return Got(task.number, loaded(task.need.version, to_compile=folder))
        case _:
            return Got(task.number, None if compiles else loaded(task.need.version, measured=True))


def _all_done(made: Replica) -> None:
    """Every task succeeds from now on; ends where nothing is lacking."""
    for _ in range(20):
        if not made.held.works:
            return
        for lane in Lane:
            if (work := made.held.works.get(lane)) and work.again_at_s is None:
                task = made.begun[work.task - 1]
                made.meets(_result(task, "got"))
        made.now += LONGEST_PAUSE_S
        made.meets(Woken())
    raise AssertionError(f"it never comes to rest: {made.held}")
