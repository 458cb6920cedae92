"""What of a stack that runs goes on under another version of Journeyman, and what must end for it. Pure.

A part goes on that was started as this version would start it, and whose package is the one that runs: Ray's
workers and jobs of one version do not join a cluster of another. Control holds nothing, and always changes
over with Journeyman.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PACKAGES = {"mlflow": "mlflow", "ray": "ray", "control": "journeyman"}
"""What runs in each part."""
_UNKNOWN = "a version that is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeover:
    kept: tuple[str, ...]
    """Parts that go on."""
    ended: Mapping[str, str]
    """Parts that must end, and why, in words."""


NOTHING_RUNS = Changeover(kept=(), ended={})


def changeover(living: Mapping[str, bool], before: Mapping[str, str], now: Mapping[str, str]) -> Changeover:
    """`living`: by part that has processes, whether it was started as it would be now; `before` and `now`:
    the versions of packages, nothing where a version of Journeyman wrote down none."""
    ended = {}
    for name, as_now in living.items():
        if why := _why_ended(name, as_now, before, now):
            ended[name] = why
    return Changeover(kept=tuple(name for name in living if name not in ended), ended=ended)


def _why_ended(name: str, as_now: bool, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    package = _PACKAGES[name]
    was = before.get(package)
    if was is not None and was != now[package]:
        return f"{name} runs {package} {was}, and {now[package]} is installed"
    if not as_now:
        return f"{name} was started otherwise, by Journeyman {before.get('journeyman', _UNKNOWN)}"
    if was is None and package == "journeyman":
        return f"{name} was started by Journeyman {_UNKNOWN}"
    return ""
