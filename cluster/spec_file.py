"""How a spec file is read: YAML, units, ranges, and refusals that name the key and the nearest known one.

Shared by every kind of spec. Pure but for reading the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)

from journeyman.cluster import yaml_text
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
    """`512MiB`, `4GiB`, `4GB` as bytes; a bare number is refused."""
    return int(_quantity(value, _BYTES, "a size such as 512MiB or 4GiB"))


def _quantity(value: object, units: Mapping[str, float], kind: str) -> float:
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match[2] not in units:
        raise ValueError(f"{value!r} is not {kind}")
    if (amount := float(match[1]) * units[match[2]]) <= 0:
        raise ValueError(f"{value!r} is nothing; give {kind}")
    return amount


def _stored_or(parser: Callable[[object], float]) -> BeforeValidator:
    def read(value: object, info: ValidationInfo) -> object:
        # A spec that was stored has its quantities as plain numbers of the base unit.
        return parser(value) if info.context is WRITTEN or isinstance(value, str) else value

    return BeforeValidator(read)


WRITTEN = object()
"""The context of a spec that a person wrote, as against one that is read back from its record."""

Seconds = Annotated[float, _stored_or(parse_seconds)]
Bytes = Annotated[int, _stored_or(parse_bytes)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Names become parts of URLs, of paths and of Kubernetes objects."""
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

_PATTERNS = {
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "lower-case letters, digits and dashes, at most 63",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and underscores, and begin with no digit",
}
"""What each pattern of a name asks for, in words."""


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
    if most > MOST_COUNT:
        raise ValueError(f"{value!r} is more than {MOST_COUNT:,}")
    return Range(least=least, most=most)


MOST_COUNT = 10_000
"""Beyond the largest clusters of Ray; a slip of the pen should not become a list of that length."""

Count = Annotated[Range, BeforeValidator(_parse_range), PlainSerializer(str)]


class Spec(BaseModel):
    """Base of every spec: frozen, and closed to unknown keys."""

    # NaN and infinities in a config are numbers like others, and JSON of our own makes may hold them.
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), ser_json_inf_nan="constants"
    )


