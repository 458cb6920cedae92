"""How often, and after which pauses, the start of an attempt is tried where it is refused. Pure.

What is refused once may be taken a minute later: Ray refuses while its head is starting. What is refused for
good has an end, and takes no place in the queue meanwhile.
"""

from __future__ import annotations

from journeyman.jobs.records import Refusal

PAUSES_S = (5, 20, 80, 320)
"""Before the second try, the third and so on."""
MAX_TRIES = len(PAUSES_S) + 1


def one_more(before: Refusal | None, attempt: int, message: str, now_ms: int) -> Refusal:
    """What is recorded when a try to start `attempt` was refused."""
    tries = 1 if before is None else before.tries + 1
    return Refusal(attempt=attempt, tries=tries, last_ms=now_ms, message=message)


def is_given_up(refusal: Refusal | None) -> bool:
    return refusal is not None and refusal.tries >= MAX_TRIES


def is_due(refusal: Refusal | None, now: float) -> bool:
    """Whether the next try is, at the time `now` in seconds."""
    if refusal is None:
        return True
    last_s = refusal.last_ms / 1000
    # A clock that was set back makes no pause without end.
    return not is_given_up(refusal) and not last_s <= now < last_s + _pause_s(refusal)


def refusal_reason(refusal: Refusal) -> str:
    if is_given_up(refusal):
        return f"could not be started in {refusal.tries} tries: {refusal.message}"
    return f"could not be started, is tried again after {_pause_s(refusal)} s: {refusal.message}"


def _pause_s(refusal: Refusal) -> int:
    return PAUSES_S[max(1, refusal.tries) - 1]
