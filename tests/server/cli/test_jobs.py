"""The verbs of jobs, against a real MLflow server; and the lines they are made of."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from journeyman.cli import app
from journeyman.cli.following import log_lines, metrics_line, outcome, pace_of, phase_line, remark
from journeyman.cli.jobs import next_commands
from journeyman.cli.pace import Pace
from journeyman.client import Job
from journeyman.client.log_reader import LogChunk
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow


def _job(**changes: Any) -> Job:
    told: dict[str, Any] = {
        "run_id": "3f2a9b7c01de45f8",
        "name": "digits",
        "project": "default",
        "phase": "running",
        "status": "RUNNING",
        "readable": True,
        "reason": "2 workers step",
        "attempt": 1,
        "workers": "2",
        "submitted_ms": 1_000,
        "started_ms": 2_000,
        "ended_ms": None,
        "metrics": {},
        "steps": {},
        "params": {},
        "total_steps": None,
        "model_version": None,
        "outcome": None,
        "attempts": (),
        "url": "http://127.0.0.1:5000/#/runs/3f2a",
    }
    return Job(**told | changes)


def test_phase_line_tells_of_attempts_after_the_first() -> None:
    assert phase_line(_job()) == "running    2 workers step"
    assert phase_line(_job(attempt=2)) == "running    attempt 2: 2 workers step"


def test_metrics_line_tells_the_newest_step_and_the_likeliest_metrics() -> None:
    job = _job(
        metrics={"accuracy": 0.87654, "loss": 0.3, "system/cpu": 99.0}, steps={"accuracy": 30, "loss": 40}
    )
    assert metrics_line(job) == "step 40  loss 0.3  accuracy 0.8765"
    assert metrics_line(_job()) == ""
    told = _job(metrics={"loss": 0.3}, steps={"loss": 40}, total_steps=100)
    assert metrics_line(told, "2 steps/s, 29s left") == "step 40 of 100  loss 0.3  2 steps/s, 29s left"
    # More than was told: nobody knows how many there will be.
    assert (
        metrics_line(_job(metrics={"loss": 0.3}, steps={"loss": 100}, total_steps=100))
        == "step 100  loss 0.3"
    )


def test_pace_is_told_of_a_job_that_runs_and_has_stepped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 12.0)
    pace = Pace()
    pace.see(0, 2.0)
    assert pace_of(_job(), pace) == ""
    pace.see(20, 12.0)
    assert pace_of(_job(), pace) == "2 steps/s"
    assert pace_of(_job(total_steps=81), pace) == "2 steps/s, 30s left"
    assert pace_of(_job(total_steps=81, phase="hung"), pace) == ""


def test_outcome_tells_how_long_and_why() -> None:
    job = _job(phase="failed", reason="rank 1: out of memory", ended_ms=67_000)
    assert outcome(job) == "digits 3f2a9b7c failed after 1m 05s: rank 1: out of memory"
    assert outcome(_job(phase="cancelled", reason="", started_ms=None)) == "digits 3f2a9b7c cancelled"


def test_remark_of_a_queued_job_is_its_reason_and_of_a_finished_one_what_it_made() -> None:
    assert remark(_job(phase="queued", reason="waits for 2 CPUs")) == "waits for 2 CPUs"
    finished = _job(phase="finished", metrics={"loss": 0.3}, steps={"loss": 9}, model_version="digits/3")
    assert remark(finished) == "step 9  loss 0.3  → digits/3"
    # A listing has a line for it; `job` has it whole.
    told = remark(_job(phase="failed", reason="rank 1: ValueError:\n" + "训练数据 " * 100))
    assert (len(told), told[:22], told[-1]) == (200, "rank 1: ValueError: 训练", "…")


def test_next_commands_fit_the_phase() -> None:
    assert next_commands(_job()) == ["journeyman logs 3f2a9b7c -f", "journeyman cancel 3f2a9b7c"]
    assert next_commands(_job(phase="failed")) == ["journeyman logs 3f2a9b7c"]


def test_log_lines_joins_what_chunks_cut_apart_by_source() -> None:
    chunks = [
        LogChunk(source="rank 0", text="one\ntw"),
        LogChunk(source="rank 1", text="eins\n"),
        LogChunk(source="rank 0", text="o\r\n\nthr"),
        LogChunk(source="rank 0", text="ee"),
    ]
    assert list(log_lines(chunks)) == [
        ("rank 0", "one"),
        ("rank 1", "eins"),
        ("rank 0", "two"),
        ("rank 0", ""),
        ("rank 0", "three"),
    ]


# -- against MLflow ------------------------------------------------------------------------------------


@pytest.fixture
def cluster(mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cluster without jobs, whose MLflow is real and whose Ray nobody listens for."""
    address = f"http://127.0.0.1:9/{tmp_path.name}"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    monkeypatch.setenv("RAY_ADDRESS", address)
    return address


