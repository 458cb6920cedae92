"""Requirements of packages: which of them this environment does not meet, and what they must not hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import parse_qsl, unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)(?::|%3A)(?:/|%2F){1,3}(?P<rest>\S*)", re.I)
_ANY_OF_THREE = re.compile(r"[/?#]")
_BARE = re.compile(r"(?:^|[\s='\"])(?P<all>[^\s/@:='\"]*:[^\s/@]+@\S*)")
"""`name:password@host`: an address without its scheme."""
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""What pip replaces by a variable of its environment, and nothing else: no `$NAME`, no small letters."""
_PORT = re.compile(r"[0-9]{1,5}|\$\{[A-Z0-9_]+\}")
_HOST_BEHIND = re.compile(r"@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}[:/]")
_LEAST_TOKEN_CHARACTERS = 20
"""A lone name this long is a token that stands in its place; those that keyrings ask for are shorter."""
_TOKEN = re.compile(
    r"(?:gh[pousr]|github_pat|dckr_pat|npm)_|glpat-"
    r"|(?=.*[0-9][A-Za-z]+[0-9])(?:(?=.*[a-z])(?=.*[A-Z]).{10}|[0-9a-f]{12})"
)
"""As those who make them begin them; or mixed as no person is called."""
_PIP_RAISED = "ERROR: Exception:"
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning)?: .")
_SECRET_KEY = re.compile(r"(?i)token|passw|secret|signature|credential|api-?_?key|access-?_?key|^sig$")


@dataclass(frozen=True, slots=True)
class Unmet:
    """Of requirements those that an environment does not meet, each package once, as pip would take it."""

    missing: tuple[str, ...]
    other: tuple[str, ...]
    """There in another version, as `torch>=2.10 (2.9.0 is there)`."""


def unmet(requirements: Iterable[str]) -> Unmet:
    """Those of the lines that are not met here.

    Lines that pip alone understands, such as options and bare addresses, are passed over.
    """
    missing: dict[str, str] = {}
    other: dict[str, str] = {}
    for text in requirements:
        try:
            requirement = Requirement(text.partition(" #")[0].strip())
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, there = canonicalize_name(requirement.name), installed_version(requirement.name)
        requirement.marker = None
        asked = without_secrets(str(requirement))
        if there is None and (requirement.specifier or requirement.url or name not in missing):
            missing[name] = asked
        elif there is not None and not requirement.specifier.contains(there, prereleases=True):
            other[name] = f"{asked} ({there} is there)"
    return Unmet(tuple(missing.values()), tuple(other.values()))


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def why_secret(line: str) -> str:
    """What of a line for pip is a secret, in words; empty where it holds none. A variable is none.

    A password with a `/`, `?` or `#` that is not percent-encoded is none for pip, which ends the address of
    the server there. It is stored with the line all the same. Doubles of letters count as
    the letters.
    """
    line = unicodedata.normalize("NFKC", line)
    if why := next(filter(None, map(_why_secret, _ADDRESS.finditer(line))), ""):
        return why
    passwords = (bare["all"].rpartition("@")[0].partition(":")[2] for bare in _BARE.finditer(line))
    return "" if all(map(_VARIABLE.fullmatch, passwords)) else "a password"


def _why_secret(address: re.Match[str]) -> str:
    rest = address["rest"]
    server = _ANY_OF_THREE.split(rest, maxsplit=1)[0]
    # A password may hold an `@`, and then the last one is before the host.
    user, at, host = server.rpartition("@")
    name, _, password = user.partition(":")
    if password and not _VARIABLE.fullmatch(password):
        if "$" in password:
            return "a password that is no variable as pip reads them: ${NAME}, in capital letters"
        return "a password"
    by_name = "ssh" in address["scheme"].lower() or _VARIABLE.fullmatch(name)
    if at and not password and not by_name and _is_token(unquote(name)):
        return "a token"
    if not at and _has_password_for_port(host, rest):
        return "a password"
    _, _, query = rest.partition("?")
    for key, value in parse_qsl(re.sub(r"[#;?]", "&", query or rest.partition("#")[2])):
        if _SECRET_KEY.search(key) and not _VARIABLE.fullmatch(value):
            return f"a secret under {key[:40]!r}"
    return ""


def _is_token(name: str) -> bool:
    return len(name) >= _LEAST_TOKEN_CHARACTERS or ":" in name or _TOKEN.match(name) is not None


def _has_password_for_port(host: str, rest: str) -> bool:
    """Whether what stands in the place of a port is the beginning of a password that was cut short."""
    host = unquote(host)
    # Addresses of IPv6 are in brackets.
    _, colon, port = (host.rpartition("]")[2] if host.startswith("[") else host).partition(":")
    if not colon or _VARIABLE.fullmatch(port):
        return False
    return not _PORT.fullmatch(port) or _HOST_BEHIND.search(rest) is not None


def before_address(line: str) -> str:
    """The line up to its first address, to tell which line it is and nothing of what it holds."""
    line = unicodedata.normalize("NFKC", line)
    found = [match.start("rest") for match in _ADDRESS.finditer(line)]
    found += [match.start("all") for match in _BARE.finditer(line)]
    return f"{line[: min(found, default=0)]}…"


def why_not_installed(message: str) -> str:
    """What pip says, in a message of Ray's, of what it could not install; empty where it says nothing."""
    lines = iter(message.splitlines())
    said = next((line.strip() for line in lines if line.strip().startswith("ERROR:")), "")
    if said == _PIP_RAISED:
        # Its traceback follows, and what it raised is the end of that.
        said = next((line.strip() for line in lines if _RAISED.match(line.strip())), "")
    # Of a package by its address pip repeats what it put in for a variable.
    told = without_secrets(said[:2000].removeprefix("ERROR:").strip())
    return f"its requirements cannot be installed: {told}" if told else ""


def without_secrets(text: str) -> str:
    """The text with what stands before the host of an address, and after its path, left out."""

    def told(address: re.Match[str]) -> str:
        rest = address["rest"]
        server = _ANY_OF_THREE.split(rest, maxsplit=1)[0]
        user, _, host = server.rpartition("@")
        if not user and _has_password_for_port(host, rest):
            return f"{address['scheme']}://****"
        shown = f"****@{rest[len(user) + 1 :]}" if user else rest
        return f"{address['scheme']}://{shown.partition('?')[0]}"

    return _ADDRESS.sub(told, text)
