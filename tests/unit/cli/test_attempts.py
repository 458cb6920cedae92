"""What `job` tells of attempts: when each began, how far it got, with how many workers, and how it ended."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.cli import attempts as cli_attempts
from journeyman.cli import jobs as cli_jobs
from journeyman.cli.attempts import HEADINGS, attempt_rows, how_it_ended
from journeyman.client import Attempt, Client, Job
from journeyman.client.jobs import job_of
from journeyman.jobs.attempt import ADMITTED, ENDED_MS, FIRST_STEP_MS, READY_MS, RESUMED, STARTED_MS, moment
from journeyman.jobs.control.note import job_note
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import Phase
from journeyman.jobs.records import read_job
from journeyman.tracking import records

from ..harness.world import SETTINGS, World

BEGAN_MS = 1_800_000_000_000


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def two_attempts() -> tuple[World, str]:
    """One whose node died, and one that runs."""
    world = World()
    job = world.submit("job", workers="2..4")
    tags = {records.PHASE: "running", records.ATTEMPT: "2", records.SCHEMA: records.SCHEMA_VERSION}
    died = Outcome(
        cause=Cause.MACHINE, message="its node\nis gone", rank=1, node="node-b", checkpoint_step=200
    )
    world.mlflow.set_tags(job, {**tags, f"{records.OUTCOME}.1": died.to_json()})
    told = {
        (1, ADMITTED): f"{BEGAN_MS} 4",
        (1, READY_MS): str(BEGAN_MS + 12_000),
        (1, STARTED_MS): str(BEGAN_MS + 15_000),
        (1, FIRST_STEP_MS): str(BEGAN_MS + 75_000),
        (1, ENDED_MS): str(BEGAN_MS + 3_675_000),
        (2, ADMITTED): f"{BEGAN_MS + 86_400_000} 3",
        (2, RESUMED): "200 1/checkpoint_200",
        (2, STARTED_MS): str(BEGAN_MS + 86_410_000),
    }
    for (number, event), value in told.items():
        world.mlflow.claim(job, moment(number, event), value)
    return world, job


def test_each_attempt_is_told_in_a_line() -> None:
    world, job = two_attempts()
    first, second = attempt_rows(job_of(world.run(job), ""))
    assert len(first) == len(HEADINGS)
    assert first == (
        "1",
        "4",
        "08:00:00",
        "+12s",
        "+15s",
        "+1m 15s",
        "+1h 01m",
        "→ 200",
        "machine: rank 1 on node-b: its node is gone",
    )
    # Another day is told with its date; the moments that have not come are left out.
    assert second == ("2", "3", "2027-01-16 08:00:00", "", "+10s", "", "", "200 →", "running")


def test_attempts_are_printed_and_are_in_the_json_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    world, job = two_attempts()
    client = Client(SETTINGS, mlflow=world.mlflow, ray=world.ray)
    monkeypatch.setattr(cli_jobs, "connect", lambda context: client)
    monkeypatch.setenv("COLUMNS", "140")
    shown = CliRunner().invoke(app, ["job", job])
    assert shown.exit_code == 0, shown.output
    assert "machine: rank 1 on node-b: its node is gone" in shown.output
    assert "FIRST STEP" in shown.output
    told = json.loads(CliRunner().invoke(app, ["job", job, "--json"]).output)
    assert [attempt["workers"] for attempt in told["attempts"]] == [4, 3]
    assert told["attempts"][0]["first_step_ms"] == BEGAN_MS + 75_000
    assert told["attempts"][0]["outcome"]["cause"] == "machine"
    assert told["attempts"][1]["resumed_step"] == 200
    assert told["attempts"][1]["outcome"] is None


@pytest.mark.parametrize(
    ("phase", "newest", "expected"),
    [
        ("running", 2, "machine: its driver died without an error message"),
        ("queued", 1, "machine: its driver died without an error message"),
        ("running", 1, "running"),
        ("cancelled", 1, "cancelled"),
    ],
)
def test_attempt_without_an_outcome_tells_what_is_known(phase: str, newest: int, expected: str) -> None:
    world, run_id = two_attempts()
    world.mlflow.set_tags(run_id, {records.PHASE: phase, records.ATTEMPT: str(newest)})
    world.mlflow.delete_tag(run_id, f"{records.OUTCOME}.1")
    job = job_of(world.run(run_id), "")
    assert how_it_ended(job, job.attempts[0]) == expected


def test_want_of_memory_is_told() -> None:
    world, run_id = two_attempts()
    job: Job = job_of(world.run(run_id), "")
    ended = Attempt(number=1, outcome=Outcome(cause=Cause.MACHINE, message="killed", out_of_memory=True))
    assert how_it_ended(job, ended) == "machine: out of memory: killed"


def test_attempt_of_a_version_before_has_what_its_record_has() -> None:
    world, run_id = two_attempts()
    job = job_of(world.run(run_id), "")
    bare = cli_attempts._row(job, Attempt(number=2, started_ms=BEGAN_MS))
    assert bare == ("2", "", "", "", "2027-01-15 08:00:00", "", "", "", "running")


def test_job_that_has_not_begun_and_one_that_cannot_be_read_have_none() -> None:
    world = World()
    queued, unread = world.submit("queued"), world.submit("unread")
    world.mlflow.set_tags(unread, {records.SPEC: "{"})
    assert [job_of(world.run(each), "").attempts for each in (queued, unread)] == [(), ()]


def test_page_of_a_job_tells_how_the_attempts_before_the_last_ended() -> None:
    world, run_id = two_attempts()
    run = world.run(run_id)
    page = job_note(run, read_job(run).spec, Phase.FINISHED, "training is done", 0.0, "http://serve.test")
    assert "2 attempts: training is done." in page
    assert "Before: attempt 1: machine: rank 1 on node-b: its node is gone." in page
    world.mlflow.set_tags(run_id, {records.ATTEMPT: "1"})
    run = world.run(run_id)
    assert "Before:" not in job_note(run, read_job(run).spec, Phase.FINISHED, "done", 0.0, "")
