"""YAML as specs are read: safe, with the numbers of YAML 1.2, and what it made of values unasked. Pure.

PyYAML follows YAML 1.1, where `1e-3` is text, `no` is false, `0123` is 83 and `12:30` is 750.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from journeyman.errors import described

_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_STR = "tag:yaml.org,2002:str"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


_WORDS = {"None": "null", "nan": ".nan", "NaN": ".nan", "inf": ".inf", "-inf": "-.inf", "Infinity": ".inf"}
"""What other languages call values that YAML has names of its own for."""


class _Loader(yaml.SafeLoader):
    """Of two equal keys the second is refused; dates stay the text they are, as in JSON."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for position, (key, _) in enumerate(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value in keys[:position] and key.value != "<<":
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} is there twice", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, 8) if "o" in text else int(super().construct_yaml_int(node))


_Loader.add_constructor(_INT, _Loader.construct_yaml_int)
# What YAML 1.1 takes for text: no dot before the exponent, no sign in it, a sign before a leading dot.
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$|[-+]\.[0-9]+$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?0o[0-7]+$"), list("-+0"))


MOST_VALUES = 100_000
"""Of one text, what `*` repeats counted each time: a few lines can stand for more than a memory holds."""


def load(text: str) -> Any:
    """Raises yaml.YAMLError."""
    try:
        loaded = yaml.load(text, _Loader)
        if sum(1 for _ in itertools.islice(_values(loaded, ()), MOST_VALUES + 1)) > MOST_VALUES:
            raise yaml.YAMLError(f"it stands for more than {MOST_VALUES:,} values")
    except RecursionError:
        raise yaml.YAMLError("it is nested too deep") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # PyYAML checks no value that is tagged, as in `!!bool maybe`, and no number of 5,000 digits.
        raise yaml.YAMLError(f"a value is not what it is said to be: {described(error)}") from None
    return loaded


def _values(value: Any, above: tuple[int, ...]) -> Iterator[Any]:
    """It and all that it holds; not again what holds itself."""
    yield value
    if isinstance(value, dict | list) and id(value) not in above:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _values(each, (*above, id(value)))


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that is not what it looks like."""

    path: tuple[str, ...]
    """The keys to it; the place in a list as `[2]`."""
    told: str
    """How it was read, and what to write instead."""


def readings(text: str) -> list[Reading]:
    """What YAML makes of plain values without being asked. Raises yaml.YAMLError."""
    node = yaml.compose(text, _Loader)
    return list(_walk(node, (), frozenset())) if node is not None else []


def _walk(node: yaml.Node, path: tuple[str, ...], above: frozenset[int]) -> Iterator[Reading]:
    if id(node) in above:
        return
    if isinstance(node, yaml.ScalarNode):
        if node.style is None and (told := _told(node)):
            yield Reading(path, told)
        return
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if isinstance(key, yaml.ScalarNode) and key.tag != _STR and key.value != "<<":
                yield Reading(
                    (*path, name),
                    f"the key {name} is no text, and reaches the code as one; write it in quotes",
                )
            # What is merged in stands here as if it had been written here.
            yield from _walk(value, path if name == "<<" else (*path, name), above)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _walk(value, (*path, f"[{position}]"), above)


def _told(node: yaml.ScalarNode) -> str:
    """Empty where a value is what it looks like."""
    text = node.value
    quoted = f"write it in quotes, '{text}', for the text"
    if node.tag == _BOOL and text.lower() not in ("true", "false"):
        read = "true" if text.lower() in ("yes", "on") else "false"
        return f"{text} is read as {read}; {quoted}"
    if node.tag == _STR and text in _WORDS:
        return f"{text} is text; write {_WORDS[text]} for {text}"
    if node.tag == _STR and re.fullmatch(r"[-+]?0[0-9]+", text):
        return f"{text} is text, since a leading 0 begins an octal number; write {int(text)} for the number"
    if node.tag not in (_INT, _FLOAT):
        return ""
    value = load(text)
    if ":" in text:
        return f"{text} is read as the number {value}, as a time of day in base 60; {quoted}"
    if node.tag == _INT and re.fullmatch(r"[-+]?0[0-7_]+", text):
        return f"{text} is read as the octal number {value}; {quoted}"
    if math.isinf(value) and "inf" not in text.lower():
        return f"{text} is read as a number too large for a float, infinity; {quoted}"
    return ""
