"""Whatever stands in a record is read, or set aside with a word; and what is listed is always listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from journeyman.client.connection import Connection
from journeyman.client.jobs import job_of
from journeyman.client.services import service_of
from journeyman.errors import UnreadableError
from journeyman.jobs.attempt import ran_s
from journeyman.jobs.control.attempts import driverless, next_attempt, retry_due_s
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.place import Place
from journeyman.jobs.publication import Publication
from journeyman.jobs.records import read_job
from journeyman.serve.records import read_report, read_rollout, read_service, write_report, write_rollout
from journeyman.serve.verdict import read_verdict
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records
from journeyman.tracking.lease.terms import current, heard_ms, read_ledger
from journeyman.tracking.records import Run

from .harness import NUMBERS, TEXTS, as_json, changed, fuzz, seeds, torn
from .test_specs import settings_of

CONNECTION = Connection(
    settings=settings_of(Path("/nowhere")), mlflow=FakeMlflow(lambda: 1.8e9), ray=FakeRay()
)
DOCUMENTS = [orjson.loads(each) for each in seeds("records")]
"""Runs of jobs, of services and of a control: their tags and params, JSON within JSON as objects."""
KEYS = st.sampled_from(
    [
        *(f"{records.OUTCOME}.1", f"{records.OUTCOME}.x", f"{records.REPLICA}.", f"{records.REPLICA}.a#b"),
        *(
            "attempt.1.admitted",
            "attempt.1.resumed",
            "attempt.1.ended_ms",
            "term.1",
            "term.x",
            "term.٣",
            "term.-1",
        ),
        *(records.ATTEMPT, records.CANCEL_MS, records.SCHEMA, records.UNDEPLOY_MS, f"term.{'9' * 5000}"),
    ]
)
TEXT = (
    TEXTS.filter(lambda text: "\ud800" not in text) | NUMBERS.map(str) | st.sampled_from(["[" * 5000, "{}"])
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A record, changed inside of its JSON and out."""
    document = draw(changed(DOCUMENTS))
    held = document if isinstance(document, dict) else {}

    def texts(kind: str) -> dict[str, str]:
        found = held.get(kind)
        pairs = found.items() if isinstance(found, dict) else ()
        written = {k: v if isinstance(v, str) else as_json(v).decode() for k, v in pairs}
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            written[draw(KEYS | st.sampled_from(sorted(written) or ["a"]))] = draw(TEXT)
        # As MLflow keeps it: cut, whatever it was.
        return {key: records.storable(value)[: records.MAX_TAG_CHARACTERS] for key, value in written.items()}

    return Run(
        run_id="0" * 32,
        experiment_id="1",
        run_name=draw(TEXT),
        status=draw(st.sampled_from(["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])),
        artifact_uri="mlflow-artifacts:/1/0",
        start_ms=1,
        end_ms=draw(st.sampled_from([None, 0, 2**62])),
        tags=texts("tags"),
        params=texts("params"),
        metrics={},
        steps={},
    )


def read(run: Run) -> None:
    assert job_of(run, "").exit_code in (0, 1, 130)
    service_of(run, CONNECTION)
    ledger = read_ledger(run)
    heard_ms(ledger)
    assert current([ledger]) in (ledger, None)
    try:
        job = read_job(run)
    except UnreadableError as error:
        assert error.message
    else:
        assert ran_s(job.attempts, 1.8e9) >= 0 and retry_due_s(job.attempts) >= 0
        if job.attempts:
            next_attempt(job.attempts, job.outcome or Outcome(cause=Cause.MACHINE, message="gone"))
    try:
        service = read_service(run)
    except UnreadableError as error:
        assert error.message
    else:
        if service.rollout is not None:
            assert read_rollout(write_rollout(service.rollout)).serving == service.rollout.serving
        for report in service.reports.values():
            assert read_report(write_report(report)).serving == report.serving


def test_run_of_any_kind(seconds: float) -> None:
    fuzz(runs(), read, seconds)


def values_of(record: Mapping[str, Any], kind: str) -> list[Any]:
    return [value for value in record.get(kind, {}).values() if not isinstance(value, str)]


def read_alone(content: bytes) -> None:
    """Each record that is one text of JSON, by the one reader that it has."""
    text = content.decode("utf-8", "replace")
    for reader in (Outcome.from_json, Publication.from_json, read_rollout, read_report):
        try:
            reader(text)
        except UnreadableError as error:
            assert error.message
    for told in (shown_verdict, Place.from_json):
        try:
            told(text)
        except ValueError:
            continue


def shown_verdict(text: str) -> None:
    """As the command line shows it."""
    verdict = read_verdict(text)
    for times in () if verdict.failed else verdict.times_us.values():
        for index in range(len(verdict.batch_sizes)):
            assert f"{times[index]:,.0f} {verdict.winners[index]}"


def test_text_of_json(seconds: float) -> None:
    parts = [value for document in DOCUMENTS for value in values_of(document, "tags")]
    fuzz(torn(changed(parts).map(as_json) | st.just(b"[" * 5000)), read_alone, seconds)


def told_by_ray(given: tuple[str, str]) -> None:
    outcome = driverless("\n".join(given), ["einops"])
    assert Outcome.from_json(outcome.to_json()).cause is outcome.cause


def test_last_words_of_a_driver(seconds: float) -> None:
    words = st.sampled_from(
        ["runtime_env setup failed", "ERROR: https://a:b@c/d?e f", "ERROR:", "", "a://" * 900]
    )
    fuzz(st.tuples(words | TEXT, words | TEXT), told_by_ray, seconds)
