"""Durations, sparklines, headlines and tables."""

from __future__ import annotations

import json
import math

import pytest
from rich.console import Console

from journeyman.cli import output
from journeyman.cli.output import BARS, duration, headline, print_json, print_table, say, sparkline, visible

REASON = "waits: needs 8 x 1 CPU, free are 4 CPUs of 8 CPUs, and nothing says what the cluster may grow by"


@pytest.mark.parametrize(("width", "below"), [(200, False), (80, True), (40, True)])
def test_table_is_cut_at_no_width_and_its_sentences_stay_sentences(
    width: int, below: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "console", lambda: Console(width=width, markup=False, highlight=False))
    columns = ("NAME", "PHASE", "URL", "")
    url = "http://127.0.0.1:8000/classifier-of-digits"
    print_table(columns, [("classifier-of-digits", "deploying", url, REASON), ("b", "healthy", url, "")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "NAME",
        "classifier-of-digits",
        "b",
    ]
    told = " ".join(" ".join(lines).split())
    assert url in told and "deploying" in told
    assert (REASON in told) and (f"{url} {REASON}" not in told or not below or width < 200)
    beside = f"deploying {url} waits:" in " ".join(lines[1].split())
    assert beside is not below


HOSTILE = "a\x1b[2J\x07\x9b31m\r\u202eb\udcffé 数字\tc"


def test_what_a_terminal_would_obey_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    shown = r"a\x1b[2J\x07\x9b31m\r\u202eb\udcffé 数字" + "\tc"
    assert visible(HOSTILE) == shown
    say(HOSTILE)
    assert capsys.readouterr().out == f"{shown}\n"
    print_table(("NAME", ""), [(HOSTILE, HOSTILE)])
    told = capsys.readouterr().out
    assert r"a\x1b[2J" in told and told.replace("\n", "").isprintable()
    print_json({"name": HOSTILE})
    told = capsys.readouterr().out
    assert json.loads(told) == {"name": HOSTILE.replace("\udcff", "?")}
    assert told.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (185, "3m 05s"),
        (7800, "2h 10m"),
        (356_400, "4d 03h"),
    ],
)
def test_duration_uses_two_units_at_most(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], ""),
        ([math.nan], ""),
        ([5.0, 5.0], "▄▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], BARS),
        ([1.0, math.nan, 0.0], "█ ▁"),
        ([-1.7e308, 1.7e308], "▁█"),
    ],
)
def test_sparkline_draws_what_is_finite(values: list[float], told: str) -> None:
    assert sparkline(values) == told


def test_sparkline_of_a_long_series_keeps_its_width_and_its_direction() -> None:
    drawn = sparkline([1000 / (step + 1) for step in range(5000)], width=10)
    assert len(drawn) == 10
    assert drawn[0] == BARS[-1]
    assert list(drawn) == sorted(drawn, reverse=True)


def test_headline_puts_losses_then_accuracies_first_and_leaves_samples_out() -> None:
    names = ["system/cpu", "epoch", "val_accuracy", "accuracy", "val_loss", "loss"]
    assert headline(dict.fromkeys(names, 1.0), 4) == ["loss", "val_loss", "accuracy", "val_accuracy"]


def test_table_prints_brackets_as_they_are_and_whole_lines_to_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = "waits for [gpu] " + "x" * 150
    print_table(("ID", ""), [("3f2a", reason)])
    assert reason in capsys.readouterr().out


def test_json_is_read_by_everybody_whatever_the_numbers_are(capsys: pytest.CaptureFixture[str]) -> None:
    told = {"metrics": {"a": math.nan, "b": [math.inf, -math.inf, 1.5], 3: "\ud800"}, "at": (1, None)}
    print_json(told)
    refused: list[str] = []
    read = json.loads(capsys.readouterr().out, parse_constant=refused.append)
    assert refused == []
    assert read == {"metrics": {"a": "NaN", "b": ["Infinity", "-Infinity", 1.5], "3": "?"}, "at": [1, None]}
