"""Replicas that Serve replaced since they did not get on: told, and the third marks the version. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from journeyman.serve.records import Replacement, Report, Rollout
from journeyman.tracking.records import shortened

WINDOW_S = 600.0
MARKING = 3
"""So many within the window are the version's doing, and not a machine's."""
_KEPT = 12
_REASON_CHARACTERS = 200


def counted(rollout: Rollout, gone: Iterable[tuple[str, Report]], now: float) -> Rollout:
    """With those of the last minutes; `gone` are replicas that are no more, with their last word."""
    known = {each.replica_id for each in rollout.replaced}
    new = [
        Replacement(
            replica_id=replica_id,
            version=report.unhealthy_version or report.serving,
            # Clocks of nodes differ, and nothing happened later than now.
            at_s=min(now, report.unhealthy_since_s),
            reason=shortened(report.unhealthy, _REASON_CHARACTERS),
        )
        for replica_id, report in gone
        if replica_id not in known
    ]
    recent = [each for each in (*rollout.replaced, *new) if now - each.at_s < WINDOW_S]
    replaced = tuple(sorted(recent, key=lambda each: each.at_s)[-_KEPT:])
    # A mark stays for as long as anything of it is recent.
    marked = rollout.failing if any(each.version == rollout.failing for each in replaced) else ""
    for version in (rollout.serving, rollout.target):
        if sum(each.version == version for each in replaced) >= MARKING:
            marked = version
    return replace(rollout, replaced=replaced, failing=marked)


def told(rollout: Rollout, version: str) -> str:
    """What people read of the replacements of a version; empty where there were none lately."""
    of_version = [each for each in rollout.replaced if each.version == version]
    if not of_version:
        return ""
    reason = of_version[-1].reason
    if rollout.failing == version:
        return f"{len(of_version)} of its replicas were replaced within ten minutes, the last since {reason}"
    were = "1 replica was" if len(of_version) == 1 else f"{len(of_version)} replicas were"
    return f"{were} replaced in the last ten minutes, since {reason}"
