"""Whether the processes of a stack start warm, in words."""

from __future__ import annotations

import os
from collections.abc import Iterable

from journeyman.cluster.warm import node
from journeyman.cluster.warm.node import OFF, WARM, State


def read_states(stack: str) -> list[State]:
    """What the fork servers of this user say that carry this mark, the last one last."""
    folder = node.folder_of(os.getuid())
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
    except OSError:
        return []
    found = (node.read_state(f"{folder}/{name}") for name in names)
    return sorted((each for each in found if each and each.stack == stack), key=lambda each: each.since_s)


def start_in_words(states: Iterable[State], living: Iterable[int]) -> str:
    """How a process of a job or a service would start now; `living` are the pids there are."""
    last = next(reversed(list(states)), None)
    if last is None:
        return "plainly: no worker has started a fork server yet"
    if last.state == OFF:
        return f"plainly: {last.reason}"
    if last.pid not in living:
        return "plainly: the fork server has ended, the next worker starts one"
    if last.state != WARM:
        return f"plainly: the fork server {last.reason}"
    return "warm" + (f"; one did not: {last.refused}" if last.refused else "")
