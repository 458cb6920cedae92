"""MLflow over REST, on each kind of server; who waits for one that is away, and who is told at once."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from journeyman.errors import DeniedError, NotFoundError, RefusedError, UnreachableError
from journeyman.tracking import mlflow_rest
from journeyman.tracking.mlflow_rest import Mlflow, job_client, page_url

AWAY_S = 1.5

# MLflow on SQLite, and on PostgreSQL and S3 behind a password.
each_server = pytest.mark.parametrize("kind", ["sqlite", "production"], indirect=True)


class Aliases(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"registered_model": {"aliases": [{"alias": "champion", "version": 3}]}}')

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place for it."""


def test_patient_client_waits_for_a_server_that_is_away_and_others_do_not() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(UnreachableError, match="does not answer"):
        Mlflow(url, os.environ).aliases("digits")

    servers: list[HTTPServer] = []

    def come_back() -> None:
        time.sleep(AWAY_S)
        servers.append(HTTPServer(("127.0.0.1", port), Aliases))
        servers[0].handle_request()

    thread = threading.Thread(target=come_back)
    thread.start()
    assert Mlflow(url, os.environ, patience_s=60).aliases("digits") == {"champion": "3"}
    thread.join()
    servers[0].server_close()


def test_page_opens_in_the_view_for_training() -> None:
    assert page_url("http://m:5000", "models/digits") == (
        "http://m:5000/#/models/digits?workflowType=machine_learning"
    )


# -- on each kind of server ----------------------------------------------------------------------------


@pytest.fixture
def mlflow(mlflow_url: str) -> Iterator[Mlflow]:
    client = Mlflow(mlflow_url, os.environ)
    yield client
    client.close()


@each_server
def test_claim_has_one_winner_who_knows_it(mlflow: Mlflow) -> None:
    run = mlflow.create_run(mlflow.experiment_id("claims"), "contested", {})
    claimants = [f"control-{number}" for number in range(4)]
    for attempt in range(5):
        key = f"attempt.{attempt}"
        start = threading.Barrier(len(claimants))

        def claim(claimant: str, key: str = key, start: threading.Barrier = start) -> bool:
            start.wait()
            return mlflow.claim(run.run_id, key, claimant)

        with ThreadPoolExecutor(len(claimants)) as pool:
            won = dict(zip(claimants, pool.map(claim, claimants), strict=True))
        assert [claimant for claimant in claimants if won[claimant]] == [mlflow.run(run.run_id).params[key]]
    winner = mlflow.run(run.run_id).params["attempt.0"]
    assert mlflow.claim(run.run_id, "attempt.0", winner)


@each_server
def test_claim_that_is_refused_for_another_reason_is_no_claim_of_another(mlflow: Mlflow) -> None:
    run = mlflow.create_run(mlflow.experiment_id("claims"), "refused", {})
    with pytest.raises(RefusedError, match="exceeds"):
        mlflow.claim(run.run_id, "k" * 251, "control-1")


@each_server
def test_filters_tell_letters_apart_and_pages_are_all_read(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_rest, "_PAGE", 2)
    experiment = mlflow.experiment_id("filters")
    assert mlflow.experiment_id("FILTERS") == experiment
    runs = [
        mlflow.create_run(experiment, f"run-{number}", {"journeyman.kind": kind, "journeyman.name": name})
        for number, (kind, name) in enumerate(
            [("job", "digits"), ("job", "Digits"), ("service", "digits")] * 2
        )
    ]
    mlflow.update_run(runs[0].run_id, "FINISHED", 1_000)
    newest_first = [run.run_id for run in reversed(runs)]

    def found(filter_string: str, limit: int | None = None) -> list[int]:
        return [newest_first.index(r.run_id) for r in mlflow.search_runs([experiment], filter_string, limit)]

    assert found("") == [0, 1, 2, 3, 4, 5]
    assert found("", limit=3) == [0, 1, 2]
    assert found("tags.`journeyman.kind` = 'job'") == [1, 2, 4, 5]
    assert found("tags.`journeyman.name` = 'digits' and tags.`journeyman.kind` = 'job'") == [2, 5]
    assert found("attributes.status != 'FINISHED' and tags.`journeyman.kind` = 'job'") == [1, 2, 4]
    assert found(f"attributes.run_id LIKE '{runs[3].run_id[:12]}%'") == [2]
    assert found(f"attributes.run_id LIKE '{runs[3].run_id[:12].upper()}%'") == []
    assert found("tags.`journeyman.name` LIKE 'D%'") == [1, 4]


