"""Whatever a model, its run or its version are called, a header holds one line of printable ASCII."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.serve.protocols.headers import MOST_CHARACTERS, header_text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a0b1c2", "a0b1c2"),
        ("a model.v2", "a model.v2"),
        ("x\r\nset-cookie: a=b", "x%0D%0Aset-cookie: a=b"),
        ("100%", "100%25"),
        ("märz", "m%C3%A4rz"),
        ("数字", "%E6%95%B0%E5%AD%97"),
        ("a\x00\x1b[31m\x7f\x85\u2028", "a%00%1B[31m%7F%C2%85%E2%80%A8"),
        (" a ", "a"),
        ("", ""),
    ],
)
def test_text_is_encoded_where_a_header_could_not_hold_it(text: str, header: str) -> None:
    assert header_text(text) == header


@given(st.text(st.characters(), max_size=400))
def test_header_is_one_short_line_and_tells_the_text_where_it_is_whole(text: str) -> None:
    header = header_text(text)
    assert header.isascii() and header.isprintable() and len(header) <= MOST_CHARACTERS
    assert header == header.strip(" ")
    told = text.strip(" ").encode("utf-8", "replace").decode()
    assert told.startswith(unquote(header).removesuffix("\ufffd").rstrip(" "))
