"""What verbs print: tables, durations, sparklines, JSON, errors, and the question before destruction."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

import typer

from journeyman.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 240
"""Columns where nobody looks: a pipe gets whole lines, not ones cut at 80."""
SHORT_ID = 8
LEAST_SENTENCE = 40
"""Columns that a sentence needs beside its row; in fewer it would be a column of words."""
_GAP = "  "
_BELOW = "    "
BARS = "▁▂▃▄▅▆▇█"
_UNPRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys instead of showing it, what turns the order of letters around, halves of letters."""

STYLES = {
    "queued": "yellow",
    "starting": "cyan",
    "running": "cyan",
    "hung": "red",
    "cancelling": "yellow",
    "finished": "green",
    "failed": "red",
    "cancelled": "magenta",
    "deploying": "cyan",
    "healthy": "green",
    "swapping": "cyan",
    "unhealthy": "red",
    "undeploying": "yellow",
    "undeployed": "magenta",
    "unreadable": "red",
    "up": "green",
    "restarting": "yellow",
    "down": "red",
}


def console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    # Names and reasons are a person's text: "[gpu]" in one is not markup.
    return Console(width=width, markup=False, highlight=False, emoji=False)


def visible(text: str) -> str:
    """A text that anybody may have written, as it is shown: `\\x1b` instead of what a terminal would obey."""
    return _UNPRINTED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def say(text: str = "") -> None:
    typer.echo(visible(text))


def complain(message: str, hint: str) -> None:
    """An error as two lines on stderr."""
    typer.secho(visible(message), err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
    if hint:
        typer.echo(visible(hint), err=True)


def examples(*lines: str) -> str:
    """The end of a verb's help; \\b keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def print_json(value: object) -> None:
    """JSON as everybody reads it: what it has no number for is "NaN", "Infinity" or "-Infinity"."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    told = json.dumps(_plain(value), indent=2, default=str, ensure_ascii=False, allow_nan=False)
    # Half of a letter has no escape that every reader takes; the rest that JSON does not escape itself has.
    told = told.encode("utf-8", "replace").decode()
    typer.echo(_UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", told))


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def print_json_list(values: Iterable[Any]) -> None:
    print_json([asdict(value) for value in values])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under their columns; the phases in them in their colours. Nothing is cut.

    The last column holds sentences and wraps; where there is no room for that, they stand below their rows.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    page = console()
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *shown, strict=True)][:-1]
    if page.width - sum(width + len(_GAP) for width in widths) >= min(LEAST_SENTENCE, _longest(shown)):
        table = Table(box=None, header_style="bold", pad_edge=False)
        for position, column in enumerate(columns):
            last = position == len(columns) - 1
            table.add_column(column, no_wrap=not last, overflow="fold")
        for row in shown:
            table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        page.print(table)
        return
    for number, cells in enumerate([list(columns), *shown]):
        line = Text(style="" if number else "bold")
        for cell, width in zip(cells, widths, strict=False):
            line.append(cell, style=STYLES.get(cell, "")).append(" " * (width - cell_len(cell)) + _GAP)
        line.rstrip()
        page.print(line, soft_wrap=True)
        for sentence in Text(cells[-1]).wrap(page, page.width - len(_BELOW)) if cells[-1] else ():
            page.print(Text(_BELOW).append(sentence))


def _longest(rows: Sequence[Sequence[str]]) -> int:
    from rich.cells import cell_len

    return max((cell_len(row[-1]) for row in rows), default=0)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """One name and its value a line; what has no value is left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in fields:
        if value:
            table.add_row(visible(name), Text(visible(value), style=STYLES.get(value, "")))
    console().print(table)


def short(run_id: str) -> str:
    return run_id[:SHORT_ID]


def duration(seconds: float) -> str:
    """`45s`, `3m 05s`, `2h 10m`, `4d 03h`: two units at most. A clock that ran backwards counts as 0."""
    whole = max(0, int(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d {h:02}h"
    if hours:
        return f"{h}h {m:02}m"
    return f"{m}m {s:02}s" if minutes else f"{s}s"


def since(start_ms: float | None, now_ms: float) -> str:
    return "" if start_ms is None else duration((now_ms - start_ms) / 1000)


def number(value: float) -> str:
    return f"{value:.4g}"


def sparkline(values: Sequence[float], width: int = 32) -> str:
    """The course of a series in at most `width` bars; what is not finite is a gap."""
    count = min(width, len(values))
    points = [
        _mean(values[len(values) * bar // count : len(values) * (bar + 1) // count]) for bar in range(count)
    ]
    finite = [point for point in points if point is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    top = len(BARS) - 1
    # Divided first: the span between two huge numbers is not finite.
    span = (high / 2 - low / 2) or math.inf
    middle = BARS[top // 2]
    return "".join(
        " "
        if point is None
        else middle
        if math.isinf(span)
        else BARS[round((point / 2 - low / 2) / span * top)]
        for point in points
    )


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else None


def headline(metrics: Mapping[str, float], count: int) -> list[str]:
    """The names of the metrics most likely asked for: losses, then accuracies, then the rest by name."""

    def rank(name: str) -> tuple[int, str]:
        return (0 if "loss" in name else 1 if "acc" in name else 2, name)

    # MLflow's own samples of CPU and memory live under system/.
    return sorted((name for name in metrics if not name.startswith("system/")), key=rank)[:count]


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed.

    Raises UsageError where nobody is there to answer; ends the verb with exit code 1 on a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to answer at.", "Pass --yes to skip the question.")
    if not typer.confirm(question):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