@each_server
def test_tags_hold_what_they_were_given_and_what_no_database_takes_is_replaced(mlflow: Mlflow) -> None:
    given = {"long": "\u00e9" * 8000, "odd": "a\x00b\ud800c", "empty": "", "lines": "one\ntwo\t'three'"}
    run = mlflow.create_run(mlflow.experiment_id("tags"), "Gr\u00f6\u00dfe", given)
    assert run.run_name == "Gr\u00f6\u00dfe"
    mlflow.set_tags(run.run_id, {"lines": "changed", "passing": "1"})
    mlflow.delete_tag(run.run_id, "passing")
    mlflow.log_batch(run.run_id, params={"odd": "\x00"})
    stored = mlflow.run(run.run_id)
    assert stored.params == {"odd": "\ufffd"}
    expected = given | {"odd": "a\ufffdb?c", "lines": "changed", "mlflow.runName": "Gr\u00f6\u00dfe"}
    assert stored.tags == expected


@each_server
def test_artifacts_come_back_whole_and_what_is_gone_is_not_found(mlflow: Mlflow) -> None:
    run = mlflow.create_run(mlflow.experiment_id("artifacts"), "files", {})
    assert mlflow.artifacts(run.run_id) == {}
    content = bytes(range(256)) * 4096
    mlflow.upload(run, "code/code.zip", content)
    mlflow.upload(run, "logs/pieces/driver/1-0.log", "\u00e9".encode())
    mlflow.upload(run, "logs/driver \u00e9.log", b"")
    assert mlflow.artifacts(run.run_id) == {"code": None, "logs": None}
    assert mlflow.artifacts(run.run_id, "code") == {"code/code.zip": len(content)}
    assert mlflow.artifacts(run.run_id, "logs") == {"logs/driver \u00e9.log": 0, "logs/pieces": None}
    assert mlflow.download(run, "code/code.zip") == content
    assert mlflow.download(run, "logs/driver \u00e9.log") == b""
    mlflow.upload(run, "code/code.zip", b"again")
    assert mlflow.download(run, "code/code.zip") == b"again"
    mlflow.delete_artifact(run, "code/code.zip")
    assert "code/code.zip" not in mlflow.artifacts(run.run_id, "code")
    with pytest.raises(NotFoundError):
        mlflow.download(run, "code/code.zip")


@each_server
def test_what_is_not_there_is_not_found(mlflow: Mlflow) -> None:
    for ask in (
        lambda: mlflow.run("0" * 32),
        lambda: mlflow.registered_model("nobody"),
        lambda: mlflow.model_version("nobody", "1"),
    ):
        with pytest.raises(NotFoundError):
            ask()


# -- who asks ------------------------------------------------------------------------------------------


