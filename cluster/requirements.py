"""Requirements of packages: which of them this environment does not meet, and what they must not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import parse_qsl

from packaging.requirements import InvalidRequirement, Requirement

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^\s/?#]*)@)?(?P<rest>\S*)")
"""A password may hold an `@`, and then the last one is before the host."""
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""What pip replaces by a variable of its environment, and nothing else: no `$NAME`, no small letters."""
_LEAST_TOKEN_CHARACTERS = 20
"""A lone name this long is a token that stands in its place; those that keyrings ask for are shorter."""
_SECRET_QUERY = re.compile(r"(?i)token|passw|secret|signature|credential|api-?_?key|access-?_?key|^sig$")


def unmet(requirements: Iterable[str]) -> list[str]:
    """Those of the lines that are not met here, as `torch>=2.10 (2.9.0 is there)`.

    Lines that pip alone understands, such as options and addresses, are passed over.
    """
    found = []
    for text in requirements:
        try:
            requirement = Requirement(text.partition(" #")[0].strip())
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        there = installed_version(requirement.name)
        if there is None:
            found.append(f"{requirement.name}{requirement.specifier}")
        elif not requirement.specifier.contains(there, prereleases=True):
            found.append(f"{requirement.name}{requirement.specifier} ({there} is there)")
    return found


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def why_secret(line: str) -> str:
    """What of a line for pip is a secret, in words; empty where it holds none. A variable is none."""
    return next(filter(None, map(_why_secret, _ADDRESS.finditer(line))), "")


def _why_secret(address: re.Match[str]) -> str:
    user, _, password = (address["user"] or "").partition(":")
    if password and not _VARIABLE.fullmatch(password):
        if "$" in password:
            return "a password that is no variable as pip reads them: ${NAME}, in capital letters"
        return "a password"
    by_name = "ssh" in address["scheme"].lower() or _VARIABLE.fullmatch(user)
    if not password and not by_name and len(user) >= _LEAST_TOKEN_CHARACTERS:
        return "a token"
    for key, value in parse_qsl(address["rest"].partition("#")[0].partition("?")[2]):
        if _SECRET_QUERY.search(key) and not _VARIABLE.fullmatch(value):
            return f"a secret under {key[:40]!r}"
    return ""


def without_secrets(text: str) -> str:
    """The text with what stands before the host of an address, and after its path, left out."""

    def told(address: re.Match[str]) -> str:
        user = "****@" if address["user"] else ""
        return f"{address['scheme']}://{user}{address['rest'].partition('?')[0]}"

    return _ADDRESS.sub(told, text)