AnySpec = TypeVar("AnySpec", bound=Spec)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a spec file holds.

    Raises SpecError naming the file, and the line where YAML stumbled.
    """
    if path.is_dir():
        raise SpecError(f"{path} is a folder", f"Name the spec file in it, such as {path / 'train.yaml'}.")
    try:
        loaded = yaml_text.load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SpecError(f"there is no file {path}", "`journeyman init` writes a working example.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SpecError(f"{where}: not YAML: {_stumble(error)}", _hint(error)) from None
    if not isinstance(loaded, dict):
        raise SpecError(f"{path} holds no keys", "A spec begins with `kind: train` or `kind: service`.")
    return loaded


def _stumble(error: yaml.YAMLError) -> str:
    """What YAML stumbled over, in one line."""
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _hint(error: yaml.YAMLError) -> str:
    problem = _stumble(error)
    if "\\t" in problem:
        return "Indent with spaces: YAML takes no tabs."
    if "mapping values are not allowed" in problem:
        return "A value that holds a colon and a space goes in quotes."
    if "<stream end>" in problem:
        return "A bracket or a quote before it is not closed."
    return ""


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
        try:
            level[last] = yaml_text.load(text)
        except yaml.YAMLError as error:
            raise SpecError(f"--set {assignment}: not YAML: {_stumble(error)}", _hint(error)) from None
    return result


def unasked(path: Path, assignments: Sequence[str], below: str) -> list[str]:
    """What YAML made of the values below a key without being asked, a line each; of what read_yaml took."""
    text = path.read_text(encoding="utf-8-sig")
    found = {each.path: each.told for each in yaml_text.readings(text) if each.path[:1] == (below,)}
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        at = tuple(key.split("."))
        if at[0] != below:
            continue
        found = {there: told for there, told in found.items() if there[: len(at)] != at}
        found |= {(*at, *each.path): each.told for each in yaml_text.readings(text)}
    return [f"{'.'.join(there).replace('.[', '[')}: {told}" for there, told in found.items()]


def parse(model: type[AnySpec], loaded: Mapping[str, Any], source: str, written: bool = True) -> AnySpec:
    """Validate the whole mapping at once; every problem is told, not the first.

    Where no person wrote it, quantities may be plain numbers, of seconds and bytes. Raises SpecError.
    """
    kind = model.model_fields["kind"].default
    given = loaded.get("kind")
    if given != kind:
        others = [verb for other, verb in _VERBS.items() if other == given]
        hint = f"Give it to `{others[0]}`." if others else f"Write `kind: {kind}` at its top."
        what = "has no kind" if given is None else f"is of kind {given!r}"
        raise SpecError(f"{source} {what}; {kind!r} is needed here", hint)
    _check_texts(loaded, source)
    try:
        return model.model_validate(loaded, context=WRITTEN if written else None)
    except ValidationError as error:
        told = [_problem(model, dict(detail)) for detail in error.errors(include_url=False)]
        problems = list(dict.fromkeys(told))
        raise SpecError(f"{source}: " + f"\n{source}: ".join(problems)) from None


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _check_texts(loaded: Mapping[str, Any], source: str) -> None:
    """Raises SpecError for a text that no process and no database takes: with NUL or half of a letter."""
    pending: list[tuple[str, object]] = [("", loaded)]
    seen: set[int] = set()
    while pending:
        where, value = pending.pop()
        if isinstance(value, str) and (found := _UNSTORABLE.search(value)):
            raise SpecError(
                f"{source}: {where} holds {found[0]!r}, which is no character of a text",
                "Take it out; bytes travel as a file, or in base64.",
            )
        if not isinstance(value, Mapping | list | tuple) or id(value) in seen:
            continue
        seen.add(id(value))
        below = f"{where}." if where else ""
        if isinstance(value, Mapping):
            pending += [(f"a key of {where or 'the spec'}", key) for key in value]
            pending += [(f"{below}{key}", each) for key, each in value.items()]
        else:
            pending += [(f"{where}[{index}]", each) for index, each in enumerate(value)]


_VERBS = {"train": "journeyman submit", "service": "journeyman deploy"}


def _problem(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    kind, given = detail["type"], detail["input"]
    # What pydantic adds to the path of a wrong key, nobody wrote.
    path = [part for part in detail["loc"] if part != "[key]"]
    location = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
    if kind == "extra_forbidden":
        owner = _owner(model, path[:-1])
        known = list(owner.model_fields) if owner else []
        nearest = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(known)}"
        return f"unknown key {location!r}; {hint}"
    if kind == "missing":
        return f"{location!r} is missing"
    if kind == "invalid_key":
        return f"the key {location} is not text: write it in quotes"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        message = f"{given!r} must be {_PATTERNS[detail['ctx']['pattern']]}"
    elif kind in _NEEDED:
        message = f"{_shown(given)}, and {_NEEDED[kind]}"
    elif kind in ("greater_than_equal", "finite_number"):
        message = f"{given} is not a number of 0 or more"
    elif kind == "string_too_short":
        message = "is empty"
    return f"{location}: {message}" if location else message


_NEEDED = {
    "string_type": "text is needed here: write it in quotes",
    "dict_type": "keys and values are needed here, such as {key: value}",
    "model_type": "keys and values are needed here, such as {key: value}",
    "tuple_type": "a list is needed here, such as [one, two]",
    "float_type": "a number is needed here",
    "float_parsing": "a number is needed here",
    "bool_type": "true or false is needed here",
    "bool_parsing": "true or false is needed here",
}
"""What is needed where a value is of another type, by pydantic's name for that."""


def _shown(value: object) -> str:
    if value is None:
        return "nothing is given"
    if isinstance(value, list | tuple):
        return "a list is given"
    if isinstance(value, Mapping):
        return "keys are given"
    # As YAML has it: a person wrote `true`, not `True`.
    return f"{str(value).lower() if isinstance(value, bool) else repr(value)[:60]} is given"


def _owner(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    owner: type[BaseModel] | None = model
    for part in location:
        field = owner.model_fields.get(str(part)) if owner else None
        kinds = getattr(field.annotation, "__args__", (field.annotation,)) if field else ()
        owner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return owner
