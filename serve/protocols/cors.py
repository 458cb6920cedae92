"""Cross-Origin Resource Sharing: what tells a browser that a page of another origin may ask. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from journeyman.serve.origin import ANY
from journeyman.serve.protocols.open_inference import JSON_SIZE_HEADER

EXPOSED = (
    "x-journeyman-model",
    "x-journeyman-version",
    "x-journeyman-run",
    "x-request-id",
    JSON_SIZE_HEADER,
    "retry-after",
)
"""Headers of answers that a page may read, beside those that it may always."""
_MAX_AGE_S = 600
"""For so long a browser does not ask again. Browsers cut what is longer than some hours."""
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_MOST_NAMES = 100

Headers = list[tuple[bytes, bytes]]


class Cors:
    """Of one service. Without origins, pages of its own alone may ask, and nothing is said."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._any = ANY in origins
        self._origins = frozenset(each.encode() for each in origins)

    @property
    def speaks(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._origins)

    def headers(self, request: Mapping[bytes, bytes]) -> Headers:
        """What every answer carries, whatever it says."""
        allowed = self._allowed(request)
        # A cache keeps an answer for other origins too, unless it is told.
        vary = [(b"vary", b"origin")] if self.speaks and not self._any else []
        if allowed is None:
            return vary
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
            *vary,
        ]

    def preflight(self, request: Mapping[bytes, bytes], methods: str) -> Headers:
        """What an answer to OPTIONS carries beside `headers`.

        A page may send any header: none is trusted here, and a service with keys needs `authorization`,
        which no wildcard admits.
        """
        if self._allowed(request) is None or b"access-control-request-method" not in request:
            return []
        asked = request.get(b"access-control-request-headers", b"").split(b",")[:_MOST_NAMES]
        names = [name for each in asked if _NAME.fullmatch(name := each.strip())]
        return [
            (b"access-control-allow-methods", methods.encode()),
            *([(b"access-control-allow-headers", b", ".join(names))] if names else []),
            (b"access-control-max-age", b"%d" % _MAX_AGE_S),
        ]

    def _allowed(self, request: Mapping[bytes, bytes]) -> bytes | None:
        origin = request.get(b"origin")
        if origin is None or not self.speaks:
            return None
        if self._any:
            return ANY.encode()
        return origin if origin in self._origins else None
