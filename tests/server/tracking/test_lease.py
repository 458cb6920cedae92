"""Several controls of one cluster: on a real MLflow, and in every order of their requests."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journeyman.errors import UnreachableError
from journeyman.testing import FakeMlflow
from journeyman.tracking import records
from journeyman.tracking.lease import lease as lease_module
from journeyman.tracking.lease import terms
from journeyman.tracking.lease.claimant import Claimant
from journeyman.tracking.lease.lease import Lease, control_runs
from journeyman.tracking.lease.terms import ACT_S, LEASE_S, MAX_TERMS
from journeyman.tracking.mlflow_rest import Mlflow

Result = TypeVar("Result")


@dataclass(slots=True)
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def claimant(name: str) -> Claimant:
    return Claimant(name=name, machine="elsewhere", pid=1, started="1")


# -- on a real MLflow ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, {})
    yield client
    client.close()


@pytest.fixture
def cluster() -> str:
    return uuid.uuid4().hex


def terms_of(mlflow: Mlflow, cluster: str) -> dict[str, str]:
    (run,) = control_runs(mlflow, cluster)
    return {key: value.partition(" ")[0] for key, value in sorted(run.params.items())}


def test_of_controls_that_begin_at_once_one_is_in_control(mlflow: Mlflow, cluster: str) -> None:
    count = 6
    leases = [Lease(mlflow, cluster, claimant(f"control-{n}"), Clock()) for n in range(count)]
    barrier = threading.Barrier(count)

    def begin(lease: Lease) -> None:
        barrier.wait()
        lease.turn()

    threads = [threading.Thread(target=begin, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (holder,) = [n for n, lease in enumerate(leases) if lease.term() is not None]
    # Those that gave way before the ledgers were one see it now.
    for lease in leases:
        lease.turn()
    assert [n for n, lease in enumerate(leases) if lease.term() is not None] == [holder]
    (run,) = [run for run in control_runs(mlflow, cluster) if run.params]
    assert run.params == {"term.1": str(claimant(f"control-{holder}"))}


def test_control_that_falls_silent_is_followed_by_the_one_that_stood_by(
    mlflow: Mlflow, cluster: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    first = Lease(mlflow, cluster, claimant("first"), clock)
    second = Lease(mlflow, cluster, claimant("second"), clock)
    for _ in range(10):
        first.turn()
        second.turn()
        assert (first.term() is not None, second.term()) == (True, None)
        clock.now += ACT_S - 1
    first.turn()
    second.turn()
    clock.now += ACT_S + 1
    assert first.term() is None
    second.turn()
    assert second.term() is None
    clock.now += LEASE_S - ACT_S
    second.turn()
    (run,) = control_runs(mlflow, cluster)
    assert second.term() == (run.run_id, 2)
    assert run.tags[records.NOTE] == f"**second** is in control of cluster {cluster}, term 2."
    first.turn()
    assert first.term() is None
    assert terms_of(mlflow, cluster) == {"term.1": "first", "term.2": "second"}
    assert [message for message in caplog.messages if "HTTP" not in message] == [
        "first is in control, term 1: nobody was in control",
        "second stands by: first is in control, term 1",
        "second is in control, term 2: first was not heard of for 15 s",
        "lost control, term 1: second is in control, term 2",
        "first stands by: second is in control, term 2",
    ]


def test_control_that_lets_go_is_followed_at_once(mlflow: Mlflow, cluster: str) -> None:
    clock = Clock()
    first = Lease(mlflow, cluster, claimant("first"), clock)
    second = Lease(mlflow, cluster, claimant("second"), clock)
    first.turn()
    second.turn()
    second.release()
    assert first.term() is not None
    first.release()
    assert first.term() is None
    (run,) = control_runs(mlflow, cluster)
    assert run.tags[records.NOTE] == f"Nobody is in control of cluster {cluster}: first let go."
    second.turn()
    assert terms_of(mlflow, cluster) == {"term.1": "first", "term.2": "second"}


def test_process_of_this_machine_that_is_gone_is_followed_at_once(mlflow: Mlflow, cluster: str) -> None:
    code = f"""
