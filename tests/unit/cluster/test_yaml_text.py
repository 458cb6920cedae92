"""YAML as specs are read, and what is told of values that are not what they look like."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from journeyman.cluster.spec_file import override, read_yaml, unasked
from journeyman.cluster.yaml_text import load, readings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5E4", 50000.0),
        ("1.5e3", 1500.0),
        ("-2e-05", -0.00002),
        (".5e1", 5.0),
        ("+.5", 0.5),
        ("-.5", -0.5),
        ("1.e3", 1000.0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1e", "1e"),
        ("e-3", "e-3"),
        ("1e-3x", "1e-3x"),
        ("1.2.3", "1.2.3"),
        ("'1e-3'", "1e-3"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
    ],
)
def test_numbers_are_those_of_yaml_1_2_and_dates_are_text(text: str, value: Any) -> None:
    read = load(text)
    assert (read, type(read)) == (value, type(value))
    assert readings(text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no", "no is read as false; write it in quotes, 'no'"),
        ("On", "On is read as true"),
        ("0123", "0123 is read as the octal number 83"),
        ("08", "08 is text, since a leading 0 begins an octal number; write 8"),
        ("12:30", "12:30 is read as the number 750"),
        ("16:9", "16:9 is read as the number 969"),
        # The beginning of a commit.
        ("12e4567", "12e4567 is read as a number too large for a float, infinity"),
        ("None", "None is text; write null"),
        ("NaN", "NaN is text; write .nan"),
    ],
)
def test_what_yaml_makes_of_a_value_unasked_is_told(text: str, told: str) -> None:
    [reading] = readings(text)
    assert reading.told.startswith(told)


@pytest.mark.parametrize(
    "text", ["true", "False", ".inf", "-.INF", "null", "~", "", "'no'", '"12:30"', "0", "-7"]
)
def test_what_is_what_it_looks_like_is_not_told(text: str) -> None:
    assert readings(text) == []


def test_a_value_is_told_by_its_key_also_in_lists_merges_and_keys() -> None:
    text = "a: {b: [1, no, {c: 12:30}]}\nbase: &base {on: off}\nother: {<<: *base}\nloop: &loop [*loop]\n"
    assert [(".".join(each.path), each.told.split(";")[0]) for each in readings(text)] == [
        ("a.b.[1]", "no is read as false"),
        ("a.b.[2].c", "12:30 is read as the number 750, as a time of day in base 60"),
        ("base.on", "the key on is no text, and reaches the code as one"),
        ("base.on", "off is read as false"),
        ("other.on", "the key on is no text, and reaches the code as one"),
        ("other.on", "off is read as false"),
    ]


def test_of_a_spec_only_values_of_the_config_are_told_and_assignments_replace_them(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("\ufeffname: x\nworkers: 012\nconfig: {country: no, at: 12:30, lr: 1e-3}\n")
    assert read_yaml(file)["config"] == {"country": False, "at": 750, "lr": 0.001}
    assert [told.split(";")[0] for told in unasked(file, (), below="config")] == [
        "config.country: no is read as false",
        "config.at: 12:30 is read as the number 750, as a time of day in base 60",
    ]
    assignments = ["config.country='no'", "config.at=[off]", "workers=02", "config.lr=3e-4"]
    assert [told.split(";")[0] for told in unasked(file, assignments, below="config")] == [
        "config.at[0]: off is read as false"
    ]
    assert override(read_yaml(file), assignments)["config"] == {"country": "no", "at": [False], "lr": 0.0003}


TOWER = "a: &a [1, 1]\n" + "".join(
    f"{upper}: &{upper} [*{lower}, *{lower}]\n" for lower, upper in itertools.pairwise("abcdefghijklmopqrs")
)
"""Each line is twice the one before it."""


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: " + "9" * 5000,
        "a: !!bool maybe",
        "a: !!timestamp never",
        "a: !!float x",
        "a: !!int ''",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ],
)
def test_what_yaml_stumbles_over_in_its_own_code_is_told_as_the_rest(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)


def test_equal_keys_are_still_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice"):
        load("a: 1\na: 2\n")
