"""How an error is told where there is one line for it."""

from __future__ import annotations

import pytest

from journeyman.errors import JourneymanError, in_one_line


@pytest.mark.parametrize(
    ("message", "hint", "told"),
    [
        ("the version holds 9 GiB", "Free memory.", "the version holds 9 GiB. Free memory."),
        ("it takes rows, not text;", "deploy it", "it takes rows, not text; deploy it"),
        ("it failed!", "Try again.", "it failed! Try again."),
        ("one\n  two", "three\nfour", "one two. three four"),
        ("alone", "", "alone"),
    ],
)  # fmt: skip
def test_what_happened_ends_before_what_to_do_begins(message: str, hint: str, told: str) -> None:
    assert in_one_line(JourneymanError(message, hint)) == told
