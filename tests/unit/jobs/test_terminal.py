"""What is left of lines that were drawn again and again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.jobs.terminal import last_state


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("of Windows\r", "of Windows"),
        ("\rtrain: 1%\rtrain: 100%", "train: 100%"),
        # What is longer and stood there before is left, as on a terminal.
        ("abcdef\rxy", "xycdef"),
        ("downloading 100%\rdone            ", "done"),
        ("downloading 100%\r\x1b[Kdone", "done"),
        ("\x1b[2K\rdone", "done"),
        ("waiting |\b/\b-\b\\", "waiting \\"),
        ("\r\x1b[32m 50%\x1b[0m\r\x1b[32m100%\x1b[0m", "\x1b[32m100%\x1b[0m"),
        ("x\x1b[1Ay", "x\x1b[1Ay"),
        ("\r一二\r三", "三二"),
    ],
)
def test_a_line_is_what_a_terminal_shows_of_it_last(line: str, shown: str) -> None:
    assert last_state(line) == shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\b")))
def test_what_is_not_drawn_again_is_what_it_is(line: str) -> None:
    assert last_state(line) == line


@given(st.text(alphabet="ab\r\b\x1b[KmG0123;\udcff", max_size=60))
def test_any_line_has_a_last_state_that_stays(line: str) -> None:
    assert "\r" not in last_state(line)
    assert last_state(last_state(line)) == last_state(line)
