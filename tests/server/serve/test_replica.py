"""A replica on an event loop of its own, with versions that are loaded when the test says so."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlflow.models import Model
from starlette.requests import Request

from journeyman.errors import UnreachableError
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.files import Version
from journeyman.models.model import ModelError, ServedModel
from journeyman.models.signature import Field, Signature
from journeyman.serve.records import GENERATION, Report, read_report
from journeyman.serve.replica import health, state
from journeyman.serve.replica.version import LoadedVersion
from journeyman.testing import FakeMlflow
from journeyman.tracking.records import REPLICA

with warnings.catch_warnings():
    # Ray's own, at import.
    warnings.simplefilter("ignore")
    from journeyman.serve.replica import replica as module
    from journeyman.serve.replica import tasks
    from journeyman.serve.replica.deployment import Arguments, Deployment

ROWS = Signature(inputs=(Field("x", np.dtype("float32"), (-1, 1)),), bare_input=True, bare_output=True)


class Versions:
    """In place of the loader: what comes of each load a test decides."""

    hardware = SimpleNamespace(key="cpu")

    def __init__(self) -> None:
        self.outcomes: dict[str, list[BaseException]] = {}
        """What is raised, one load after the other, before the version can be had."""
        self.held: dict[str, threading.Event] = {}
        self.loads: list[str] = []
        self.alone: set[str] = set()
        self.computing = threading.Event()
        self.computing.set()

    def look(self, version: str) -> Version:
        return Version(Path("/nowhere"), Model(), ROWS, (Engine.PYFUNC,))

    def load(self, version: str, ordered: Engine | None, loaded: Any = None) -> LoadedVersion:
        self.loads.append(version)
        if version in self.held:
            self.held[version].wait(30)
        if outcomes := self.outcomes.get(version):
            raise outcomes.pop(0)

        def run(inputs: Any, params: Any) -> Any:
            if inputs["x"][0, 0] == 13:
                self.computing.wait(30)
            return {"output": inputs["x"] * int(version)}

        model = ServedModel(self.look(version), None, alone(Engine.PYFUNC), {Engine.PYFUNC: run}, run)
        why = "brings Python of its own" if version in self.alone else ""
        return LoadedVersion(version, model, 0, 1, {"x-version": version}, b"{}", why_alone=why)

    def clean(self, versions: Any) -> None:
        """Nothing is cached."""


@pytest.fixture
def mlflow() -> FakeMlflow:
    return FakeMlflow(lambda: 0.0)


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch, mlflow: FakeMlflow) -> Versions:
    found = Versions()
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="abc"))
    monkeypatch.setattr("ray.serve.get_replica_context", lambda: context)
    monkeypatch.setattr(module, "Loader", lambda arguments, mlflow: found)
    monkeypatch.setattr(module, "Mlflow", lambda url, environ: mlflow)
    monkeypatch.setattr(tasks, "why_new_replicas", lambda files: "")
    monkeypatch.setattr(tasks, "check_memory", lambda folder, available: None)
    monkeypatch.setattr(state, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv(GENERATION, "1")
    return found


class Running:
    """A replica as Serve has it."""

    def __init__(self, mlflow: FakeMlflow) -> None:
        self._mlflow = mlflow
        self._run_id = mlflow.create_run(mlflow.experiment_id("default"), "s", {}).run_id
        arguments = Arguments(
            service="s", run_id=self._run_id, model="m", mlflow_url="http://mlflow.test", allow_code=False
        )
        self.deployment = Deployment(arguments)

    async def ordered(self, serving: str, **told: Any) -> None:
        await self.deployment.reconfigure({"serving": serving, **told})

    async def asked(self, value: float = 1) -> tuple[int, str]:
        body = b'{"inputs": [[%g]]}' % value
        messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()
            return messages.pop(0)

        scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": []}
        response = await self.deployment(Request(scope, receive))
        return response.status_code, response.headers["x-version"]

    def report(self) -> Report | None:
        text = self._mlflow.run(self._run_id).tags.get(f"{REPLICA}.abc")
        return None if text is None else read_report(text)

    async def until(self, wanted: Callable[[Report], bool]) -> Report:
        for _ in range(3000):
            if (report := self.report()) is not None and wanted(report):
                return report
            await asyncio.sleep(0.01)
        raise AssertionError(f"it was never told: {self.report()}")


def played(mlflow: FakeMlflow, play: Callable[[Running], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(Running(mlflow))

    asyncio.run(run())
    gc.unfreeze()


def test_first_version_is_loaded_once_and_the_next_is_swapped_in(
    mlflow: FakeMlflow, versions: Versions
) -> None:
    async def play(running: Running) -> None:
        await running.ordered("3")
        assert await running.asked() == (200, "3")
        await running.ordered("3", limits={"queue": 7})
        await running.ordered("3", candidate="4", trial=2)
        await running.until(lambda report: report.candidate_state == "ready")
        assert await running.asked() == (200, "3")
        await running.ordered("4", trial=2)
        assert await running.asked() == (200, "4"), "one assignment, before anything else happens"
        report = await running.until(lambda report: report.serving == "4")
        assert (report.candidate, report.hardware, report.generation) == (None, "cpu", 1)

    played(mlflow, play)
    assert versions.loads == ["3", "4"]


def test_load_that_ends_after_the_swap_changes_nothing(mlflow: FakeMlflow, versions: Versions) -> None:
    async def play(running: Running) -> None:
        await running.ordered("3")
        versions.held["3"] = threading.Event()
        await running.ordered("3", verdicts="cpu", candidate="4", trial=2)
        await running.until(lambda report: report.candidate_state == "ready")
        await running.ordered("4", verdicts="", trial=2)
        versions.held["3"].set()
        while any(each.name.startswith("engine-") for each in threading.enumerate()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert await running.asked() == (200, "4")

    played(mlflow, play)
    assert sorted(versions.loads) == ["3", "3", "4"]


def test_what_is_away_at_the_start_is_waited_for_in_the_replica(
    mlflow: FakeMlflow, versions: Versions
) -> None:
    versions.outcomes["3"] = [UnreachableError("MLflow does not answer") for _ in range(3)]

    async def play(running: Running) -> None:
        await running.ordered("3")
        assert await running.asked() == (200, "3")

    played(mlflow, play)
    assert versions.loads == ["3"] * 4


def test_first_version_that_cannot_be_had_fails_the_start_and_is_told_before(
    mlflow: FakeMlflow, versions: Versions
) -> None:
    versions.outcomes["4"] = [SystemExit("no"), ModelError("it holds NaN")]

    async def play(running: Running) -> None:
        with pytest.raises(ModelError, match="it holds NaN"):
            await running.ordered("4", follows="3", trial=2)
        report = running.report()
        assert report is not None
        assert (report.candidate, report.candidate_state, report.trial) == ("4", "failed", 2)

    async def leaves(running: Running) -> None:
        with pytest.raises(ModelError, match="SystemExit: no"):
            await running.ordered("4")

    played(mlflow, leaves)
    played(mlflow, play)


def test_candidate_that_raises_hangs_or_needs_a_process_leaves_the_loop_to_answer(
    mlflow: FakeMlflow, versions: Versions
) -> None:
    versions.outcomes["4"] = [RuntimeError("no such operator")]
    versions.held["5"] = threading.Event()

    async def play(running: Running) -> None:
        await running.ordered("3")
        await running.ordered("3", candidate="4", trial=2)
        report = await running.until(lambda report: report.candidate_state is not None)
        assert (report.candidate_state, report.reason) == ("failed", "RuntimeError: no such operator")
        await running.ordered("3", candidate="5", trial=3)
        await running.ordered("3", candidate="6", trial=4)
        await running.until(lambda report: report.candidate_state == "ready")
        versions.held["5"].set()
        await running.ordered("6", trial=4)
        assert await running.asked() == (200, "6")

    played(mlflow, play)


def test_version_that_stays_takes_no_other_beside_it(mlflow: FakeMlflow, versions: Versions) -> None:
    versions.alone.add("3")

    async def play(running: Running) -> None:
        await running.ordered("3")
        await running.ordered("3", candidate="4", trial=2)
        report = await running.until(lambda report: report.candidate_state is not None)
        assert report.candidate_state == "new_replicas"

    played(mlflow, play)
    assert versions.loads == ["3"]


def test_call_that_computes_for_too_long_fails_the_health_check_and_is_told(
    mlflow: FakeMlflow, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LEAST_S", 0.2)
    monkeypatch.setattr("journeyman.serve.replica.teller.Teller.__init__.__defaults__", (0.05, 0.05))

    async def play(running: Running) -> None:
        versions.computing.clear()
        await running.ordered("3", limits={"time": 0.05})
        await running.deployment.check_health()
        assert await running.asked(13) == (504, "3")
        report = await running.until(lambda report: bool(report.unhealthy))
        assert report.unhealthy == "a call has been computing for more than 0 s"
        with pytest.raises(module.UnhealthyError, match="has been computing"):
            await running.deployment.check_health()
        versions.computing.set()
        assert not (await running.until(lambda report: not report.unhealthy)).unhealthy_since_s
        await running.deployment.check_health()

    played(mlflow, play)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_has_died_fails_the_health_check_and_is_told(
    mlflow: FakeMlflow, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journeyman.serve.replica.teller.Teller.__init__.__defaults__", (0.05, 0.05))
    monkeypatch.setattr("journeyman.serve.replica.compute_queue.next_batch", lambda calls: 1 / 0)

    async def play(running: Running) -> None:
        await running.ordered("3", limits={"time": 0.05})
        assert await running.asked() == (504, "3")
        report = await running.until(lambda report: bool(report.unhealthy))
        assert report.unhealthy == "its thread model has died"
        with pytest.raises(module.UnhealthyError, match="thread model has died"):
            await running.deployment.check_health()

    played(mlflow, play)


def test_mlflow_that_answers_with_nonsense_is_told_again(
    mlflow: FakeMlflow, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, asked = mlflow.set_tags, []

    def refuses(run_id: str, tags: dict[str, str]) -> None:
        asked.append(tags)
        if len(asked) < 3:
            raise [UnreachableError("away"), ValueError("Expecting value: line 1")][len(asked) - 1]
        stored(run_id, tags)

    monkeypatch.setattr(mlflow, "set_tags", refuses)
    monkeypatch.setattr("journeyman.serve.replica.teller.Teller.__init__.__defaults__", (0.05, 0.05))

    async def play(running: Running) -> None:
        await running.ordered("3")
        assert (await running.until(lambda report: True)).serving == "3"
        await running.deployment.check_health()

    played(mlflow, play)
