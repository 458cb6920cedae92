"""What is shown instead of the token where others may see it: signed for one purpose, for a time. Pure."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal

Purpose = Literal["code", "cookie"]

CODE_S = 60
"""For how long the code in an address opens the door, once."""
COOKIE_S = 12 * 3600
"""Browsers send a cookie to every port of its host."""


def signed(token: str, purpose: Purpose, expires_s: int) -> str:
    """A pass until then, like no other."""
    content = f"{expires_s}.{secrets.token_hex(8)}"
    return f"{content}.{_signature(token, purpose, content)}"


def is_valid(token: str, purpose: Purpose, shown: str, now_s: float) -> bool:
    content, _, signature = shown.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(token, purpose, content).encode()):
        return False
    return now_s < int(content.partition(".")[0])


def is_token(token: str, shown: str) -> bool:
    return hmac.compare_digest(shown.encode(), token.encode())


def _signature(token: str, purpose: Purpose, content: str) -> str:
    return hmac.new(token.encode(), f"{purpose} {content}".encode(), hashlib.sha256).hexdigest()
