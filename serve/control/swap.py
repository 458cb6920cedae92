"""Which version of its model a service carries, and how another one takes its place. Pure.

    in place  every replica loads the candidate beside the version that serves; when all are ready, the swap
              is one assignment in each of them
    by surge  a version that brings Python of its own gets new replicas: two versions of one module in one
              process would silently share `sys.modules`; so does one whose loading would hold up answers

What is decided is kept as a Rollout in the service's record, so that control, started anew, goes on with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from journeyman.cluster.requirements import why_not_installed
from journeyman.models.in_place import why_graph_needs_replicas
from journeyman.serve.control.replacements import counted, told
from journeyman.serve.phases import Phase
from journeyman.serve.records import FAILED, NEW_REPLICAS, PASSING, READY, Report, Rollout

_RAISED = re.compile(r"(?:[a-z_]\w*\.)*(?=[A-Z]\w*(?:Error|Exception)\b)")
"""The line of a traceback that names the error; matched is the module, which tells nobody anything."""
LOAD_LIMIT_S = 600.0
"""A candidate is given up when replicas have loaded it for so long and no further one got ready."""
RETRY_S = 60.0
"""After so long a candidate that could not be tried is tried again, then after twice as long each time."""
_LONGEST_RETRY_S = 3600.0
PASSING_TRIES = 3
"""New replicas that Serve gave up so often, and never said why, are taken for the version's fault."""
_RUNNING = "RUNNING"
_FAILED_STATUSES = ("DEPLOY_FAILED", "UNHEALTHY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One service as it was seen this turn."""

    rollout: Rollout | None
    """As it was decided last; None before the first time."""
    model: str
    """The registered model that is ordered."""
    version: str | None
    """The version that is ordered; None where that cannot be told, and `trouble` says why."""
    trouble: str
    graph_bytes: int
    """Of the ordered version, as its publisher told; 0 where that is not known, or the version is."""
    undeploy: bool
    status: str | None
    """Of the Serve application; None where there is none."""
    trial: int | None
    """That of the config which the status is of; None where Serve has none."""
    message: str
    least: int
    """So many replicas are ordered at least."""
    target: int
    """So many Serve means to have now; 0 where it does not tell."""
    loading: int
    """Replicas that start and have a node, so that they load a version."""
    refused: str
    """Why Serve has not what was decided; empty where it does, or was not told yet."""
    again: bool
    """Whether replicas that Serve has given up are to be tried anew now."""
    reports: tuple[Report | None, ...]
    """One for each replica that takes requests; None where it has said nothing yet."""
    told: tuple[Report, ...]
    """All that replicas have said, also those that start, or could not."""
    replaced: tuple[tuple[str, Report], ...]
    """Replicas that are gone, by their ids, whose last word was that they do not get on."""
    unanswered: str
    """Why nothing answers at the service's URL; empty where something does.

    The ingress learns of replicas after Serve calls them running, and may not be where it was said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the Serve config is to carry (nothing where `rollout` is None), and what people read."""

    rollout: Rollout | None
    phase: Phase
    reason: str
    answers: bool = False
    """Whether the replicas were seen to answer with the version that serves."""
    ordered: str | None = None
    """The version that was ordered, as far as that could be told."""


def decide(snapshot: Snapshot, now: float) -> Decision:
    """What to do about one service; `now` in epoch seconds."""
    if snapshot.undeploy:
        if snapshot.status is None:
            return Decision(rollout=None, phase=Phase.UNDEPLOYED, reason="")
        reason = "its replicas finish what they answer"
        return Decision(rollout=None, phase=Phase.UNDEPLOYING, reason=reason)
    if snapshot.version is None and snapshot.rollout is None:
        reason = f"waits for its model: {snapshot.trouble}"
        return Decision(rollout=None, phase=Phase.DEPLOYING, reason=reason)
    if snapshot.rollout is not None:
        snapshot = replace(snapshot, rollout=counted(snapshot.rollout, snapshot.replaced, now))
    rollout = _follow(snapshot, now)
    return _described(rollout, snapshot)


def _follow(snapshot: Snapshot, now: float) -> Rollout:
    rollout, wanted = snapshot.rollout, snapshot.version
    if rollout is None:
        assert wanted is not None, "decide() waits for the first version"
        return Rollout(model=snapshot.model, serving=wanted)
    if wanted is None:
        # The order cannot be read: what serves goes on serving, and what was under way is finished.
        wanted = rollout.candidate or rollout.serving
    elif rollout.model != snapshot.model:
        return _afresh(rollout, snapshot.model, wanted)
    serves = not snapshot.unanswered and _serves(rollout.serving, rollout.generation, snapshot)
    proven = rollout.proven or serves
    rollout = replace(rollout, proven=proven)
    if snapshot.again and rollout.candidate is None:
        # Serve starts none of those any more that it has given up.
        rollout = replace(rollout, generation=rollout.trial + 1, trial=rollout.trial + 1)
    if wanted == rollout.serving:
        return _ended(replace(rollout, refused=None, refused_because=""))
    if not rollout.proven:
        # Nothing answers yet that would have to be kept.
        return _afresh(rollout, rollout.model, wanted)
    if wanted == rollout.refused:
        return _ended(rollout)
    if wanted != rollout.candidate:
        return replace(
            _ended(rollout),
            candidate=wanted,
            candidate_since_s=now,
            surge_because=why_graph_needs_replicas(snapshot.graph_bytes),
            trial=rollout.trial + 1,
            refused=None,
            refused_because="",
        )
    if rollout.retry_at_s is not None:
        if now < rollout.retry_at_s:
            return rollout
        return replace(
            rollout, candidate_since_s=now, trial=rollout.trial + 1, retry_at_s=None, put_off_because=""
        )
    if rollout.surge and rollout.failing == rollout.candidate:
        return _refused(rollout, told(rollout, rollout.failing))
    rollout = _watched(rollout, snapshot, now)
    tried = _surge(rollout, snapshot, now) if rollout.surge else _in_place(rollout, snapshot, now)
    since_s = tried.loading_since_s
    if tried.candidate is not None and since_s is not None and now - since_s > LOAD_LIMIT_S:
        return _refused(rollout, f"replicas load it, and none is ready after {LOAD_LIMIT_S:.0f} s")
    return tried


def _watched(now: Rollout, snapshot: Snapshot, now_s: float) -> Rollout:
    """With the time since when nothing got further: a replica that waits for a node loads nothing."""
    if now.surge:
        ready = sum(_has(report, now.target, now.trial) for report in snapshot.reports)
        loads = snapshot.loading > 0
    else:
        answers = [_answer(report, now) for report in snapshot.reports]
        ready, loads = answers.count(READY), None in answers
    since_s = now.loading_since_s
    if not loads:
        since_s = None
    elif since_s is None or ready > now.ready:
        since_s = now_s
    return replace(now, ready=max(ready, now.ready), loading_since_s=since_s)


def _ended(now: Rollout) -> Rollout:
    """Without a candidate."""
    return replace(
        now,
        candidate=None,
        surge_because="",
        ready=0,
        loading_since_s=None,
        retry_at_s=None,
        tries=0,
        put_off_because="",
    )


def _put_off(now: Rollout, reason: str, now_s: float) -> Rollout:
    """The candidate waits, and replicas are told of none."""
    return replace(
        now,
        ready=0,
        loading_since_s=None,
        retry_at_s=now_s + _retry_s(now.tries),
        tries=now.tries + 1,
        put_off_because=reason,
    )


def _retry_s(tries: int) -> float:
    # The exponent is held down: after a year of tries the power would be too large.
    return min(RETRY_S * 2.0 ** min(tries, 10), _LONGEST_RETRY_S)


def _afresh(now: Rollout, model: str, version: str) -> Rollout:
    return Rollout(model=model, serving=version, generation=now.trial + 1, trial=now.trial + 1)


def _in_place(now: Rollout, snapshot: Snapshot, now_s: float) -> Rollout:
    answers = [_answer(report, now) for report in snapshot.reports]
    said = {answer: report.reason for report, answer in zip(snapshot.reports, answers, strict=True) if report}
    if FAILED in said:
        return _refused(now, said[FAILED])
    if PASSING in said:
        return _put_off(now, said[PASSING], now_s)
    if NEW_REPLICAS in said:
        return replace(now, surge_because=said[NEW_REPLICAS], ready=0, loading_since_s=None)
    if answers and all(answer == READY for answer in answers):
        return replace(_ended(now), serving=now.candidate or now.serving)
    return now


def _surge(now: Rollout, snapshot: Snapshot, now_s: float) -> Rollout:
    for report in snapshot.told:
        # Serve would have three replicas try it first.
        if _answer(report, now) == FAILED:
            return _refused(now, report.reason)
    for report in snapshot.told:
        if _answer(report, now) == PASSING:
            return _put_off(now, report.reason, now_s)
    if snapshot.status in _FAILED_STATUSES and snapshot.trial == now.trial and not snapshot.refused:
        # No replica said that it is the version.
        reason = _shortened(snapshot.message)
        last = now.tries + 1 >= PASSING_TRIES
        return _refused(now, reason) if last else _put_off(now, reason, now_s)
    if snapshot.status == _RUNNING and _serves(now.target, now.trial, snapshot):
        return replace(_ended(now), serving=now.target, generation=now.trial)
    return now


def _refused(now: Rollout, reason: str) -> Rollout:
    return replace(_ended(now), refused=now.candidate, refused_because=reason)


def _answer(report: Report | None, rollout: Rollout) -> str | None:
    if report is None or (report.trial, report.candidate) != (rollout.trial, rollout.candidate):
        return None
    return report.candidate_state


def _serves(version: str, generation: int, snapshot: Snapshot) -> bool:
    return bool(snapshot.reports) and all(_has(report, version, generation) for report in snapshot.reports)


def _has(report: Report | None, version: str, generation: int) -> bool:
    return report is not None and (report.serving, report.generation) == (version, generation)


def _described(rollout: Rollout, snapshot: Snapshot) -> Decision:
    phase, reason = _phase(rollout, snapshot)
    if snapshot.version is None:
        reason = f"order lost: {snapshot.trouble}; version {rollout.serving} goes on serving"
    elif rollout.refused:
        held = f"keeps version {rollout.serving}: version {rollout.refused}: {rollout.refused_because}"
        # Serve goes on telling of the replicas that failed until it has the others again.
        reason = held if reason in ("", rollout.refused_because) else f"{reason}; {held}"
    elif rollout.put_off:
        after = f"after {_retry_s(rollout.tries - 1):g} s"
        waits = f"version {rollout.candidate} could not be tried, and is {after}: {rollout.put_off_because}"
        phase = Phase.SWAPPING if phase is Phase.HEALTHY else phase
        reason = waits if reason in ("", rollout.put_off_because) else f"{reason}; {waits}"
    troubles = {report.engine_trouble for report in snapshot.reports if report and report.engine_trouble}
    if troubles and not reason:
        reason = "; ".join(sorted(troubles))
    replaced = told(rollout, rollout.serving)
    if replaced and rollout.failing == rollout.serving:
        phase = phase if rollout.candidate is not None else Phase.UNHEALTHY
        failing = f"version {rollout.serving} fails: {replaced}"
        reason = f"{failing}; {reason}" if reason else failing
    elif replaced:
        reason = f"{reason}; {replaced}" if reason else replaced
    if snapshot.refused:
        # What Serve has goes on, and is not what is ordered.
        phase = Phase.DEPLOYING if snapshot.reports else Phase.UNHEALTHY
        reason = f"its config is not in force: {_shortened(snapshot.refused)}"
    answers = _serves(rollout.serving, rollout.generation, snapshot)
    return Decision(rollout=rollout, phase=phase, reason=reason, answers=answers, ordered=snapshot.version)


def is_awaited(decision: Decision, status: str | None) -> bool:
    """Whether the next turn is waited for: not while new replicas follow old ones, which takes many."""
    rollout = decision.rollout
    if decision.phase in (Phase.HEALTHY, Phase.UNDEPLOYED):
        return False
    if rollout is None or not rollout.proven:
        return True
    if rollout.candidate is not None:
        return not rollout.surge and not rollout.put_off
    # Serve has its replicas, and only they or the ingress are behind.
    return decision.phase in (Phase.DEPLOYING, Phase.SWAPPING) and status == _RUNNING


def _phase(rollout: Rollout, snapshot: Snapshot) -> tuple[Phase, str]:
    if rollout.candidate is not None and not rollout.put_off:
        ready = sum(_answer(report, rollout) == READY for report in snapshot.reports)
        if rollout.surge:
            how = f"version {rollout.candidate} {rollout.surge_because} and gets new replicas"
        else:
            how = (
                f"version {rollout.candidate} is loaded beside version {rollout.serving}: "
                f"{ready} of {len(snapshot.reports)} replicas are ready"
            )
        return Phase.SWAPPING, how
    if snapshot.status in _FAILED_STATUSES and rollout == snapshot.rollout:
        return Phase.UNHEALTHY, _shortened(snapshot.message)
    have = sum(_has(report, rollout.serving, rollout.generation) for report in snapshot.reports)
    others = sum(report is not None for report in snapshot.reports) - have
    wanted = max(snapshot.target, snapshot.least)
    if snapshot.status == _RUNNING and have >= snapshot.least and not others:
        if snapshot.unanswered:
            return Phase.DEPLOYING, f"its replicas are ready, and {snapshot.unanswered}"
        return (
            Phase.HEALTHY,
            f"{have} of {wanted} replicas answer, and the others start" if have < wanted else "",
        )
    if not rollout.proven:
        # Serve tells what a replica waits for, such as a free CPU.
        waits = _shortened(snapshot.message) if rollout == snapshot.rollout else ""
        return Phase.DEPLOYING, waits or f"starts replicas with version {rollout.serving}"
    if snapshot.status == _RUNNING and others:
        with_it = f"{have} of {len(snapshot.reports)} replicas have version {rollout.serving}"
        return Phase.SWAPPING, f"{with_it}, and the others take it"
    if snapshot.status == _RUNNING:
        return Phase.DEPLOYING, f"{have} of {wanted} replicas answer"
    return Phase.DEPLOYING, _shortened(snapshot.message) or "replicas start"


def _shortened(message: str) -> str:
    """The cause in Serve's message: pip's words, what follows the last traceback, else its beginning."""
    if pip := why_not_installed(message):
        return pip[:600]
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    raised = [index for index, line in enumerate(lines) if _RAISED.match(line)]
    cause = [_RAISED.sub("", lines[raised[-1]]), *lines[raised[-1] + 1 :]] if raised else lines
    return " ".join(cause)[:600]
