"""The params of a job's run, held to MLflow's own rules before anything is written. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from journeyman.errors import SpecError
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking.records import CLAIM_PARAM

MAX_KEY_CHARACTERS = 250
MAX_VALUE_CHARACTERS = 6000
"""MLflow cuts a longer one or refuses it, as its server is set up."""
_KEY = re.compile(r"[/\w.\- :]+")
_CLAIM = re.compile(rf"{CLAIM_PARAM}\.\d+(\..*)?")


def run_params(spec: TrainSpec, named: str = "") -> dict[str, str]:
    """`config: {optimizer: {lr: 0.1}}` as `{"optimizer.lr": "0.1"}`, and the number of workers.

    Raises SpecError, which begins with `named`, for a key or a value that MLflow would refuse.
    """
    params: dict[str, str] = {}
    for key, value in _flattened(spec.config, ""):
        told = f"{named}config.{key if len(key) <= MAX_KEY_CHARACTERS else key[:40] + '…'}"
        if wrong := _wrong_key(key):
            raise SpecError(f"{told}: {wrong}", "Rename the key: MLflow shows it as a param of the run.")
        if key in params:
            raise SpecError(
                f"{told}: two values have this name once what is nested is written with dots",
                "Keep one of them.",
            )
        if len(value) > MAX_VALUE_CHARACTERS:
            raise SpecError(
                f"{told}: {len(value):,} characters, and MLflow keeps {MAX_VALUE_CHARACTERS:,} of a param",
                "Move it to a file beside the code.",
            )
        params[key] = value
    return params | {"workers": str(spec.workers)}


def _flattened(config: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _wrong_key(key: str) -> str:
    """Why MLflow would not take it as a param's; empty where it would."""
    if not _KEY.fullmatch(key):
        return "the name of a param is letters, digits, and _ - . : / or spaces"
    if posixpath.normpath(key) != key or key.startswith(("..", "/")) or key == ".":
        return "the name of a param may not be a path that leads elsewhere"
    if len(key) > MAX_KEY_CHARACTERS:
        return f"a name of {len(key)} characters, and MLflow takes {MAX_KEY_CHARACTERS}"
    if _CLAIM.fullmatch(key):
        return "Journeyman keeps this param for itself"
    return ""
