"""Which of the last lines of a script tells why it ended: its own error, not what came after. Pure."""

from __future__ import annotations

import re

_RANK = re.compile(r"^\[rank\d+\]:\s?")
"""torch puts it before each line of a traceback that it prints once more."""
_TRACEBACK = "Traceback (most recent call last):"
_NOT_THE_END = re.compile(r"^(Exception ignored in|--- Logging error ---|Exception in thread )")
"""What Python prints of errors that end nothing."""
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Iteration)\b(?::.*)?$")
_ERROR = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL)\b|^(?:\S+: )?(?:fatal )?[Ee]rror\b|^Fatal |^Killed|^Segmentation fault"
    r"|core dumped|CUDA error|[Oo]ut of memory"
)
_CHATTER_LINES = 20
"""What libraries print after an exception is not more."""
_AMONG_LINES = 20


def why_it_ended(tail: str) -> tuple[str, str]:
    """The line that tells it, and the lines it is among. Both are empty where nothing was printed."""
    lines = [_RANK.sub("", line.rstrip()) for line in tail.split("\n")]
    if (found := _last_exception(lines)) is not None:
        begin, at = found
        return lines[at], "\n".join(lines[begin:])
    said = [number for number, line in enumerate(lines) if line.strip()]
    for pattern in (_RAISED, _ERROR):
        told = next((number for number in reversed(said) if pattern.search(lines[number])), None)
        if told is not None:
            break
    else:
        told = said[-1] if said else None
    if told is None:
        return "", ""
    return lines[told].strip(), "\n".join(lines[max(0, told - _AMONG_LINES) :])


def _last_exception(lines: list[str]) -> tuple[int, int] | None:
    """Where the last traceback that ended something begins, and where its exception is."""
    found: tuple[int, int] | None = None
    for number, line in enumerate(lines):
        if line.strip() != _TRACEBACK:
            continue
        before = next((each for each in reversed(lines[:number]) if each.strip()), "")
        after = range(number + 1, len(lines))
        end = next((n for n in after if lines[n].strip() and not lines[n][0].isspace()), None)
        if end is not None and not _NOT_THE_END.match(before) and len(lines) - end <= _CHATTER_LINES:
            found = number, end
    return found
