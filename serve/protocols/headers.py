"""Values of response headers: text that somebody else wrote, as every server and client takes it. Pure."""

from __future__ import annotations

import string
from urllib.parse import quote

MOST_CHARACTERS = 300
"""Servers and clients give up on headers of some KiB together."""
_PLAIN = "".join(each for each in string.punctuation + " " if each != "%")


def header_text(text: str) -> str:
    """Printable ASCII as it is, and all else, `%` too, percent-encoded as UTF-8; what is longer is cut.

    No line break and no other control character comes through, so no value ends a header or begins another.
    """
    # HTTP strips spaces at both ends, and gRPC refuses what is not printable ASCII.
    encoded = quote(text.strip(" "), safe=_PLAIN, errors="replace")
    if len(encoded) <= MOST_CHARACTERS:
        return encoded
    cut = encoded[:MOST_CHARACTERS]
    # Not amid a `%E4`.
    broken = cut.rfind("%", MOST_CHARACTERS - 2)
    return (cut if broken < 0 else cut[:broken]).rstrip(" ")
