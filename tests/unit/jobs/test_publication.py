"""What became of a job's model, as its run tells it: the code of the job writes to that run, too."""

from __future__ import annotations

import pytest

from journeyman.errors import UnreadableError
from journeyman.jobs.publication import Publication


def test_publication_is_read_as_it_was_written_and_of_another_version_what_is_known() -> None:
    published = Publication(model="digits", version="3", error="é", hint="\x1b", weights="s3://b/w")
    assert Publication.from_json(published.to_json()) == published
    assert Publication.from_json('{"model": "digits", "quota": 1}') == Publication(model="digits")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"model": 3}', '{"model": "a', "[" * 5000])
def test_what_is_none_is_told_in_words(text: str) -> None:
    with pytest.raises(UnreadableError, match="what became of its model cannot be read"):
        Publication.from_json(text)
