"""The requirements of a spec, as pip takes them, and none that moves what the cluster itself runs on.

What jobs and services need beyond the cluster's environment: Ray makes them an environment of their own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from journeyman.cluster.requirements import before_address, why_secret
from journeyman.errors import SpecError

_FIXED_BY_CLUSTER = ("ray", "torch", "mlflow", "mlflow-skinny", "journeyman")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Those of UTF-32 begin as those of UTF-16 do."""
_ENCODINGS = ("utf-8", "utf-32", "utf-32", "utf-16", "utf-16")
_CODING = re.compile(rb"^#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTIONS = re.compile(r"\s+--?[a-z].*$")
"""What follows a requirement in its line, such as hashes."""
_INCLUDED = re.compile(r"(?:-r|--requirement)(?:\s+|=|(?=[^\s=-]))(.+)")
_OTHER_FILE = re.compile(r"(-c|--constraint|-f|--find-links|-e|--editable)(?:\s+|=|(?=[^\s=-]))(.+)")
_ADDRESS = re.compile(r"(?:[a-z]+\+)?[a-z]+://|git\+\w+@|(git|hg|svn|bzr)\+")

_INSTEAD = (
    "Requirements are stored and shown as they are. Keep it on the nodes: in the `pip.conf` of whoever runs "
    "Ray there (`index-url = https://user:password@host/simple`), in their `.netrc` (`machine host login "
    "user password …`), or in a variable of Ray's environment, which pip puts in where an index is "
    "`https://user:${NAME}@host/simple`, in capital letters."
)


def _file_or_lines(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        raise ValueError(
            "name a file such as requirements.txt, or list what is needed, such as [einops>=0.8]"
        ) from None


Requirements = Annotated[str | tuple[str, ...], WrapValidator(_file_or_lines)]
"""A requirements file beside the spec; once ordered, its lines."""


def pip_environment(lines: Sequence[str]) -> dict[str, Any]:
    """What Ray's runtime environment holds for requirements; nothing where there are none."""
    return {"pip": {"packages": list(lines), "pip_check": False}} if lines else {}


def requirement_lines(written: str | tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """The lines of the requirements, with those of the files they name. Raises SpecError."""
    if isinstance(written, tuple):
        lines = [("requirements", line) for line in _logical("\n".join(written))]
    else:
        path = folder / written
        if not path.is_file():
            raise SpecError(
                f"requirements: there is no file {path}",
                "Name a file beside the spec, or list what is needed: `requirements: [einops>=0.8]`.",
            )
        lines = list(_read(path, ()))
    asked: dict[str, Requirement] = {}
    for source, line in lines:
        # First: what is said of a line otherwise repeats it.
        _check_no_secret(source, line)
        if line.startswith("-"):
            _check_option(source, line)
        elif requirement := _requirement(source, line):
            _check_against(asked, requirement, source, line)
    return tuple(dict.fromkeys(line for _, line in lines))


def check_no_password(address: str, where: str) -> None:
    """Raises SpecError where an address of a spec, or what it says of an index, holds a secret."""
    if why := why_secret(address):
        raise SpecError(
            f"{where}: {before_address(address)!r} holds {why}",
            "A spec is stored and shown. Name a variable under `secrets:`, or keep it on the nodes: in their "
            "`pip.conf`, `.netrc` or the environment of Ray there.",
        )


def _read(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    """Each line with the file it stands in; those of a file that is named stand where it is named."""
    try:
        text = _decoded(path.read_bytes())
    except (OSError, UnicodeDecodeError, LookupError) as error:
        raise SpecError(f"requirements: {path} cannot be read: {error}") from None
    for line in _logical(text):
        included = _INCLUDED.fullmatch(line)
        if included is None or _ADDRESS.match(included[1]):
            yield str(path), line
        elif (other := (path.parent / included[1].strip("\"'")).resolve()) not in above:
            yield from _read(other, (*above, path.resolve()))


def _decoded(content: bytes) -> str:
    """As pip does: by the mark at its beginning, by its coding comment, else UTF-8."""
    for mark, encoding in zip(_MARKS, _ENCODINGS, strict=True):
        if content.startswith(mark):
            return content.decode(encoding).removeprefix("\ufeff")
    told = _CODING.search(b"\n".join(content.split(b"\n")[:2]))
    return content.decode(told[1].decode() if told else "utf-8")


def _logical(text: str) -> Iterator[str]:
    """Lines without comments, put together where they go on behind a backslash."""
    for line in re.sub(r"\\[ \t]*\r?\n", " ", text).splitlines():
        if kept := _COMMENT.sub("", line).strip():
            yield " ".join(kept.split())


def _check_no_secret(source: str, line: str) -> None:
    if why := why_secret(line):
        raise SpecError(f"{source}: {before_address(line)!r} holds {why}", _INSTEAD)


def _check_option(source: str, line: str) -> None:
    named = _OTHER_FILE.fullmatch(line)
    if named and not _ADDRESS.match(named[2].strip("\"'")):
        raise SpecError(
            f"{source}: {line!r} names a file, which the cluster's pip would not find",
            "Write its lines out instead.",
        )


def _requirement(source: str, line: str) -> Requirement | None:
    """None for an address, of which only pip knows what it holds."""
    bare = _OPTIONS.sub("", line)
    if _ADDRESS.match(bare) and not bare.startswith("file:"):
        return None
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        if re.search(r"^[./~]|^file:|\.(whl|zip|tar\.gz)$", bare):
            raise _local(source, line) from None
        raise SpecError(
            f"{source}: {line!r} is no requirement: {str(error).splitlines()[0]}",
            "A line is a name and, where it matters, a version, such as einops>=0.8, or an address.",
        ) from None
    if (requirement.url or "").startswith("file:"):
        raise _local(source, line)
    return requirement


def _local(source: str, line: str) -> SpecError:
    return SpecError(
        f"{source}: {line!r} is a file of this machine, which the cluster's pip would not find",
        "Put its code beside the spec, or name an address or an index that has it.",
    )


def _check_against(asked: dict[str, Requirement], requirement: Requirement, source: str, line: str) -> None:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return
    name = canonicalize_name(requirement.name)
    before = asked.setdefault(name, requirement)
    if not (_admits(before, requirement) and _admits(requirement, before)):
        raise SpecError(
            f"{source}: {line} contradicts {before}: no version of {name} is both", "Keep one of the two."
        )
    there = _installed(name) if name in _FIXED_BY_CLUSTER else None
    if there and not requirement.specifier.contains(there, prereleases=True):
        raise SpecError(
            f"{source}: {line} contradicts the cluster, which runs {name} {there}",
            f"Ask for {name}=={there}, or leave it out: it is there.",
        )


def _admits(one: Requirement, other: Requirement) -> bool:
    """Whether the version that `one` pins, where it pins any, is one that `other` takes."""
    pinned = [s.version for s in one.specifier if s.operator == "==" and not s.version.endswith(".*")]
    return all(other.specifier.contains(version, prereleases=True) for version in pinned)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
