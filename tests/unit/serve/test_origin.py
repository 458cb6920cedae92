"""Origins in a service's spec: kept as browsers send them, and refused with what to write."""

from __future__ import annotations

from typing import Any

import pytest

from journeyman.cluster.spec_file import parse
from journeyman.errors import SpecError
from journeyman.serve.orders import changes
from journeyman.serve.spec import ServiceSpec

WRITTEN: dict[str, Any] = {"kind": "service", "name": "digits", "model": "models:/digits@champion"}


def cors(origins: object) -> tuple[str, ...]:
    return parse(ServiceSpec, WRITTEN | {"cors": origins}, "service.yaml").cors


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://App.Example.COM:443", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://localhost:80", "http://localhost"),
        ("https://app:8443", "https://app:8443"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("https://xn--gre-6ka8i.example", "https://xn--gre-6ka8i.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(written: str, kept: str) -> None:
    assert cors([written]) == (kept,)
    # A spec that was stored reads back the same.
    assert cors([kept]) == (kept,)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("https://app.example.com/", "has no path: write https://app.example.com"),
        ("https://app.example.com:443/app?a#b", "has no path: write https://app.example.com"),
        ("app.example.com", "'app.example.com' has no scheme: an origin is scheme://host"),
        ("localhost:3000", "'localhost:3000' has no scheme"),
        ("https://*.example.com", "no part of one can be *: list each"),
        ("https://me:word@app.example.com", "an address with a user or a password is no origin"),
        ("https://größe.example", "as browsers send it, in ASCII: https://xn--"),
        ("https://a:99999", "Port out of range"),
        ("https://", "no host"),
        ("https://a b", "no host"),
        ("https://[::1", "no origin"),
        ("null", "anybody's: only '\\*' lets them in"),
        ("", "has no scheme"),
    ],
)
def test_what_is_no_origin_is_refused_by_its_place(written: str, says: str) -> None:
    with pytest.raises(SpecError, match=says.replace("*:", r"\*:")) as caught:
        cors(["https://ok.example", written])
    assert caught.value.message.startswith("service.yaml: cors[1]: ")
    assert ":word@" not in caught.value.message


def test_any_origin_is_said_alone_and_one_needs_no_list() -> None:
    assert cors("*") == cors(["*"]) == ("*",)
    assert cors("https://app.example.com") == ("https://app.example.com",)
    assert cors(["https://a.example", "https://A.example"]) == ("https://a.example",)
    with pytest.raises(SpecError, match=r"cors: '\*' lets in pages of every origin: leave out the others"):
        cors(["*", "https://a.example"])
    with pytest.raises(SpecError, match=r"cors\[0\]: 3 is given, and text is needed here"):
        cors([3])


def test_another_list_is_told_and_the_same_one_is_no_change() -> None:
    def spec(origins: list[str]) -> ServiceSpec:
        return parse(ServiceSpec, WRITTEN | {"cors": origins}, "service.yaml")

    assert changes(spec(["https://a.example:443"]), spec(["https://a.example"])) == []
    assert changes(spec([]), spec(["*"])) == ["cors: [] → ['*'] (live)"]
