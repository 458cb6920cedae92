"""How a parser is fed: seeds of a corpus, changed in places, for as long as it is told.

A target says what may come of an input: its own refusals and nothing else. What takes too much of the
processor fails as what raises does, and what does not return ends the run with the stack of where it is.
"""

from __future__ import annotations

import faulthandler
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

Payload = TypeVar("Payload")

CORPUS = Path(__file__).parent / "corpus"
LIMIT_S = 5.0
"""Of the processor, for one input: the slowest there is takes a tenth of it."""
HANGS_S = 120.0
_ROUND = 40
"""Inputs of one seed. They are made whether or not there is time to feed them: few, to keep the time."""


def fuzz(payloads: st.SearchStrategy[Payload], check: Callable[[Payload], None], seconds: float) -> int:
    """Feed `check` for so long, by the same seeds for seconds and by new ones for minutes; how often."""
    began_s = time.monotonic()
    first = 0 if seconds < 60 else random.SystemRandom().randrange(2**32)
    count, failed = 0, False

    def measured(payload: Payload) -> None:
        nonlocal count, failed
        # What failed is made smaller however long that takes.
        if time.monotonic() - began_s > seconds and count and not failed:
            return
        count += 1
        faulthandler.dump_traceback_later(HANGS_S, exit=True, file=sys.__stderr__ or sys.stderr)
        before_s = time.thread_time()
        try:
            check(payload)
            took_s = time.thread_time() - before_s
            assert took_s < LIMIT_S, f"took {took_s:.1f} s of the processor"
        except BaseException:
            failed = True
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()

    number = first
    while time.monotonic() - began_s < seconds:
        quiet = settings(
            max_examples=_ROUND,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        quiet(seed(number)(given(payloads)(measured)))()
        number += 1
    return count


def seeds(kind: str) -> list[bytes]:
    """The corpus of one kind of input."""
    found = [path.read_bytes() for path in sorted((CORPUS / kind).iterdir())]
    assert found, f"there is no corpus {kind}"
    return found


# -- values ----------------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(
    [0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**18, 10**40, 0.1, 1e308, -0.0]
) | st.integers(-5, 300)
WORDS = st.sampled_from(
    [
        "",
        "NaN",
        "-inf",
        "1e999",
        "2024-02-30",
        "292278994-08-17T07:12:55.807Z",
        "AA==",
        "é",
        "数字" * 50,
        "\u202eabc\u2066",
        "\x00",
        "\x1b[31m\r\n",
        "../../etc/passwd",
        "${HOME}",
        "a" * 9000,
        "\ud800",
    ]
)
TEXTS = WORDS | st.text(st.characters(), max_size=12)
LEAVES = st.none() | st.booleans() | NUMBERS | st.sampled_from([float("nan"), float("inf")]) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=6,
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


DEEP = st.sampled_from([30, 70, 500]).map(_nested)


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Each holder and key in it."""
    pending = [document]
    while pending:
        holder = pending.pop()
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        for key in keys:
            yield holder, key
            pending.append(holder[key])


@st.composite
def changed(draw: st.DrawFn, documents: Sequence[Any], keys: Sequence[str] = ()) -> Any:
    """One of the documents, some of its values replaced, left out, doubled or put under another key."""
    document = json.loads(json.dumps(draw(st.sampled_from(documents))))
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(document))
        if not places:
            return draw(VALUES)
        holder, key = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        match draw(st.integers(0, 6)):
            case 0 | 1:
                holder[key] = draw(VALUES)
            case 2:
                holder[key] = draw(DEEP)
            case 3:
                del holder[key]
            case 4:
                other = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
                # A copy: no document holds itself.
                holder[key] = json.loads(json.dumps(other[0][other[1]]))
            case 5 if isinstance(holder, dict):
                holder[draw(st.sampled_from(keys) if keys else TEXTS)] = draw(VALUES)
            case 5:
                holder.insert(key, draw(VALUES))
            case _ if isinstance(holder, dict):
                holder[draw(TEXTS)] = holder.pop(key)
            case _:
                holder.extend([holder[key]] * draw(st.sampled_from([1, 3, 200])))
    return document


@st.composite
def torn(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """Bytes, now and then cut, overwritten or with others in between."""
    content = draw(contents)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(0, len(content))))
        piece = draw(
            st.binary(max_size=8) | st.sampled_from([b"\x00", b"\xff\xfe", b'"', b"{", b"[" * 400, b"\n"])
        )
        match draw(st.integers(0, 2)):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + piece + content[at:]
            case _:
                content = content[:at] + piece + content[at + len(piece) :]
    return content


def as_json(document: Any) -> bytes:
    """With NaN, infinities and halves of letters, as careless clients write them."""
    return json.dumps(document).encode()
