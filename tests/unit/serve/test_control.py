"""Control of services turn by turn: what it sends to Serve and when, and what it leaves alone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.client import Client
from journeyman.errors import JourneymanError, UnreadableError
from journeyman.serve.control.deployer import BUILD_PAUSE_S, REFUSAL_PAUSE_S, STALE_PAUSE_S
from journeyman.serve.control.observe import FAILURE_PAUSE_S
from journeyman.serve.control.pauses import Pauses
from journeyman.serve.control.probe import FRESH_S, Asked, Probe
from journeyman.serve.phases import Phase
from journeyman.serve.records import (
    Report,
    Rollout,
    read_report,
    read_rollout,
    read_service,
    write_report,
    write_rollout,
)
from journeyman.tracking import records
from journeyman.tracking.live_runs import LISTED_EVERY_S

from ..harness.world import SETTINGS, Immediate, Kind, Result, World, service_is

PUT = "serve/put"


def served(*names: str) -> tuple[World, list[str]]:
    """Services that answer with version 1, and their runs."""
    world = World()
    runs = []
    for name in names:
        world.register(name)
        runs.append(world.deploy(name))
    world.settle()
    world.begin()
    return world, runs


def puts(world: World) -> int:
    return world.requests.count(PUT)


# -- records -------------------------------------------------------------------------------------------


@given(st.text(), st.text())
def test_rollouts_and_reports_come_back_whatever_was_said(one: str, two: str) -> None:
    rollout = Rollout(model="digits", serving="3", refused="4", refused_because=one * 400)
    report = Report(
        generation=1, serving="3", trial=1, candidate="4", candidate_state="failed", reason=two * 400
    )
    for written in (write_rollout(rollout), write_report(report)):
        assert len(written) <= records.MAX_TAG_CHARACTERS
    assert read_rollout(write_rollout(rollout)).refused == "4"
    assert read_report(write_report(report)).candidate_state == "failed"


def test_service_of_another_schema_version_is_not_read() -> None:
    world = World()
    run = world.run(world.deploy("letters"))
    assert read_service(run).spec.name == "letters"
    world.mlflow.set_tags(run.run_id, {records.SCHEMA: "9"})
    with pytest.raises(UnreadableError, match="schema_version '9'"):
        read_service(world.run(run.run_id))


def test_unreadable_service_is_never_written_to_and_ends_when_its_run_says_so() -> None:
    world, [service] = served("letters")
    world.mlflow.set_tags(service, {records.ROLLOUT: "{"})
    before = world.run(service).tags
    world.turn(3)
    world.register("letters")
    world.turn(3)
    assert world.run(service).tags == before
    assert world.told("letters")["serving"] == "1"
    world.undeploy(service)
    world.settle()
    assert world.ray.applications() == ()


def test_name_of_an_unreadable_service_that_has_ended_is_free_again() -> None:
    world, [service] = served("letters")
    world.mlflow.set_tags(service, {records.ROLLOUT: "{"})
    second = world.deploy("letters")
    world.turn(3)
    assert world.run(second).reason.startswith(f"waits: run {service} is a service of this name")
    world.undeploy(service)
    world.settle()
    assert list(service_is(world, second, "1")) == []


# -- what is sent --------------------------------------------------------------------------------------


def test_nothing_is_sent_while_serve_has_what_was_decided() -> None:
    world, _ = served("letters", "digits")
    world.turn(20)
    assert puts(world) == 0


def test_application_that_is_built_is_not_sent_the_same_again() -> None:
    world, _ = served()
    world.register("letters")
    world.deploy("letters")
    others_go_on, world.ray.advance = world.ray.advance, lambda: False  # type: ignore[method-assign]
    world.turn(int(BUILD_PAUSE_S))
    assert puts(world) == 1
    # Serve does not begin by itself what it could not begin.
    world.turn(2)
    assert puts(world) == 2
    world.ray.advance = others_go_on  # type: ignore[method-assign]
    world.settle()
    assert puts(world) == 2


def test_config_that_is_stored_and_not_in_force_is_sent_again_after_growing_pauses() -> None:
    world, [service] = served("letters")
    rollout = read_rollout(world.run(service).tags[records.ROLLOUT])
    [replica] = world.ray.applications()[0].replicas
    stale = Report(generation=9, serving="9", trial=9, candidate=None, candidate_state=None, reason="")
    key = f"{records.REPLICA}.{replica.replica_id}"
    sent = []
    # No replica says another thing by itself: it is seen when all is listed.
    for _ in range(int(LISTED_EVERY_S + 8 * STALE_PAUSE_S)):
        before = puts(world)
        world.mlflow.set_tags(service, {key: write_report(stale)})
        world.turn()
        if puts(world) > before:
            sent.append(world.now_s)
    assert [later - earlier for earlier, later in zip(sent, sent[1:], strict=False)] == [60.0, 120.0]
    assert world.run(service).phase == Phase.SWAPPING
    assert read_rollout(world.run(service).tags[records.ROLLOUT]) == rollout


def test_refused_config_is_tried_again_after_growing_pauses_and_at_once_when_the_order_changes() -> None:
    world, [service] = served("letters")
    world.ray.refuse(PUT, "letters")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    order = {"kind": "service", "name": "letters", "model": "models:/letters@champion"}
    client.deploy({**order, "env": {"A": "1"}})
    world.turn(3)
    tried = puts(world)
    assert tried > 0
    assert "cannot be taken" in world.run(service).reason
    world.turn(int(REFUSAL_PAUSE_S) - 5)
    assert puts(world) == tried
    world.turn(6)
    assert puts(world) > tried
    tried = puts(world)
    client.deploy({**order, "env": {"A": "2"}})
    world.turn(1)
    assert puts(world) > tried


def test_of_many_services_those_that_serve_refuses_are_found_and_the_others_get_theirs() -> None:
    world, _ = served("steady")
    refused = {"c", "f"}
    for name in refused:
        world.ray.refuse(PUT, name)
    runs = {name: (world.register(name), world.deploy(name))[1] for name in "abcdefgh"}
    world.settle()
    for name, run in runs.items():
        if name in refused:
            assert world.run(run).phase == Phase.UNHEALTHY
            assert f"{name} cannot be taken" in world.run(run).reason
        else:
            assert list(service_is(world, run, "1")) == []
    assert {each.name for each in world.ray.applications()} == {"steady", *"abdegh"}


def test_config_that_cannot_be_applied_is_taken_back() -> None:
    world, [service] = served("letters")
    world.ray.refuse(PUT, "zebras")
    before = world.told("letters")
    world.register("zebras")
    zebras = world.deploy("zebras")
    world.settle()
    assert world.told("letters") == before
    assert [each.name for each in world.ray.applications()] == ["letters"]
    assert world.run(zebras).phase == Phase.UNHEALTHY
    assert list(service_is(world, service, "1")) == []


@pytest.mark.parametrize(("name", "route"), [("letters", "/elsewhere"), ("other", "/letters")])
def test_name_or_route_of_somebody_else_is_not_taken(name: str, route: str) -> None:
    world, [steady] = served("steady")
    world.ray.deploy_foreign(name, route)
    world.register("letters")
    service = world.deploy("letters")
    world.turn(6)
    assert world.run(service).phase == Phase.UNHEALTHY
    assert "not Journeyman's" in world.run(service).reason
    assert {each.name for each in world.ray.applications()} == {"steady", name}
    world.ray.remove_foreign(name)
    world.settle()
    assert list(service_is(world, service, "1")) == []
    assert list(service_is(world, steady, "1")) == []


def test_replicas_that_serve_gave_up_are_tried_anew() -> None:
    world, [service] = served("letters")
    world.ray.fail_application("letters", "RuntimeError: the storage is away")
    [replica] = world.ray.applications()[0].replicas
    world.ray.lose_replica("letters", replica.replica_id)
    world.turn(2)
    assert world.run(service).phase == Phase.UNHEALTHY
    assert puts(world) == 0
    world.now_s += FAILURE_PAUSE_S
    world.settle()
    assert list(service_is(world, service, "1")) == []
    assert read_rollout(world.run(service).tags[records.ROLLOUT]).generation == 2


# -- what others do ------------------------------------------------------------------------------------


def test_report_that_somebody_else_removed_ends_no_turn() -> None:
    world, [service] = served("letters")
    key = f"{records.REPLICA}.gone"
    world.mlflow.set_tags(service, {key: "{}"})
    listed = world.run(service)
    world.mlflow.delete_tag(service, key)
    world.mlflow.adopt(listed, {})
    world.turn(int(LISTED_EVERY_S))
    assert key not in world.run(service).tags
    assert world.crashes == []


def test_reports_are_kept_while_serve_tells_of_no_replicas() -> None:
    world, [service] = served("letters")
    before = {key for key in world.run(service).tags if key.startswith(records.REPLICA)}
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    client.deploy(
        {"kind": "service", "name": "letters", "model": "models:/letters@champion", "allow_code": True}
    )
    world.turn(1)
    assert before <= {key for key in world.run(service).tags if key.startswith(records.REPLICA)}


def test_service_that_control_may_not_write_to_holds_up_nobody_else_and_keeps_its_config() -> None:
    world, [closed, other] = served("letters", "digits")
    world.mlflow.close_run(closed)
    for model in ("letters", "digits"):
        world.register(model)
    world.settle()
    assert list(service_is(world, other, "2")) == []
    # What cannot be recorded is not done.
    assert world.told("letters")["serving"] == "1"
    assert world.told("letters")["candidate"] is None


def test_deploy_does_not_succeed_with_the_version_before() -> None:
    world, [service] = served("letters")
    world.broken_versions.add("2")
    world.register("letters")
    world.settle()
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    assert client.service("letters").refused_version == "2"
    with pytest.raises(JourneymanError, match="letters keeps version 1: version 2: it holds NaN"):
        client.wait_until_healthy("letters", 5, lambda seen: None)
    world.register("letters")
    world.settle()
    assert client.wait_until_healthy("letters", 5, lambda seen: None).serving_version == "3"


# -- pauses and probes ---------------------------------------------------------------------------------


def test_pauses_grow_to_an_hour_and_begin_anew_with_something_else() -> None:
    pauses = Pauses(30)
    tried = [now for now in range(20_000) if pauses.due("letters", "one", now)]
    gaps = [later - earlier for earlier, later in zip(tried, tried[1:], strict=False)]
    assert tried[0] == 30
    assert gaps == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert not pauses.due("letters", "two", 20_000)
    assert pauses.due("letters", "two", 20_030)
    pauses.forget("letters")
    assert not pauses.due("letters", "two", 30_000)


@contextmanager
def server(waits: threading.Event) -> Iterator[str]:
    """Answers at once, but for /slow."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                waits.wait(30)
            self.send_response(200)
            self.send_header("content-length", "4")
            with contextlib.suppress(BrokenPipeError):
                self.end_headers()
                self.wfile.write(b"here")

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        waits.set()
        listening.shutdown()
        thread.join()
        listening.server_close()