from journeyman.tracking.lease.claimant import this_process
from journeyman.tracking.lease.lease import Lease, clock
from journeyman.tracking.mlflow_rest import Mlflow
lease = Lease(Mlflow("{mlflow.url}", {{}}), "{cluster}", this_process("control"), clock)
lease.turn()
print(lease.term(), flush=True)
input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith(", 1)")
        second = Lease(mlflow, cluster, claimant("second"), Clock())
        second.turn()
        assert second.term() is None
        process.kill()
        process.wait()
        second.turn()
    (run,) = control_runs(mlflow, cluster)
    assert second.term() == (run.run_id, 2)


def test_full_ledger_is_closed_and_another_one_begun(mlflow: Mlflow, cluster: str) -> None:
    clock = Clock()
    first = Lease(mlflow, cluster, claimant("first"), clock)
    first.turn()
    (full,) = control_runs(mlflow, cluster)
    filling = {f"term.{n}": "filling m 1 1" for n in range(2, MAX_TERMS + 1)}
    mlflow.log_batch(full.run_id, params=filling)
    first.turn()
    clock.now += LEASE_S
    first.turn()
    assert mlflow.run(full.run_id).status == "FINISHED"
    assert mlflow.run(full.run_id).params[f"term.{MAX_TERMS + 1}"] == "closed"
    (run,) = control_runs(mlflow, cluster)
    assert first.term() == (run.run_id, 1)


def test_ledger_that_a_person_deletes_is_followed_by_another(mlflow: Mlflow, cluster: str) -> None:
    lease = Lease(mlflow, cluster, claimant("first"), Clock())
    lease.turn()
    (deleted,) = control_runs(mlflow, cluster)
    httpx.post(f"{mlflow.url}/api/2.0/mlflow/runs/delete", json={"run_id": deleted.run_id}).raise_for_status()
    lease.turn()
    (run,) = control_runs(mlflow, cluster)
    assert run.run_id != deleted.run_id
    assert lease.term() == (run.run_id, 1)


# -- in every order of their requests --------------------------------------------------------------------


class Dead(BaseException):
    """Ends the thread of a control that was killed."""


class Control:
    """A control whose requests wait to be told to go on: before each arrives, and before it is answered."""

    def __init__(self, server: FakeMlflow, clock: Clock, number: int, ahead_s: float) -> None:
        self._time: Callable[[], float] = lambda: clock.now + ahead_s
        self._go = threading.Semaphore(0)
        self._parked = threading.Semaphore(0)
        self._fate = ""
        self.claimant = claimant(f"control-{number}")
        self.dead = self.ended = False
        client = server.another(self._time, self._wire)
        self.lease = Lease(client, "cluster", self.claimant, self._time)
        threading.Thread(target=self._run).start()
        self._parked.acquire()

    @property
    def acts(self) -> bool:
        return not self.dead and self.lease.term() is not None

    def go_on(self, fate: str = "is answered") -> None:
        if not self.ended:
            self._fate = fate
            self._go.release()
            self._parked.acquire()

    def _run(self) -> None:
        try:
            while True:
                self._pause()
                try:
                    self.lease.turn()
                except UnreachableError:
                    continue
        except Dead:
            self.ended = True
            self._parked.release()

    def _pause(self) -> None:
        self._parked.release()
        self._go.acquire()
        if self.dead:
            raise Dead

    def _wire(self, name: str, request: Callable[[], Result]) -> Result:
        # What these read never changes here: the list of experiments, and a param that is there.
        if name in ("experiments/search", "runs/get"):
            return request()
        self._parked.release()
        self._go.acquire()
        # What a dead control has sent arrives all the same.
        if self._fate == "does not arrive":
            raise UnreachableError("away")
        result = request()
        if self._fate == "is not answered":
            raise UnreachableError("away")
        self._pause()
        return result


CONTROLS = 3
ROUNDS = 50
"""Enough for any lease to run out and for another to be claimed."""


@dataclass(frozen=True, slots=True)
class GoesOn:
    """A control gets a few moments further, with time passing before each."""

    control: int
    moments: int
    pause_s: float
    fate: str


