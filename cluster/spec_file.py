"""How a spec file is read: YAML, units, ranges, and refusals that name the key and the nearest known one.

Shared by every kind of spec. Pure but for reading the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from journeyman.errors import SpecError

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1}
_BYTES |= {prefix + "iB": 1024**power for power, prefix in enumerate("KMGT", 1)}
_BYTES |= {prefix + "B": 1000**power for power, prefix in enumerate("KMGT", 1)}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_seconds(value: object) -> float:
    """`50ms`, `60s`, `12h` as seconds; a bare number is refused, for nobody knows its unit."""
    return _quantity(value, _SECONDS, "a duration such as 60s, 30m or 12h")


def parse_bytes(value: object) -> int:
    """`512MiB`, `4GiB`, `4GB` as bytes."""
    return int(_quantity(value, _BYTES, "a size such as 512MiB or 4GiB"))


def _quantity(value: object, units: Mapping[str, float], kind: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        # A spec that was stored has its quantities as plain numbers of the base unit.
        return value
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match[2] not in units:
        raise ValueError(f"{value!r} is not {kind}")
    return float(match[1]) * units[match[2]]


Seconds = Annotated[float, BeforeValidator(parse_seconds)]
Bytes = Annotated[int, BeforeValidator(parse_bytes)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Names become parts of URLs, of paths and of Kubernetes objects."""


class Range(BaseModel):
    """`4` or `2..8`: how many, or between how many."""

    model_config = ConfigDict(frozen=True)

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least}..{self.most}"


def _parse_range(value: object) -> object:
    if isinstance(value, Range):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*(?:\.\.\s*(\d+))?\s*", str(value))
    if match is None or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a count such as 2 or a range such as 2..8")
    least, most = int(match[1]), int(match[2] or match[1])
    if least > most:
        raise ValueError(f"{value!r} begins above its end; write {most}..{least}")
    return Range(least=least, most=most)


Count = Annotated[Range, BeforeValidator(_parse_range), PlainSerializer(str)]


class Spec(BaseModel):
    """Base of every spec: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


AnySpec = TypeVar("AnySpec", bound=Spec)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a spec file holds.

    Raises SpecError naming the file, and the line where YAML stumbled.
    """
    if path.is_dir():
        raise SpecError(f"{path} is a folder", f"Name the spec file in it, such as {path / 'train.yaml'}.")
    try:
        loaded = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise SpecError(f"there is no file {path}", "`journeyman init` writes a working example.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SpecError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(loaded, dict):
        raise SpecError(f"{path} holds no keys", "A spec begins with `kind: train` or `kind: service`.")
    return loaded


def override(loaded: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """The mapping with `--set` assignments such as `config.lr=0.01` applied; values are YAML."""
    result = dict(loaded)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path:
            raise SpecError(f"--set {assignment}: not KEY=VALUE", "For example --set config.lr=0.01.")
        *parents, last = path.split(".")
        level = result
        for key in parents:
            child = level.get(key)
            if child is None:
                child = {}
            if not isinstance(child, dict):
                raise SpecError(f"--set {assignment}: {key} holds a value, not keys")
            level[key] = dict(child)
            level = level[key]
        level[last] = yaml.safe_load(text)
    return result


def parse(model: type[AnySpec], loaded: Mapping[str, Any], source: str) -> AnySpec:
    """Validate the whole mapping at once; every problem is told, not the first.

    Raises SpecError.
    """
    kind = model.model_fields["kind"].default
    given = loaded.get("kind")
    if given != kind:
        other = {"train": "journeyman submit", "service": "journeyman deploy"}
        hint = f"Give it to `{other[given]}`." if given in other else f"Write `kind: {kind}` at its top."
        what = "has no kind" if given is None else f"is of kind {given!r}"
        raise SpecError(f"{source} {what}; {kind!r} is needed here", hint)
    try:
        return model.model_validate(loaded)
    except ValidationError as error:
        problems = [_problem(model, dict(detail)) for detail in error.errors(include_url=False)]
        raise SpecError(f"{source}: " + f"\n{source}: ".join(problems)) from None


def _problem(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    location = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        owner = _owner(model, detail["loc"][:-1])
        known = list(owner.model_fields) if owner else []
        nearest = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(known)}"
        return f"unknown key {location!r}; {hint}"
    if detail["type"] == "missing":
        return f"{location!r} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch" and location == "name":
        message = f"{detail['input']!r} must be lower-case letters, digits and dashes, at most 63"
    return f"{location}: {message}" if location else message


def _owner(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    owner: type[BaseModel] | None = model
    for part in location:
        field = owner.model_fields.get(str(part)) if owner else None
        kinds = getattr(field.annotation, "__args__", (field.annotation,)) if field else ()
        owner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return owner
