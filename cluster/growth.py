"""What a person says a cluster may grow by: `4:CPU=8,GPU=1`, read and kept. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from journeyman.cluster.capacity import ACCELERATOR, USEFUL, Growth
from journeyman.cluster.spec_file import MOST_COUNT, parse_bytes

NONE = "none"
"""What is said of a cluster that does not grow."""


def parse_growth(texts: Sequence[str]) -> tuple[Growth, ...] | None:
    """`4:CPU=8,GPU=1`: at most four nodes of eight CPUs and one GPU. None where nothing is said.

    Raises ValueError that says what is wrong.
    """
    if not texts:
        return None
    if NONE in texts:
        if len(texts) > 1:
            raise ValueError(f"`{NONE}` says that nothing is added, and {len(texts) - 1} more say what is")
        return ()
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Growth:
    count, separator, shape = text.partition(":")
    if not separator or not count.strip().isdecimal():
        raise ValueError(f"{text!r} is not COUNT:NAME=AMOUNT, such as 4:CPU=8 or 2:CPU=8,GPU=1")
    nodes = int(count)
    if not 1 <= nodes <= MOST_COUNT:
        raise ValueError(f"{text!r}: a count of nodes is between 1 and {MOST_COUNT:,}")
    total: dict[str, float] = {}
    for part in shape.split(","):
        name, _, amount = (word.strip() for word in part.rpartition("="))
        if name not in USEFUL and not name.startswith(ACCELERATOR):
            known = f"{', '.join(USEFUL)} or {ACCELERATOR}NAME"
            raise ValueError(f"{text!r}: {part!r} is not NAME=AMOUNT, the name being {known}")
        if name in total:
            raise ValueError(f"{text!r} names {name} twice")
        total[name] = _parse_amount(text, name, amount)
    if not total.get("CPU") and not total.get("GPU"):
        raise ValueError(f"{text!r} has neither CPUs nor GPUs")
    return Growth(total=total, nodes=nodes)


def _parse_amount(text: str, name: str, amount: str) -> float:
    if name == "memory":
        try:
            return float(parse_bytes(amount))
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r}: {amount!r} is no amount of {name}")
    return number


def written_growth(growth: Sequence[Growth] | None) -> list[dict[str, Any]] | None:
    """As it is kept in a context's endpoints file."""
    return None if growth is None else [{"nodes": each.nodes, "total": dict(each.total)} for each in growth]


def describe_growth(growth: Sequence[Growth] | None) -> str:
    """For people; a cluster that does not grow is told as `none`."""
    if growth is None:
        return "not said"
    return ", ".join(str(each) for each in growth) or NONE