def test_who_is_slow_is_left_out_once_and_takes_no_more_than_the_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with server(threading.Event()) as url:
        probe = Probe(turn_s=5)
        assert probe.get(f"{url}/ping").text == "here"
        probe.close()
        probe = Probe(turn_s=0.3)
        probe.begin_turn()
        with pytest.raises(httpx.TimeoutException):
            probe.get(f"{url}/slow")
        with pytest.raises(httpx.TimeoutException, match="no time left"):
            probe.get("http://127.0.0.1:9/ping")
        probe.begin_turn()
        with pytest.raises(httpx.TimeoutException, match="was slow"):
            probe.get(f"{url}/ping")
        probe.close()


def test_loop_reads_what_was_answered_lately_and_waits_for_nobody() -> None:
    now, waits = [100.0], threading.Event()
    with server(waits) as url, ThreadPoolExecutor(1) as threads:
        asked = Asked(threads, lambda: now[0])
        assert asked.answer(f"{url}/slow") is None
        assert asked.answer(f"{url}/slow") is None, "asked once, however often it is read"
        waits.set()
        deadline = time.monotonic() + 10
        while (answer := asked.answer(f"{url}/ping")) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert (answer.status, answer.content) == (200, b"here")
        now[0] += FRESH_S + 1
        assert asked.answer(f"{url}/ping") is None, "what is old says nothing of now"
    dead = Asked(Immediate())
    assert dead.answer("http://127.0.0.1:9/ping") is not None
    trouble = dead.answer("http://[::1/ping")
    assert trouble is not None and trouble.status == 0 and trouble.trouble