def _submitted(mlflow_url: str, cluster: str, name: str, phase: str, logs: dict[str, str]) -> str:
    spec = TrainSpec(name=name, entrypoint="train:train_loop")
    tags = {
        records.SCHEMA: records.SCHEMA_VERSION,
        records.KIND: records.JOB,
        records.CLUSTER: cluster,
        records.NAME: name,
        records.SPEC: spec.model_dump_json(),
        records.PHASE: phase,
        records.REASON: f"{name} is {phase}",
        records.CODE_SHA256: "0" * 64,
        records.SUBMITTED_MS: str(int(time.time() * 1000)),
    }
    mlflow = Mlflow(mlflow_url, os.environ)
    try:
        run = mlflow.create_run(mlflow.experiment_id("default"), name, tags)
        for source, text in logs.items():
            mlflow.upload(run, f"{records.LOGS_ARTIFACT}/{source}.log", text.encode())
    finally:
        mlflow.close()
    return run.run_id


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_jobs_of_an_empty_cluster_tells_what_to_do(cluster: str) -> None:
    result = _invoke("jobs")
    assert (result.exit_code, result.stdout.splitlines()[0][:8]) == (0, "No jobs.")
    assert json.loads(_invoke("jobs", "--json").stdout) == []
    assert _invoke("job").exit_code == 2


