"""A job's record: every field typed, or an error that names the key; outcomes in any language."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.errors import UnreadableError
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import Phase
from journeyman.jobs.records import JobRecord, Refusal, read_job
from journeyman.tracking import records
from journeyman.tracking.records import MAX_TAG_CHARACTERS, Run, storable

TAGS = {
    records.SCHEMA: "1",
    records.SPEC: '{"kind": "train", "name": "digits", "entrypoint": "train:loop"}',
    records.PHASE: "running",
    records.ATTEMPT: "2",
    records.SUBMITTED_MS: "1764000000000",
    records.WORKERS_STARTED_MS: "1764000009000",
    records.CODE_SHA256: "c0de",
}


def record(changed: Mapping[str, str] | None = None) -> JobRecord:
    run = Run(
        run_id="a" * 32,
        experiment_id="1",
        run_name="digits",
        status="RUNNING",
        artifact_uri="",
        start_ms=0,
        end_ms=None,
        tags={**TAGS, **(changed or {})},
        params={},
        metrics={},
        steps={},
    )
    return read_job(run)


def test_record_is_read_with_its_types() -> None:
    read = record()
    assert (read.phase, read.attempt, read.spec.name) == (Phase.RUNNING, 2, "digits")
    assert (read.submitted_ms, read.workers_started_ms) == (1764000000000, 1764000009000)
    assert (read.cancel_ms, read.outcome, read.outcome_trouble, read.refusal) == (None, None, "", None)
    assert read.submission_id == f"{'a' * 32}-2"
    assert record({records.WORKERS_STARTED_MS: ""}).workers_started_ms is None


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (records.SCHEMA, "3", "schema_version '3'"),
        (records.SPEC, "", "journeyman.spec: Invalid JSON"),
        (records.SPEC, '{"kind": "train", "na', "journeyman.spec: Invalid JSON"),
        (records.SPEC, "[" * 8000, "journeyman.spec: Invalid JSON"),
        (records.SPEC, "[]", "journeyman.spec: Input should be an object"),
        (
            records.SPEC,
            '{"kind": "train", "name": "digits", "run": "a.py", "quota": "gold"}',
            "journeyman.spec: quota: Extra inputs are not permitted",
        ),
        (records.PHASE, "preempted", "journeyman.phase is 'preempted', which is no phase of a job"),
        (records.PHASE, "", "journeyman.phase is '', which is no phase of a job"),
        (records.ATTEMPT, "second", "journeyman.attempt is 'second' and no number"),
        (records.ATTEMPT, "-1", "journeyman.attempt is '-1' and no number"),
        (records.ATTEMPT, "9" * 400, "journeyman.attempt is '9999"),
        (records.SUBMITTED_MS, "yesterday", "journeyman.submitted_ms is 'yesterday' and no number"),
        (records.CANCEL_MS, "now", "journeyman.cancel_requested_ms is 'now' and no number"),
        (records.WORKERS_STARTED_MS, "9" * 400, "journeyman.workers_started_ms is '9999"),
        (records.CODE_SHA256, "", "journeyman.code_sha256 is '' and no digest of code"),
        (records.CODE_SHA256, "../c0de\n", "journeyman.code_sha256 is '../c0de\\n' and no digest"),
        (records.REFUSAL, '{"attempt": 1', "journeyman.refusal: Invalid JSON"),
        (records.REFUSAL, '{"attempt": 1}', "journeyman.refusal: tries: Field required"),
    ],
)
def test_value_that_cannot_be_read_is_named_with_its_key(key: str, value: str, told: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        record({key: value})
    assert told in raised.value.message
    assert len(raised.value.message) < 300


@given(
    key=st.sampled_from([*TAGS, records.REFUSAL]),
    value=st.text(max_size=30)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps),
)
def test_record_is_readable_or_says_why_whatever_is_in_it(key: str, value: str) -> None:
    try:
        record({key: value})
    except UnreadableError as error:
        assert key in error.message or "schema_version" in error.message


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{"cause": "user", "mess', "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"cause": "quota", "message": ""}', "cause: Input should be"),
        ('{"cause": "user"}', "message: Field required"),
        ('{"cause": "user", "message": 7}', "message: Input should be a valid string"),
        ('{"cause": "user", "message": "", "rank": "first"}', "rank: Input should be a valid integer"),
        ("[" * 8000, "recursion limit"),
    ],
)
def test_outcome_that_cannot_be_read_leaves_the_record_readable(written: str, told: str) -> None:
    read = record({f"{records.OUTCOME}.2": written})
    assert read.outcome is None
    assert read.outcome_trouble.startswith("journeyman.outcome.2 cannot be read: ")
    assert told in read.outcome_trouble
    # That of an attempt before is nobody's concern any more.
    assert record({f"{records.OUTCOME}.1": written}).outcome_trouble == ""


def test_outcome_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    written = '{"cause": "user", "message": "ValueError", "rank": 1, "retryable": false}'
    assert Outcome.from_json(written) == Outcome(cause=Cause.USER, message="ValueError", rank=1)


texts = st.text(max_size=200) | st.builds(
    lambda character, times: character * times,
    st.sampled_from(["训", "ы", "x", "\x00", "\x1b", '"', "\\", "🙂", "\ud800", "\n"]),
    st.integers(0, 20_000),
)


@given(
    cause=st.sampled_from(Cause),
    message=texts,
    rank=st.none() | st.integers(0, 10_000),
    node=texts,
    detail=texts,
)
def test_outcome_in_any_language_fits_and_is_read_back(
    cause: Cause, message: str, rank: int | None, node: str, detail: str
) -> None:
    outcome = Outcome(cause=cause, message=message, rank=rank, node=node, detail=detail)
    written = outcome.to_json()
    # MLflow would cut what is longer.
    assert len(written) <= MAX_TAG_CHARACTERS
    read = Outcome.from_json(storable(written)[:MAX_TAG_CHARACTERS])
    assert (read.cause, read.rank) == (cause, rank)
    if len(message) <= 1000 and len(node) <= 100:
        # The detail is what is shortened where it suffices.
        assert (read.message, read.node) == (storable(message), storable(node))


@given(message=texts)
def test_refusal_fits_and_is_read_back(message: str) -> None:
    refusal = Refusal(attempt=2, tries=3, last_ms=1_764_000_000_000, message=message)
    written = refusal.to_json()
    assert len(written) <= MAX_TAG_CHARACTERS
    read = record({records.REFUSAL: written, records.PHASE: "starting"}).refusal
    assert read is not None
    assert (read.attempt, read.tries, read.last_ms) == (2, 3, 1_764_000_000_000)


def test_refusal_of_another_attempt_than_the_next_is_not_told() -> None:
    written = Refusal(attempt=2, tries=3, last_ms=1, message="no").to_json()
    for phase, attempt, is_told in (
        ("queued", "1", True),
        ("queued", "2", False),
        ("starting", "2", True),
        ("starting", "3", False),
    ):
        tags = {records.REFUSAL: written, records.PHASE: phase, records.ATTEMPT: attempt}
        assert (record(tags).refusal is not None) is is_told