def test_answer_without_end_is_cut_off() -> None:
    with server(threading.Event()) as url:
        probe = Probe(turn_s=5, most_bytes=3)
        with pytest.raises(httpx.ReadError, match="longer than 3 bytes"):
            probe.get(f"{url}/ping")
        probe.close()


# -- what is not to be believed --------------------------------------------------------------------------


@dataclass(slots=True)
class Blind(World):
    """A cluster whose dashboard does not find Serve for a while: it tells of no application."""

    blind_turns: int = 0

    def wire(self, name: str, request: Callable[[], Result], /) -> Result:
        answer = World.wire(self, name, request)
        if name == "serve/get" and self.blind_turns:
            self.blind_turns -= 1
            return type(answer)()
        return answer


@pytest.mark.parametrize("restarted", [False, True])
def test_listing_that_is_empty_by_mistake_ends_nothing_and_forgets_no_report(restarted: bool) -> None:
    world = Blind()
    runs = []
    for name in ("letters", "digits"):
        world.register(name)
        runs.append(world.deploy(name))
    world.settle()
    theirs = {"name": "theirs", "import_path": "their.app:app", "route_prefix": "/theirs"}
    theirs["deployments"] = [{"name": "app", "user_config": {}}]  # type: ignore[assignment]
    ours = [application.config for application in world.ray.applications()]
    world.ray.put_applications({"applications": [*ours, theirs]})
    world.settle()
    # One of them cannot be read, so that nobody knows its config but Serve.
    world.mlflow.set_tags(runs[0], {records.SPEC: "{"})
    world.turn(3)
    told = world.run(runs[1]).tags
    if restarted:
        world.restart()
    world.blind_turns = 2
    world.turn(2)
    assert world.run(runs[1]).tags == told
    world.settle()
    assert sorted(each.name for each in world.ray.applications()) == ["digits", "letters", "theirs"]
    assert list(service_is(world, runs[1], "1")) == []


