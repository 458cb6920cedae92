"""Records fit into MLflow's tags, and are read back, in any language."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.errors import UnreadableError
from journeyman.tracking.records import (
    MAX_TAG_CHARACTERS,
    SCHEMA,
    Run,
    check_schema,
    fitted,
    shortened,
    storable,
)

TEXTS = st.text(max_size=40).flatmap(lambda part: st.integers(0, 1200).map(lambda times: part * times))


def run_with(tags: dict[str, str]) -> Run:
    return Run(
        run_id="0" * 32,
        experiment_id="0",
        run_name="digits",
        status="RUNNING",
        artifact_uri="",
        start_ms=0,
        end_ms=None,
        tags=tags,
        params={},
        metrics={},
        steps={},
    )


@given(detail=TEXTS, message=TEXTS)
def test_any_text_in_any_language_fits_and_is_read_back(detail: str, message: str) -> None:
    body = {"cause": "user", "message": message, "detail": detail, "rank": 3, "node": None}
    written = fitted(body, "detail", "message")
    # What MLflow would make of it, which must be nothing.
    assert storable(written)[:MAX_TAG_CHARACTERS] == written
    read = json.loads(written)
    assert read.keys() == body.keys()
    assert (read["cause"], read["rank"], read["node"]) == ("user", 3, None)
    whole = json.dumps({**body, "message": storable(message), "detail": storable(detail)}, ensure_ascii=False)
    if len(whole) <= MAX_TAG_CHARACTERS:
        assert written == whole
    else:
        # The message goes on being whole for as long as the detail can give way.
        assert read["message"] == storable(message) or read["detail"] == ""
        assert len(written) > MAX_TAG_CHARACTERS * 3 // 4


@given(text=st.text(max_size=50), characters=st.integers(0, 60))
def test_shortened_text_keeps_its_beginning_and_its_end(text: str, characters: int) -> None:
    told = shortened(text, characters)
    assert len(told) == min(len(text), characters)
    if len(text) <= characters:
        assert told == text
    elif characters >= 3:
        begins, _, ends = told.partition("…") if "…" not in text else (told[:1], "", told[-1:])
        assert text.startswith(begins)
        assert text.endswith(ends)


def test_record_that_cannot_shrink_is_not_written() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fitted({"spec": "x" * 9000, "reason": "y" * 9000}, "reason")


def test_record_of_another_version_is_not_read() -> None:
    check_schema(run_with({SCHEMA: "1"}))
    # The first ones bore none.
    check_schema(run_with({}))
    with pytest.raises(UnreadableError, match="schema_version '7'"):
        check_schema(run_with({SCHEMA: "7"}))
