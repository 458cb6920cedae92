"""Requirements of packages, and which of them this environment does not meet."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement


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
