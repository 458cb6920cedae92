"""What a terminal shows of a line of output that was drawn again and again, as progress bars are. Pure."""

from __future__ import annotations

import re

_SHOWN_STATES = 64
"""What a line was before so many returns to its beginning has been written over."""
_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\x08)|([^\x1b\r\x08]+)|(.)", re.DOTALL)


def is_redrawn(text: str) -> bool:
    """Whether a terminal shows anything else than the text itself."""
    return "\r" in text or "\b" in text


def last_state(line: str) -> str:
    """Of one line, without its end: what is left where its beginning was returned to, and parts were erased.

    Colours stay with the characters they stand before.
    """
    if not is_redrawn(line):
        return line
    line = "\r".join(line.split("\r")[-_SHOWN_STATES:])
    cells: list[str] = []
    column, colours = 0, ""
    for found in _TOKEN.finditer(line):
        number, command, returned, back, text, other = found.groups()
        if returned:
            column, colours = 0, ""
        elif back:
            column = max(0, column - 1)
        elif command == "K":
            _erase(cells, column, number)
        elif command == "G":
            column = max(0, int(number or "1") - 1) if (number or "1").isdigit() else column
        elif command == "m":
            colours += found[0]
        elif text or other:
            written = [colours + (text or other)[0], *(text or other)[1:]]
            colours = ""
            cells += [" "] * (column - len(cells))
            cells[column : column + len(written)] = written
            column += len(written)
    return "".join(cells).rstrip() + colours


def _erase(cells: list[str], column: int, number: str) -> None:
    """From the column on, up to it, or all."""
    if number in ("", "0"):
        del cells[column:]
    elif number == "1":
        cells[: column + 1] = [" "] * min(column + 1, len(cells))
    elif number == "2":
        cells.clear()
