"""An origin as browsers name it: where a web page was loaded from, which its requests tell. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

ANY = "*"
"""Pages of every origin."""
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PORTS = {"http": 80, "https": 443}
"""Of those that browsers leave out."""
_FORM = "an origin is scheme://host or scheme://host:port"


def origin_of(text: str) -> str:
    """The origin as a browser sends it: in small letters, without the port that its scheme has anyway.

    Raises ValueError with what is wrong.
    """
    if ANY in text:
        raise ValueError(f"{text!r} is no origin, and no part of one can be {ANY}: list each that may ask")
    if text == "null":
        raise ValueError("'null' is what pages without an origin say, anybody's: only '*' lets them in")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no origin: {error}") from None
    scheme, host = parts.scheme, parts.netloc.lower()
    if "://" not in text or not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{text!r} has no scheme: {_FORM}, such as https://app.example.com")
    if "@" in host:
        raise ValueError(f"an address with a user or a password is no origin: {_FORM}")
    host = host.removesuffix(f":{port}") if port is not None else host.removesuffix(":")
    if not host.isascii():
        raise ValueError(f"{text!r} is to be written as browsers send it, in ASCII: {scheme}://xn--…")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} has no host that a browser would send: {_FORM}")
    shown = f"{scheme}://{host}" if port in (None, _PORTS.get(scheme)) else f"{scheme}://{host}:{port}"
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is an address of a page, and an origin has no path: write {shown}")
    return shown
