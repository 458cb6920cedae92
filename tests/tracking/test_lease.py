"""Several controls of one cluster: on a real MLflow, and in every order of their requests."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeyman.errors import UnreachableError
from journeyman.tracking import lease as lease_module
from journeyman.tracking import records, terms
from journeyman.tracking.claimant import Claimant
from journeyman.tracking.lease import Lease, control_runs
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import Run
from journeyman.tracking.terms import ACT_S, LEASE_S, MAX_TERMS

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
    client = Mlflow(mlflow_url)
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
    second.turn()
    assert terms_of(mlflow, cluster) == {"term.1": "first", "term.2": "second"}


def test_process_of_this_machine_that_is_gone_is_followed_at_once(mlflow: Mlflow, cluster: str) -> None:
    code = f"""
from journeyman.tracking.claimant import this_process
from journeyman.tracking.lease import Lease, clock
from journeyman.tracking.mlflow_rest import Mlflow
lease = Lease(Mlflow("{mlflow.url}"), "{cluster}", this_process("control"), clock)
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


@dataclass(slots=True)
class Store:
    """What MLflow does of the lease: runs whose params are written once."""

    runs: dict[str, Run] = field(default_factory=dict)

    def create(self, start_ms: int, tags: Mapping[str, str]) -> Run:
        run = Run(
            run_id=str(len(self.runs)),
            experiment_id="0",
            run_name="control",
            status="RUNNING",
            artifact_uri="",
            start_ms=start_ms,
            end_ms=None,
            tags=tags,
            params={},
            metrics={},
            steps={},
        )
        self.runs[run.run_id] = run
        return run

    def running(self) -> list[Run]:
        return [run for run in self.runs.values() if run.active]

    def claim(self, run_id: str, key: str, value: str) -> bool:
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, params={key: value, **run.params})
        return self.runs[run_id].params[key] == value

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, tags={**run.tags, **tags})

    def set_status(self, run_id: str, status: str) -> None:
        self.runs[run_id] = replace(self.runs[run_id], status=status)


class Control(Mlflow):
    """A control whose requests wait to be told to go on: before each arrives, and before it is answered."""

    def __init__(self, store: Store, clock: Clock, number: int, ahead_s: float) -> None:
        # Without Mlflow's own, which opens an HTTP client.
        self._store = store
        self._time: Callable[[], float] = lambda: clock.now + ahead_s
        self._go = threading.Semaphore(0)
        self._parked = threading.Semaphore(0)
        self._fate = ""
        self.claimant = claimant(f"control-{number}")
        self.dead = self.ended = False
        self.lease = Lease(self, "cluster", self.claimant, self._time)
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

    def _request(self, request: Callable[[], Result]) -> Result:
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

    def experiments(self) -> dict[str, str]:
        return {"0": "Default"}

    def experiment_id(self, name: str) -> str:
        return "0"

    def search_runs(
        self, experiment_ids: Iterable[str], filter_string: str, limit: int | None = None
    ) -> list[Run]:
        return self._request(self._store.running)

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
        start_ms = int(self._time() * 1000)
        return self._request(lambda: self._store.create(start_ms, tags))

    def claim(self, run_id: str, key: str, claimant: str) -> bool:
        return self._request(lambda: self._store.claim(run_id, key, claimant))

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._request(lambda: self._store.set_tags(run_id, tags))

    def update_run(self, run_id: str, status: str, end_ms: int | None = None) -> None:
        self._request(lambda: self._store.set_status(run_id, status))


CONTROLS = 3
EVENTS = st.tuples(
    st.integers(0, CONTROLS - 1),
    st.sampled_from(["is answered"] * 12 + ["does not arrive", "is not answered", "dies"]),
    st.integers(1, 12),
    st.sampled_from([0.0] * 6 + [0.5, 3.0, ACT_S - 0.5, LEASE_S]),
)
"""Which control goes on, how, through how many moments, and how much time passes before each."""


@settings(max_examples=400, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=60),
    ahead_s=st.lists(st.sampled_from([0.0, 100.0, -100.0]), min_size=CONTROLS, max_size=CONTROLS),
    max_terms=st.sampled_from([1, 3, MAX_TERMS]),
)
def test_no_two_controls_act_at_once_and_in_the_end_one_does(
    events: list[tuple[int, str, int, float]], ahead_s: list[float], max_terms: int
) -> None:
    store, clock = Store(), Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "MAX_TERMS", max_terms)
        dead: set[str] = set()
        patch.setattr(lease_module, "is_gone", lambda text: text in dead)
        controls = [Control(store, clock, number, ahead_s[number]) for number in range(CONTROLS)]
        try:
            for number, what, moments, pause_s in events:
                control = controls[number]
                if what == "dies" and len(dead) < CONTROLS - 1:
                    control.dead = True
                    dead.add(str(control.claimant))
                for _ in range(moments):
                    clock.now += pause_s
                    assert sum(each.acts for each in controls) <= 1
                    control.go_on(what)
                    assert sum(each.acts for each in controls) <= 1
            for _ in range(200):
                clock.now += 0.1
                for control in controls:
                    control.go_on()
                    assert sum(each.acts for each in controls) <= 1
            assert sum(each.acts for each in controls) == 1
        finally:
            for control in controls:
                control.dead = True
                while not control.ended:
                    control.go_on()