@pytest.mark.parametrize(
    "verb", [["jobs"], ["services"], ["cancel", "digits", "--yes"], ["logs"]], ids=" ".join
)
def test_verb_that_mlflow_does_not_let_in_exits_2_and_says_what_to_set(
    verb: list[str], cluster: str, production_mlflow: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in production_mlflow.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    result = _invoke(*verb)
    assert (result.exit_code, result.stdout) == (2, "")
    # A verb that writes says to whom, first.
    message, hint = result.stderr.splitlines()[-2:]
    url = production_mlflow["MLFLOW_TRACKING_URI"]
    assert message == f"MLflow at {url} refuses user journeyman (401)"
    assert hint.startswith("Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")


def test_address_with_a_password_in_it_is_refused_and_not_shown(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2@127.0.0.1:5000")
    result = _invoke("jobs")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "MLFLOW_TRACKING_URI holds a name or a password"
    assert "hunter2" not in result.stderr


def test_jobs_lists_newest_first_in_words_and_in_json(mlflow_url: str, cluster: str) -> None:
    older = _submitted(mlflow_url, cluster, "digits", "failed", {})
    newer = _submitted(mlflow_url, cluster, "letters", "queued", {})
    table = _invoke("jobs").stdout.splitlines()
    assert [line.split()[:3] for line in table] == [
        ["ID", "NAME", "PHASE"],
        [newer[:8], "letters", "queued"],
        [older[:8], "digits", "failed"],
    ]
    assert table[1].endswith("letters is queued")
    listed = json.loads(_invoke("jobs", "--json", "--limit", "1").stdout)
    assert [(job["run_id"], job["phase"]) for job in listed] == [(newer, "queued")]


def test_job_is_found_by_the_beginning_of_its_id_by_name_and_by_nothing(
    mlflow_url: str, cluster: str
) -> None:
    first = _submitted(mlflow_url, cluster, "digits", "failed", {})
    second = _submitted(mlflow_url, cluster, "letters", "queued", {})
    for arguments, run_id in (([first[:10]], first), (["digits"], first), ([], second)):
        assert json.loads(_invoke("job", *arguments, "--json").stdout)["run_id"] == run_id
    shown = _invoke("job").stdout
    assert second in shown
    assert "letters is queued" in shown
    missing = _invoke("job", "numbers")
    assert (missing.exit_code, missing.stdout, len(missing.stderr.splitlines())) == (2, "", 2)


def test_cancel_without_a_terminal_needs_yes_and_then_orders_it(mlflow_url: str, cluster: str) -> None:
    run_id = _submitted(mlflow_url, cluster, "digits", "running", {})
    refused = _invoke("cancel", "digits")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    mlflow = Mlflow(mlflow_url, os.environ)
    try:
        assert records.CANCEL_MS not in mlflow.run(run_id).tags
        assert _invoke("cancel", "digits", "--yes").exit_code == 0
        assert records.CANCEL_MS in mlflow.run(run_id).tags
    finally:
        mlflow.close()


def test_job_whose_run_was_deleted_is_told_so_by_its_id(mlflow_url: str, cluster: str) -> None:
    run_id = _submitted(mlflow_url, cluster, "digits", "running", {})
    mlflow = Mlflow(mlflow_url, os.environ)
    mlflow.delete_run(run_id)
    mlflow.close()
    shown = " ".join(_invoke("job", run_id).stdout.split())
    assert "its run was deleted in MLflow, and control ends what runs of it" in shown
    told = _invoke("cancel", run_id, "--yes")
    assert told.exit_code == 0 and "was deleted in MLflow" in told.stdout
    assert _invoke("job", "digits").exit_code == 2
    assert _invoke("logs", run_id, "-f").exit_code in (0, 2)


def test_failed_job_shows_the_last_words_of_the_rank_that_failed_first_and_what_to_do(
    mlflow_url: str, cluster: str
) -> None:
    run_id = _submitted(mlflow_url, cluster, "digits", "failed", {"rank-0": "zero\n", "rank-1": "one\n"})
    raised = Outcome(cause=Cause.USER, message="ValueError: no", rank=1, detail="Traceback …\nValueError: no")
    died = Outcome(cause=Cause.MACHINE, message="killed", rank=1)
    mlflow = Mlflow(mlflow_url, os.environ)
    mlflow.set_tags(run_id, {records.ATTEMPT: "1", f"{records.OUTCOME}.1": raised.to_json()})
    shown = _invoke("job", "digits").stdout
    assert "rank 1 | ValueError: no" in shown
    assert "journeyman try" in shown
    mlflow.set_tags(run_id, {f"{records.OUTCOME}.1": died.to_json()})
    shown = _invoke("job", "digits").stdout
    assert "rank 1 | one" in shown and "rank 0 | zero" not in shown
    assert "journeyman status" in shown
    mlflow.close()


def test_cancel_of_a_job_that_ended_changes_nothing(mlflow_url: str, cluster: str) -> None:
    _submitted(mlflow_url, cluster, "digits", "finished", {})
    result = _invoke("cancel", "digits")
    assert result.exit_code == 0
    assert "is finished already" in result.stdout


def test_logs_come_by_rank_and_by_tail_and_followed_to_the_end(mlflow_url: str, cluster: str) -> None:
    logs = {"driver": "began\nended\n", "rank-0": "one\ntwo\nthree\n"}
    _submitted(mlflow_url, cluster, "digits", "finished", logs)
    assert _invoke("logs").stdout.splitlines() == [
        "driver | began",
        "driver | ended",
        "rank 0 | one",
        "rank 0 | two",
        "rank 0 | three",
    ]
    assert _invoke("logs", "digits", "--rank", "0").stdout == "one\ntwo\nthree\n"
    assert _invoke("logs", "--rank", "driver", "--tail", "1").stdout == "ended\n"
    followed = _invoke("logs", "-f", "--tail", "1")
    assert followed.stdout.splitlines() == ["driver | ended", "rank 0 | three"]
    assert followed.stderr.splitlines()[-1].startswith("digits ")
    assert followed.exit_code == 0


def test_logs_of_a_job_that_wrote_nothing_tells_why(mlflow_url: str, cluster: str) -> None:
    run_id = _submitted(mlflow_url, cluster, "digits", "queued", {})
    result = _invoke("logs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        f"digits {run_id[:8]} has written nothing yet; it is queued",
        "digits is queued",
    ]
