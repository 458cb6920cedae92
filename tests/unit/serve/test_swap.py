"""The life of a service's versions, turn by turn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.models.in_place import IN_PLACE_GRAPH_BYTES
from journeyman.serve.control import swap
from journeyman.serve.control.swap import LOAD_LIMIT_S, Decision, Snapshot
from journeyman.serve.phases import Phase
from journeyman.serve.records import (
    FAILED,
    NEW_REPLICAS,
    READY,
    Report,
    Rollout,
    read_report,
    read_rollout,
    write_report,
    write_rollout,
)

FIRST = Rollout(model="digits", serving="3")
PROVEN = replace(FIRST, proven=True)
LOADING = replace(PROVEN, candidate="4", trial=2)
WHY = "brings Python of its own"
SURGING = replace(LOADING, surge_because=WHY)


def report(
    serving: str = "3",
    *,
    generation: int = 1,
    trial: int = 1,
    candidate: str | None = None,
    state: str | None = None,
    reason: str = "",
) -> Report:
    return Report(
        generation=generation,
        serving=serving,
        trial=trial,
        candidate=candidate,
        candidate_state=state,
        reason=reason,
    )


def decide(snapshot: Snapshot, now: float = 0.0) -> Decision:
    return swap.decide(snapshot, now)


def of_candidate(state: str, reason: str = "") -> Report:
    return report(trial=2, candidate="4", state=state, reason=reason)


def seen(
    rollout: Rollout | None,
    *reports: Report | None,
    version: str | None = "3",
    model: str = "digits",
    trouble: str = "",
    undeploy: bool = False,
    status: str | None = "RUNNING",
    message: str = "",
    unanswered: str = "",
    graph_bytes: int = 0,
    told: tuple[Report, ...] = (),
    replaced: tuple[tuple[str, Report], ...] = (),
    least: int = 1,
    target: int = 0,
    loading: int = 0,
    refused: str = "",
    again: bool = False,
    trial: int | None = None,
) -> Snapshot:
    return Snapshot(
        rollout=rollout,
        model=model,
        version=version,
        trouble=trouble,
        graph_bytes=graph_bytes,
        undeploy=undeploy,
        status=status,
        message=message,
        reports=reports,
        told=told,
        replaced=replaced,
        unanswered=unanswered,
        least=least,
        target=target,
        loading=loading,
        refused=refused,
        again=again,
        # Serve has what was decided, unless another one is said.
        trial=(rollout.trial if rollout else None) if trial is None else trial,
    )


def follow(rollout: Rollout | None, *steps: tuple[float, Snapshot]) -> Decision:
    """Decides at each moment, from what was decided before; the last decision."""
    for now, snapshot in steps:
        decided = decide(replace(snapshot, rollout=rollout), now)
        rollout = decided.rollout
    return decided


def test_candidate_that_replicas_load_without_end_is_given_up_and_a_corrected_alias_goes_through() -> None:
    in_place = seen(LOADING, None, version="4")
    by_surge = seen(SURGING, report(), version="4", status="DEPLOYING", loading=1)
    for loads in (in_place, by_surge):
        late = follow(loads.rollout, (5, loads), (5 + LOAD_LIMIT_S, loads))
        assert late.phase == Phase.SWAPPING
        given_up = follow(loads.rollout, (5, loads), (6 + LOAD_LIMIT_S, loads))
        assert given_up.rollout == replace(
            PROVEN, trial=2, refused="4", refused_because="replicas load it, and none is ready after 600 s"
        )
        assert "keeps version 3: version 4: replicas load it" in given_up.reason
        corrected = decide(seen(given_up.rollout, report(), version="5"), 7 + LOAD_LIMIT_S).rollout
        assert corrected is not None
        assert (corrected.candidate, corrected.candidate_since_s) == ("5", 7 + LOAD_LIMIT_S)


def test_load_limit_begins_anew_with_each_replica_that_is_ready() -> None:
    new = report("4", generation=2, trial=2)
    one = seen(None, report(), report(), version="4", status="DEPLOYING", loading=1)
    two = replace(one, reports=(new, report()))
    goes_on = follow(SURGING, (0, one), (LOAD_LIMIT_S, two), (2 * LOAD_LIMIT_S, two))
    assert goes_on.phase == Phase.SWAPPING
    # A replica that dies and comes back is no progress.
    back = follow(SURGING, (0, two), (LOAD_LIMIT_S, one), (LOAD_LIMIT_S + 1, two))
    assert back.rollout is not None and back.rollout.refused == "4"


def test_replicas_that_wait_for_a_node_load_nothing() -> None:
    waits = seen(None, report(), version="4", status="DEPLOYING", loading=0)
    loads = replace(waits, loading=1)
    late = follow(SURGING, (0, loads), (LOAD_LIMIT_S, waits), (9 * LOAD_LIMIT_S, waits))
    assert late.phase == Phase.SWAPPING
    assert late.rollout is not None and late.rollout.loading_since_s is None


# -- deploying -----------------------------------------------------------------------------------------


def test_first_turn_serves_the_version_that_is_ordered() -> None:
    decision = decide(seen(None, status=None))
    assert (decision.rollout, decision.phase) == (FIRST, Phase.DEPLOYING)


def test_first_turn_without_a_version_waits_and_deploys_nothing() -> None:
    decision = decide(seen(None, version=None, trouble="model digits has no alias champion", status=None))
    assert (decision.rollout, decision.phase) == (None, Phase.DEPLOYING)
    assert "no alias champion" in decision.reason


def test_replicas_that_serve_make_the_service_healthy() -> None:
    assert decide(seen(FIRST, None, status="DEPLOYING")).phase == Phase.DEPLOYING
    decision = decide(seen(FIRST, report()))
    assert (decision.rollout, decision.phase, decision.reason) == (PROVEN, Phase.HEALTHY, "")


def test_service_is_healthy_once_the_ingress_leads_to_its_replicas() -> None:
    why = "http://127.0.0.1:8000 cannot be reached: Connection refused"
    for rollout, *reports in ((FIRST, report()), (PROVEN, report()), (PROVEN, report(), None)):
        waits = decide(seen(rollout, *reports, unanswered=why))
        assert (waits.rollout, waits.phase) == (rollout, Phase.DEPLOYING)
        assert waits.reason == f"its replicas are ready, and {why}"
    starts = decide(seen(FIRST, None, unanswered=why))
    assert starts.reason == "starts replicas with version 3"
    assert decide(seen(PROVEN, report())).phase == Phase.HEALTHY


def test_deployment_that_fails_is_unhealthy_with_the_cause_and_another_version_starts_afresh() -> None:
    message = (
        "It failed to start 3 times.\nRuntimeError: Traceback (most recent call last):\n  File x\n"
        "journeyman.models.model.ModelError: it is stored as pickle\nSet `allow_code: true`.\n"
    )
    failed = seen(FIRST, status="DEPLOY_FAILED", message=message)
    decision = decide(failed)
    assert (decision.rollout, decision.phase) == (FIRST, Phase.UNHEALTHY)
    assert decision.reason == "ModelError: it is stored as pickle Set `allow_code: true`."
    afresh = decide(replace(failed, version="4"))
    assert afresh.rollout == Rollout(model="digits", serving="4", generation=2, trial=2)
    assert afresh.phase == Phase.DEPLOYING


def test_another_model_starts_afresh() -> None:
    decision = decide(seen(replace(PROVEN, trial=5), report(), model="letters", version="1"))
    assert decision.rollout == Rollout(model="letters", serving="1", generation=6, trial=6)


# -- in place ------------------------------------------------------------------------------------------


def test_moved_alias_becomes_a_candidate_beside_the_serving_version() -> None:
    decision = decide(seen(PROVEN, report(), version="4"))
    assert (decision.rollout, decision.phase) == (LOADING, Phase.SWAPPING)
    assert "0 of 1 replicas are ready" in decision.reason


def test_swap_waits_for_every_replica() -> None:
    waiting = decide(seen(LOADING, of_candidate(READY), None, version="4"))
    assert waiting.rollout == replace(LOADING, ready=1, loading_since_s=0.0)
    assert waiting.phase == Phase.SWAPPING
    assert "1 of 2 replicas are ready" in waiting.reason
    # One that still speaks of the candidate before.
    stale = report(trial=1, candidate="4", state=READY)
    half = decide(seen(LOADING, of_candidate(READY), stale, version="4")).rollout
    assert half == replace(LOADING, ready=1, loading_since_s=0.0)
    swapped = decide(seen(LOADING, of_candidate(READY), of_candidate(READY), version="4"))
    assert swapped.rollout == replace(PROVEN, serving="4", trial=2)


def test_swap_without_a_single_replica_waits() -> None:
    assert decide(seen(LOADING, version="4")).rollout == LOADING


def test_candidate_that_fails_is_refused_and_not_tried_again() -> None:
    decision = decide(seen(LOADING, of_candidate(READY), of_candidate(FAILED, "it is broken"), version="4"))
    refused = replace(PROVEN, trial=2, refused="4", refused_because="it is broken")
    assert (decision.rollout, decision.phase) == (refused, Phase.HEALTHY)
    assert decision.reason == "keeps version 3: version 4: it is broken"
    assert decide(seen(refused, report(trial=2), version="4")).rollout == refused


def test_version_after_a_refused_one_is_tried_at_once() -> None:
    refused = replace(PROVEN, trial=2, refused="4", refused_because="it is broken")
    decision = decide(seen(refused, report(), version="5"))
    assert decision.rollout == replace(PROVEN, candidate="5", trial=3)


def test_refused_version_is_tried_again_once_the_alias_has_been_elsewhere() -> None:
    refused = replace(PROVEN, trial=2, refused="4", refused_because="it is broken")
    back = decide(seen(refused, report())).rollout
    assert back == replace(PROVEN, trial=2)
    # What replicas said of its former trial does not count.
    again = decide(seen(back, of_candidate(FAILED), version="4")).rollout
    assert again == replace(PROVEN, candidate="4", trial=3)
    told = decide(seen(again, of_candidate(FAILED), version="4")).rollout
    assert told == replace(again, loading_since_s=0.0)


def test_alias_that_moves_back_drops_the_candidate() -> None:
    assert decide(seen(LOADING, of_candidate(READY))).rollout == replace(PROVEN, trial=2)


# -- by surge ------------------------------------------------------------------------------------------


def test_candidate_with_python_of_its_own_gets_new_replicas() -> None:
    decision = decide(seen(LOADING, report(), of_candidate(NEW_REPLICAS, WHY), version="4"))
    assert (decision.rollout, decision.phase) == (SURGING, Phase.SWAPPING)
    assert decision.reason == "version 4 brings Python of its own and gets new replicas"
    assert (SURGING.target, SURGING.beside, SURGING.target_generation) == ("4", None, 2)


def test_candidate_known_to_load_for_long_is_not_tried_in_place_at_all() -> None:
    told = decide(seen(PROVEN, report(), version="4", graph_bytes=IN_PLACE_GRAPH_BYTES + 1))
    assert told.rollout is not None
    assert (told.rollout.surge, told.rollout.beside, told.rollout.target) == (True, None, "4")
    assert told.reason == (
        "version 4 has a graph of 128 KiB, which would hold up answers while it is read, "
        "and gets new replicas"
    )
    small = decide(seen(PROVEN, report(), version="4", graph_bytes=IN_PLACE_GRAPH_BYTES)).rollout
    assert small is not None and not small.surge


def test_surge_ends_when_only_new_replicas_answer() -> None:
    new = report("4", generation=2, trial=2)
    for status in ("DEPLOYING", "RUNNING"):
        half = decide(seen(SURGING, report(), new, version="4", status=status))
        assert half.rollout == replace(SURGING, ready=1)
    done = decide(seen(SURGING, new, version="4"))
    assert done.rollout == replace(PROVEN, serving="4", generation=2, trial=2)
    assert done.phase == Phase.HEALTHY


def test_candidate_that_a_new_replica_could_not_load_is_refused_at_once() -> None:
    failed = of_candidate(FAILED, "it takes pictures")
    decision = decide(seen(SURGING, report(), version="4", status="DEPLOYING", told=(report(), failed)))
    assert decision.rollout == replace(PROVEN, trial=2, refused="4", refused_because="it takes pictures")
    # What was said of another trial is not about this one.
    earlier = replace(failed, trial=1)
    assert decide(seen(SURGING, report(), version="4", told=(earlier,))).rollout == SURGING


def test_surge_that_fails_goes_back_to_the_replicas_there_were() -> None:
    decision = decide(seen(SURGING, report(), version="4", status="DEPLOY_FAILED", message="no"))
    assert decision.reason == "version 4 could not be tried, and is after 60 s: no"
    assert decision.rollout is not None
    assert (decision.rollout.target, decision.rollout.target_generation) == ("3", 1)


# -- orders that are lost, and the end -----------------------------------------------------------------


@pytest.mark.parametrize("rollout", [PROVEN, LOADING, SURGING])
def test_lost_order_changes_nothing_and_is_told(rollout: Rollout) -> None:
    says = report(trial=rollout.trial, candidate=rollout.beside)
    decision = decide(seen(rollout, says, version=None, trouble="model digits has no alias champion"))
    assert decision.rollout is not None
    assert replace(decision.rollout, loading_since_s=None) == rollout
    assert decision.reason.startswith("order lost: model digits has no alias champion")


def test_undeploy_takes_it_out_of_the_config_and_waits_for_its_end() -> None:
    decision = decide(seen(LOADING, report(), undeploy=True, version=None))
    assert (decision.rollout, decision.phase) == (None, Phase.UNDEPLOYING)
    assert decide(seen(LOADING, undeploy=True, version=None, status=None)).phase == Phase.UNDEPLOYED


def test_service_whose_replicas_die_is_unhealthy_and_well_again() -> None:
    dying = seen(PROVEN, None, status="UNHEALTHY", message="a replica died")
    assert (decide(dying).phase, decide(dying).reason) == (Phase.UNHEALTHY, "a replica died")
    assert decide(seen(PROVEN, report())).phase == Phase.HEALTHY


# -- what is healthy -----------------------------------------------------------------------------------


def test_replicas_that_start_are_counted_apart_from_those_that_answer() -> None:
    scales = decide(seen(PROVEN, report(), report(), None, least=2, target=4))
    assert scales.phase == Phase.HEALTHY
    assert scales.reason == "2 of 4 replicas answer, and the others start"
    too_few = decide(seen(PROVEN, report(), None, least=2, target=2))
    assert (too_few.phase, too_few.reason) == (Phase.DEPLOYING, "1 of 2 replicas answer")
    assert decide(seen(PROVEN, least=0)).phase == Phase.HEALTHY


def test_replicas_that_have_another_version_or_generation_are_not_healthy() -> None:
    recorded = replace(PROVEN, serving="4", generation=2, trial=2)
    for other in (report("3", generation=2), report("4", generation=1)):
        decision = decide(seen(recorded, report("4", generation=2), other, version="4"))
        assert (decision.phase, decision.answers) == (Phase.SWAPPING, False)
        assert decision.reason == "1 of 2 replicas have version 4, and the others take it"


def test_version_answers_once_every_replica_says_so() -> None:
    swapped = decide(seen(LOADING, of_candidate(READY), version="4"))
    assert swapped.rollout is not None and swapped.rollout.serving == "4"
    assert (swapped.phase, swapped.answers) == (Phase.SWAPPING, False)
    seen_to = decide(seen(swapped.rollout, report("4", trial=2), version="4"))
    assert (seen_to.phase, seen_to.answers) == (Phase.HEALTHY, True)


def test_config_that_serve_refuses_is_told_and_what_it_has_goes_on() -> None:
    answers = decide(seen(PROVEN, report(), refused="Ray refused PUT (400): no such option"))
    assert (answers.rollout, answers.phase) == (PROVEN, Phase.DEPLOYING)
    assert answers.reason == "its config is not in force: Ray refused PUT (400): no such option"
    nothing = decide(seen(FIRST, status=None, refused="Ray refused PUT (400): no such option"))
    assert (nothing.rollout, nothing.phase) == (FIRST, Phase.UNHEALTHY)


def test_replicas_that_serve_has_given_up_are_tried_anew_as_another_generation() -> None:
    failed = seen(FIRST, status="DEPLOY_FAILED", message="no storage")
    assert decide(failed).rollout == FIRST
    again = decide(replace(failed, again=True))
    assert (again.rollout, again.phase) == (replace(FIRST, generation=2, trial=2), Phase.DEPLOYING)
    # A candidate that failed makes room for those there were, as ever.
    surging = decide(seen(SURGING, status="DEPLOY_FAILED", message="no", version="4", again=True)).rollout
    assert surging is not None
    assert (surging.target, surging.generation, surging.trial, surging.put_off) == ("3", 1, 2, True)


@given(
    st.lists(st.sampled_from(["3", "4", "5", None]), max_size=12),
    st.lists(st.sampled_from([READY, FAILED, NEW_REPLICAS]), min_size=12, max_size=12),
)
def test_rollout_never_serves_what_no_replica_proved_and_survives_storage(
    orders: list[str | None], answers: list[str]
) -> None:
    rollout, proven = PROVEN, {"3"}
    for order, answer in zip(orders, answers, strict=False):
        one = report(
            rollout.target,
            generation=rollout.target_generation,
            trial=rollout.trial,
            candidate=rollout.beside,
            state=answer if rollout.beside else None,
            reason=WHY,
        )
        if rollout.surge or answer == READY:
            proven.add(rollout.candidate or rollout.serving)
        decided = decide(seen(rollout, read_report(write_report(one)), version=order, trouble="lost"))
        assert decided.rollout is not None
        assert decided.rollout.serving in proven
        assert decided.rollout.candidate != decided.rollout.serving
        rollout = read_rollout(write_rollout(decided.rollout))


@pytest.mark.parametrize(
    ("rollout", "phase", "status", "awaited"),
    [
        (FIRST, Phase.DEPLOYING, "DEPLOYING", True),
        (PROVEN, Phase.DEPLOYING, "RUNNING", True),
        (PROVEN, Phase.HEALTHY, "RUNNING", False),
        (LOADING, Phase.SWAPPING, "RUNNING", True),
        (SURGING, Phase.SWAPPING, "DEPLOYING", False),
        # The candidate has proven itself, and its other replicas take the places of the old ones.
        (PROVEN, Phase.DEPLOYING, "DEPLOYING", False),
        (None, Phase.UNDEPLOYING, "DELETING", True),
        (None, Phase.UNDEPLOYED, None, False),
    ],
)
def test_next_turn_is_awaited_while_it_may_bring_something_but_for_new_replicas(
    rollout: Rollout | None, phase: Phase, status: str | None, awaited: bool
) -> None:
    assert swap.is_awaited(Decision(rollout=rollout, phase=phase, reason=""), status) is awaited