def test_server_that_does_not_let_in_says_who_asked_and_never_with_what(
    production_mlflow: Mapping[str, str],
) -> None:
    url = production_mlflow["MLFLOW_TRACKING_URI"]
    wrong = {**production_mlflow, "MLFLOW_TRACKING_PASSWORD": "hunter2"}
    with closing(Mlflow(url, wrong)) as mlflow, pytest.raises(DeniedError) as caught:
        mlflow.experiments()
    assert caught.value.message == f"MLflow at {url} refuses user journeyman (401)"
    assert caught.value.hint.startswith("Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    with closing(Mlflow(url, production_mlflow)) as mlflow:
        run = mlflow.create_run("0", "closed", {})
    with closing(Mlflow(url, {})) as mlflow:
        for ask in (
            lambda: mlflow.experiments(),
            lambda: mlflow.upload(run, "a", b""),
            lambda: mlflow.download(run, "a"),
            lambda: mlflow.claim(run.run_id, "attempt.1", "control-1"),
        ):
            with pytest.raises(DeniedError, match="refuses anonymous requests"):
                ask()


def test_server_that_does_not_allow_says_what(production_mlflow: Mapping[str, str]) -> None:
    url = production_mlflow["MLFLOW_TRACKING_URI"]
    reader = {"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": "reads-and-reads"}
    with closing(Mlflow(url, production_mlflow)) as mlflow:
        mlflow._post("users/create", {"username": "reader", "password": "reads-and-reads"})
        run = mlflow.create_run(mlflow.experiment_id("closed to readers"), "run", {})
    with closing(Mlflow(url, reader)) as mlflow:
        assert mlflow.run(run.run_id).run_name == "run"
        with pytest.raises(DeniedError, match=r"does not allow user reader to POST .*/log-batch \(403\)"):
            mlflow.set_tags(run.run_id, {"a": "b"})
        with pytest.raises(DeniedError, match="does not allow user reader"):
            mlflow.claim(run.run_id, "attempt.1", "control-1")


def test_password_that_changed_in_the_file_is_read_again(
    production_mlflow: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".mlflow" / "credentials"
    file.parent.mkdir()

    def write(password: str) -> None:
        file.write_text(
            "[mlflow]\n"
            f"mlflow_tracking_username = {production_mlflow['MLFLOW_TRACKING_USERNAME']}\n"
            f"mlflow_tracking_password = {password.replace('%', '%%')}\n"
        )

    write("outdated")
    with closing(Mlflow(production_mlflow["MLFLOW_TRACKING_URI"], {})) as mlflow:
        with pytest.raises(DeniedError):
            mlflow.experiments()
        write(production_mlflow["MLFLOW_TRACKING_PASSWORD"])
        assert "Default" in mlflow.experiments().values()


class Balancer(BaseHTTPRequestHandler):
    """Has no MLflow behind it the first time."""

    asked = 0

    def do_GET(self) -> None:
        Balancer.asked += 1
        self.send_response(503 if Balancer.asked == 1 else 200)
        self.end_headers()
        self.wfile.write(b'{"registered_model": {"aliases": []}}')

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place for it."""


def test_server_without_its_database_is_away() -> None:
    with HTTPServer(("127.0.0.1", 0), Balancer) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(UnreachableError, match="does not answer: 503"):
            Mlflow(url, {}).aliases("digits")
        Balancer.asked = 0
        assert Mlflow(url, {}, patience_s=60).aliases("digits") == {}
        assert Balancer.asked == 2
        server.shutdown()


@each_server
def test_job_waits_for_its_own_run_and_for_nothing_else_that_is_not_there(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not know it stands on another database, and will not for ever."""
    monkeypatch.setattr(mlflow_rest, "_JOB_PATIENCE_S", AWAY_S)
    own = "a" * 32
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.url)
    monkeypatch.setenv("JOURNEYMAN_RUN_ID", own)
    with closing(job_client(os.environ)) as job:
        for ask in (
            lambda: job.run(own),
            lambda: job.set_tags(own, {"a": "b"}),
            lambda: job.claim(own, "attempt.1", "me"),
        ):
            began_s = time.monotonic()
            with pytest.raises(UnreachableError, match=f"does not know the job's run: .*{own}"):
                ask()
            assert time.monotonic() - began_s >= AWAY_S
        with pytest.raises(NotFoundError):
            job.run("b" * 32)
    with pytest.raises(NotFoundError):
        mlflow.run(own)


@pytest.mark.parametrize("off_s", [-3600, 0, 3600])
def test_time_is_the_servers_whatever_this_machines_clock_says(
    mlflow_url: str, monkeypatch: pytest.MonkeyPatch, off_s: int
) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + off_s, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(mlflow_rest, "time", clock)
    with closing(Mlflow(mlflow_url, {})) as mlflow:
        assert abs(mlflow.now_ms() / 1000 - clock.time()) < 60, "nobody has told the time yet"
        mlflow.experiments()
        assert abs(mlflow.now_ms() / 1000 - time.time()) < 60