def test_services_come_back_once_it_is_sure_that_serve_has_none() -> None:
    world, runs = served("letters")
    world.ray.restart_head()
    world.ray.add_node({"CPU": 8.0})
    world.settle()
    assert list(service_is(world, runs[0], "1")) == []


@pytest.mark.parametrize("kind", [Kind.DOES_NOT_ARRIVE, Kind.KILLED_BEFORE])
def test_candidate_is_not_refused_for_what_the_version_before_it_did(kind: Kind) -> None:
    def play(faults: Mapping[int, Kind]) -> tuple[World, str]:
        world, [run] = served("letters")
        world.ray.fail_application("letters", "a replica of version 1 fails its health check")
        world.turn(2)
        world.register("letters", graph_bytes=1024**2)
        world.requests.clear()
        world.faults = faults
        world.settle()
        return world, run

    world, _ = play({})
    first_put = world.requests.index(PUT) + 1
    world, run = play({first_put: kind})
    assert list(service_is(world, run, "2")) == []


def test_service_is_undeployed_though_somebody_took_its_route() -> None:
    world, [run] = served("letters")
    world.ray.deploy_foreign("theirs", "/letters")
    world.undeploy(run)
    world.settle()
    assert [each.name for each in world.ray.applications()] == ["theirs"]
    assert world.run(run).status == "FINISHED"


def test_unreadable_service_that_is_undeployed_ends_and_no_tag_of_it_is_written() -> None:
    world, [run] = served("letters")
    world.mlflow.set_tags(run, {records.ROLLOUT: '{"model": "letters", "serv'})
    world.undeploy(run)
    before = world.run(run).tags
    world.settle()
    assert world.ray.applications() == ()
    assert (world.run(run).status, world.run(run).tags) == ("FINISHED", before)


def test_another_model_that_answers_is_named_though_its_number_is_the_same() -> None:
    world, [run] = served("letters")
    world.register("digits")
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    client.deploy({"kind": "service", "name": "letters", "model": "models:/digits@champion"})
    world.settle()
    tags = world.run(run).tags
    assert (tags[records.MODEL], tags[records.SERVING]) == ("digits", "1")
    assert "model **digits**" in tags[records.NOTE]


def test_reason_that_mlflow_stores_otherwise_is_written_once() -> None:
    world, _ = served("letters")
    world.ray.fail_application("letters", "ValueError: bad \x00 byte \ud800")
    world.turn(4)
    world.requests.clear()
    world.turn(5)
    assert world.requests.count("runs/log-batch") == 0