@dataclass(frozen=True, slots=True)
class Sleeps:
    """A control sleeps, wherever it is, while the others do what they do."""

    control: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Dies:
    control: int


NUMBERS = st.integers(0, CONTROLS - 1)
FATES = st.sampled_from(["is answered"] * 8 + ["does not arrive", "is not answered"])
PAUSES_S = st.sampled_from([0.0] * 4 + [0.5, 1.0, 3.0, ACT_S - 0.5])
EVENTS = st.one_of(
    st.builds(GoesOn, NUMBERS, st.integers(1, 8), PAUSES_S, FATES),
    st.builds(Sleeps, NUMBERS, st.integers(1, 20)),
    st.builds(GoesOn, NUMBERS, st.integers(1, 4), st.just(0.0), st.just("is answered")),
    st.builds(Dies, NUMBERS),
)


def answered(control: int, moments: int) -> GoesOn:
    return GoesOn(control, moments, 0.0, "is answered")


LATE = [Sleeps(0, 9), answered(0, 1), Sleeps(0, 9)]
EVEN, BEHIND = [0.0, 0.0, 0.0], [0.0, -100.0, 0.0]


# Orders that chance seldom finds. The second control begins a ledger that is older than that of the first,
# by its own clock: which the first has claimed in already, or is about to.
@example([(1, 2), (0, 9), (1, 16)], [], BEHIND, MAX_TERMS)
@example([(1, 2), (0, 7), (1, 16), (0, 2)], [], BEHIND, MAX_TERMS)
# The answer to the first's claim, and to its beat, comes late.
@example([(0, 8)], LATE, EVEN, MAX_TERMS)
@example([(0, 12)], LATE, EVEN, MAX_TERMS)
# Its beat arrives late, when another is about to claim the next term.
@example(
    [(0, 13)], [Sleeps(0, 9), answered(0, 3), Sleeps(0, 7), answered(0, 2), answered(1, 2)], EVEN, MAX_TERMS
)
@settings(max_examples=400, deadline=None)
@given(
    beginning=st.lists(st.tuples(NUMBERS, st.integers(1, 8)), max_size=8),
    events=st.lists(EVENTS, max_size=16),
    ahead_s=st.lists(st.sampled_from([0.0, 100.0, -100.0]), min_size=CONTROLS, max_size=CONTROLS),
    max_terms=st.sampled_from([1, 3, MAX_TERMS]),
)
def test_no_two_controls_act_at_once_and_in_the_end_one_does(
    beginning: list[tuple[int, int]],
    events: list[GoesOn | Sleeps | Dies],
    ahead_s: list[float],
    max_terms: int,
) -> None:
    clock = Clock()
    server = FakeMlflow(clock)
    dead: set[str] = set()

    def goes_on(control: Control, moments: int, pause_s: float = 0.0, fate: str = "is answered") -> None:
        for _ in range(moments):
            clock.now += pause_s
            assert sum(each.acts for each in controls) <= 1
            control.go_on(fate)
            assert sum(each.acts for each in controls) <= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "MAX_TERMS", max_terms)
        patch.setattr(lease_module, "is_gone", lambda text: text in dead)
        controls = [Control(server, clock, number, ahead_s[number]) for number in range(CONTROLS)]
        try:
            for number, moments in beginning:
                goes_on(controls[number], moments)
            for event in events:
                control = controls[event.control]
                match event:
                    case GoesOn():
                        goes_on(control, event.moments, event.pause_s, event.fate)
                    case Sleeps():
                        for _ in range(event.seconds):
                            clock.now += 1
                            for other in controls:
                                if other is not control:
                                    goes_on(other, 3)
                    case Dies() if len(dead) < CONTROLS - 1:
                        control.dead = True
                        dead.add(str(control.claimant))
            for _ in range(ROUNDS):
                clock.now += 0.5
                for control in controls:
                    goes_on(control, 1)
            assert sum(each.acts for each in controls) == 1
        finally:
            for control in controls:
                control.dead = True
                while not control.ended:
                    control.go_on()
