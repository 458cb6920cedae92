"""A replica is killed, slow, breaks or hangs at each moment of a swap, on Serve itself.

`tests/unit/harness/test_replicas.py` has every turn of a swap; here are the moments that a real one can be
stopped at. Not among them is the turn between the last replica that gets ready and the word to swap.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import httpx
import mlflow
import psutil
import pytest

from journeyman.client import Client, Service
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.settings import Settings

from .conftest import ROW
from .test_candidates import MODEL, Versions

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.

T = TypeVar("T")
_log = logging.getLogger(__name__)
LIMIT_S = 240.0
REPLICAS = 2
HANGS_AT = {"inputs": [[13.0, 2.0, 3.0, 4.0]]}
SLOW_S = 4.0
PYTHON = """
import json
import pathlib
import sys
import time

import mlflow

FOLDER = pathlib.Path({folder!r})


class Told(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        if b"ServeReplica" not in pathlib.Path("/proc/self/cmdline").read_bytes():
            return
        pid = pathlib.Path("/proc/self").resolve().name
        (FOLDER / f"loads-{{pid}}").touch()
        number = len(list(FOLDER.glob("loads-*")))
        time.sleep(1 if number < 2 else 3)
        if number == json.loads((FOLDER / "breaks").read_text()):
            sys.exit("no such device")
        (FOLDER / f"loaded-{{pid}}").touch()

    def predict(self, context, model_input, params=None):
        if model_input[0, 0] == 13:
            time.sleep(3600)
        return model_input[:, :3]


mlflow.models.set_model(Told())
"""


class Fault(StrEnum):
    KILLED = "killed"
    SLOW = "slow"
    BREAKS = "breaks"
    """It cannot load the version."""
    HANGS = "hangs"
    """A call of it never ends."""


class Moment(StrEnum):
    """In what becomes of the alias, by the replica that the fault meets."""

    ORDERED = "the alias was moved"
    LOADS = "it loads beside what serves, and the other is ready"
    READY = "it is ready, and the other loads"
    STARTS = "it is a new process"
    NEW_LOADS = "it is new and loads"
    OLD_BESIDE = "it is old, and a new one loads"
    NEW_READY = "it is new and answers, and the other new one loads"
    NEXT_LOADS = "it is new and loads, and the other new one answers"
    OLD_LAST = "it is old, and a new one answers"
    SWAPPED = "control has written that the version serves"
    HEALTHY = "the service is healthy again"


NOT_YET_SERVING = (Moment.STARTS, Moment.NEW_LOADS, Moment.NEXT_LOADS)
MOST_LOST = 3
"""Of one who asks, and whose connections are kept."""
IN_PLACE = (Moment.ORDERED, Moment.LOADS, Moment.READY, Moment.SWAPPED, Moment.HEALTHY)
BY_NEW_REPLICAS = tuple(moment for moment in Moment if moment not in (Moment.LOADS, Moment.READY))


def row(in_place: bool, moment: Moment, fault: Fault, *, sample: bool = False) -> object:
    name = f"{'in place' if in_place else 'by new replicas'}: {fault} when {moment}"
    return pytest.param(in_place, moment, fault, id=name, marks=() if sample else pytest.mark.long)


TABLE = [
    *(row(True, moment, Fault.KILLED, sample=moment is Moment.READY) for moment in IN_PLACE),
    row(True, Moment.LOADS, Fault.SLOW, sample=True),
    *(row(False, moment, Fault.KILLED, sample=moment is Moment.NEW_LOADS) for moment in BY_NEW_REPLICAS),
    row(False, Moment.NEW_LOADS, Fault.SLOW),
    row(False, Moment.OLD_BESIDE, Fault.SLOW),
    row(False, Moment.NEW_LOADS, Fault.BREAKS),
    row(False, Moment.NEXT_LOADS, Fault.BREAKS, sample=True),
    row(False, Moment.OLD_BESIDE, Fault.HANGS),
    row(False, Moment.HEALTHY, Fault.HANGS, sample=True),
]


@dataclass(frozen=True)
class Answers:
    """What whoever asks all the time is answered: status, or what went wrong, and version."""

    told: list[tuple[str, str]]

    @property
    def versions(self) -> list[str]:
        """That answered, each once, as they came first."""
        return list(dict.fromkeys(version for status, version in self.told if status == "200"))

    @property
    def lost(self) -> Counter[str]:
        return Counter(status for status, _ in self.told if status != "200")


@contextmanager
def asking(url: str) -> Iterator[Answers]:
    answers = Answers([])
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=10, limits=httpx.Limits(keepalive_expiry=2)) as http:
            while not done.is_set():
                try:
                    answer = http.post(f"{url}/invocations", json=ROW)
                    told = str(answer.status_code), answer.headers.get("x-journeyman-version", answer.text)
                except httpx.HTTPError as error:
                    told = type(error).__name__, ""
                answers.told.append(told)
                time.sleep(0.02)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield answers
    finally:
        done.set()
        asker.join()


class Swaps:
    """A service of two replicas, which takes one version after another."""

    def __init__(self, stack: Settings, client: Client, folder: Path) -> None:
        self._stack = stack
        self._client = client
        self._folder = folder
        self._count = 0
        self.versions = Versions(stack.mlflow_url, folder)
        self._programs = [self.versions.good(), self.versions.good()]
        self.versions.moved(self._programs[0])
        order = {"kind": "service", "name": MODEL, "model": f"models:/{MODEL}@champion", "replicas": REPLICAS}
        client.deploy(order | {"limits": {"time": "2s"}, "allow_code": True})
        self.url = self.until(lambda service: service.phase == "healthy").url

    def until(self, wanted: Callable[[Service], bool]) -> Service:
        return eventually(
            lambda: service if wanted(service := self._client.service(MODEL)) else None,
            lambda: str(self._client.service(MODEL)),
        )

    def settled(self, version: str) -> Service:
        """Once the service is healthy with all its replicas, and each answers with the version."""
        found = self.until(
            lambda service: (
                service.phase == "healthy"
                and service.serving_version == version
                and service.running_replicas == REPLICAS
            )
        )
        with httpx.Client(timeout=30) as http:
            answers = [http.post(f"{self.url}/invocations", json=ROW) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["x-journeyman-version"] for answer in answers} == {version}
        return found

    def next_version(self, in_place: bool, breaks: int, hangs: bool) -> tuple[str, str]:
        """The version that serves, and the one that is to: two programs alone swap in place.

        What `hangs` is one that can: a version in Python.
        """
        serving = str(self.until(lambda service: service.phase == "healthy").serving_version)
        if in_place and serving not in self._programs:
            self.versions.moved(serving := self._programs[0])
            self.settled(serving)
        if hangs and serving in self._programs:
            _, serving = self.next_version(in_place=False, breaks=0, hangs=False)
            self.versions.moved(serving)
            self.settled(serving)
        if in_place:
            [other] = [program for program in self._programs if program != serving]
            return serving, other
        self._count += 1
        self.told = self._folder / f"python-{self._count}"
        self.told.mkdir()
        (self.told / "breaks").write_text(json.dumps(breaks))
        return serving, self.versions.python(PYTHON.format(folder=str(self.told)))

    def processes(self) -> list[psutil.Process]:
        """Of replicas; those that end as they are looked at are left out."""
        found = []
        for owned in owned_processes(mark_of(self._stack.cluster, "ray")):
            with suppress(psutil.NoSuchProcess):
                if f"ServeReplica:{MODEL}" in " ".join(owned.process.cmdline()):
                    found.append(owned.process)
        return found

    def pids(self, word: str) -> list[int]:
        """Of the processes that have begun to load the version, or have loaded it, in that order."""
        paths = sorted(self.told.glob(f"{word}-*"), key=lambda path: path.stat().st_mtime_ns)
        return [int(path.name.rpartition("-")[2]) for path in paths]


def eventually(look: Callable[[], T | None], told: Callable[[], str]) -> T:
    deadline = time.monotonic() + LIMIT_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"it did not happen: {told()}"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def swaps(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swaps]:
    with pytest.MonkeyPatch.context() as environment, closing(Client(stack)) as client:
        environment.setenv("MLFLOW_TRACKING_URI", stack.mlflow_url)
        mlflow.set_tracking_uri(stack.mlflow_url)
        yield Swaps(stack, client, tmp_path_factory.mktemp("swaps"))
        client.undeploy(MODEL)


def met(swaps: Swaps, moment: Moment, version: str, before: list[psutil.Process]) -> psutil.Process:
    """The replica that the fault is to meet, once the swap to the version, which begins now, is there."""
    old = {process.pid for process in before}

    def new(word: str, number: int) -> psutil.Process | None:
        pids = [pid for pid in swaps.pids(word) if psutil.pid_exists(pid)]
        return psutil.Process(pids[number - 1]) if len(pids) >= number else None

    def wait(look: Callable[[], psutil.Process | None]) -> psutil.Process:
        return eventually(look, lambda: f"{moment}: {swaps.until(lambda _: True)}")

    def first_old() -> psutil.Process | None:
        return next((process for process in before if process.is_running()), None)

    match moment:
        case Moment.ORDERED:
            swaps.versions.moved(version)
            return before[0]
        case Moment.LOADS | Moment.READY:
            stopped, other = before
            stopped.suspend()
            swaps.versions.moved(version)
            swaps.until(lambda service: f"1 of {REPLICAS} replicas are ready" in service.reason)
            return stopped if moment is Moment.LOADS else other
        case Moment.SWAPPED | Moment.HEALTHY:
            swaps.versions.moved(version)
            healthy = moment is Moment.HEALTHY
            swaps.until(lambda s: s.serving_version == version and (s.phase == "healthy" or not healthy))
            # Those that were there go on where the swap is in place.
            return first_old() or wait(lambda: new("loaded", REPLICAS))
        case Moment.STARTS:
            swaps.versions.moved(version)
            return wait(lambda: next((each for each in swaps.processes() if each.pid not in old), None))
        case Moment.NEW_LOADS | Moment.OLD_BESIDE:
            swaps.versions.moved(version)
            loads = wait(lambda: new("loads", 1))
            return loads if moment is Moment.NEW_LOADS else wait(first_old)
        case Moment.NEW_READY | Moment.NEXT_LOADS | Moment.OLD_LAST:
            swaps.versions.moved(version)
            ready = wait(lambda: new("loaded", 1))
            if moment is Moment.OLD_LAST:
                return wait(first_old)
            second = wait(lambda: new("loads", 2))
            return ready if moment is Moment.NEW_READY else second


@pytest.mark.parametrize(("in_place", "moment", "fault"), TABLE)
def test_swap_ends_well_whatever_becomes_of_a_replica_at_a_moment_of_it(
    swaps: Swaps, in_place: bool, moment: Moment, fault: Fault
) -> None:
    breaks = {Moment.NEW_LOADS: 1, Moment.NEXT_LOADS: 2}[moment] if fault is Fault.BREAKS else 0
    serving, version = swaps.next_version(in_place, breaks, hangs=fault is Fault.HANGS)
    before = swaps.processes()
    began = time.monotonic()
    with asking(swaps.url) as answers:
        try:
            process = met(swaps, moment, version, before)
            match fault:
                case Fault.KILLED:
                    process.kill()
                case Fault.SLOW:
                    process.suspend()
                case Fault.HANGS:
                    assert (
                        httpx.post(f"{swaps.url}/invocations", json=HANGS_AT, timeout=30).status_code == 504
                    )
            if fault is Fault.SLOW:
                time.sleep(SLOW_S)
        finally:
            for each in before:
                with suppress(psutil.NoSuchProcess):
                    each.resume()
        if fault is Fault.SLOW:
            process.resume()
        if fault is Fault.HANGS and moment is Moment.HEALTHY:
            told = swaps.until(lambda service: "replaced" in service.reason)
            why = "since a call has been computing for more than 60 s"
            assert f"1 replica was replaced in the last ten minutes, {why}" in told.reason, told.reason
        if fault is Fault.BREAKS:
            told = swaps.until(lambda service: service.refused_version == version)
            assert f"version {version}: " in told.reason and "no such device" in told.reason, told.reason
        swaps.settled(serving if fault is Fault.BREAKS else version)
    took_s = time.monotonic() - began
    _log.info("%.0f s, %d answers, not 200: %s", took_s, len(answers.told), dict(answers.lost))
    assert set(answers.versions) <= {serving, version}
    assert why_too_much(answers.lost, moment, fault) == ""


def why_too_much(lost: Counter[str], moment: Moment, fault: Fault) -> str:
    """What whoever asks has lost beyond what the replica had of theirs."""
    match fault:
        case Fault.KILLED if moment not in NOT_YET_SERVING:
            return "" if lost.total() <= MOST_LOST else f"more than was under way: {lost}"
        case Fault.HANGS:
            # It has one thread that computes, and is asked by turns until it is replaced.
            return "" if set(lost) <= {"504"} else f"not in time is 504: {lost}"
        case _:
            return f"nothing is to be lost: {lost}" if lost else ""
