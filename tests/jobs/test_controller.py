"""The job loop's decisions, moment by moment."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from journeyman.cluster.capacity import Capacity, Node
from journeyman.cluster.ray_rest import RayJob
from journeyman.jobs.controller import Action, Job, Mark, Snapshot, Start, Stop, Upload, decide
from journeyman.jobs.failures import MAX_ATTEMPTS, Cause, Outcome
from journeyman.jobs.phases import ENDED, FOLLOWING, RUN_STATUS, Phase
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run

NOW = 1000.0
SPEC = TrainSpec(name="digits", entrypoint="train:loop", workers=2, max_duration="60s")  # type: ignore[arg-type]


def job(phase: Phase, run_id: str = "a" * 32, **tags: str) -> Job:
    own = {records.PHASE: phase.value, records.REASON: "before", records.CODE_SHA256: "c0de"}
    names = {key: getattr(records, key) for key in tags}
    run = Run(
        run_id=run_id,
        experiment_id="1",
        run_name="digits",
        status=RUN_STATUS[phase],
        artifact_uri="mlflow-artifacts:/1/a/artifacts",
        start_ms=0,
        end_ms=None,
        tags=own | {names[key]: value for key, value in tags.items()},
        params={},
        metrics={},
        steps={},
    )
    return Job(run=run, spec=SPEC)


def with_outcome(job_: Job, outcome: Outcome) -> Job:
    tags = dict(job_.run.tags) | {f"{records.OUTCOME}.{job_.run.attempt}": outcome.to_json()}
    fields = {name: getattr(job_.run, name) for name in Run.__slots__}
    return Job(run=Run(**fields | {"tags": tags}), spec=job_.spec)


def ray_job(status: str, message: str = "") -> RayJob:
    return RayJob(submission_id=f"{'a' * 32}-1", status=status, message=message, exit_code=None)


def act(
    jobs: list[Job],
    ray_jobs: Mapping[str, RayJob] | None = None,
    free: float = 8,
    code: bool = True,
    total: float = 8,
) -> list[Action]:
    snapshot = Snapshot(
        jobs=jobs,
        ray_jobs=ray_jobs or {},
        capacity=Capacity(nodes=(Node(total={"CPU": total}, free={"CPU": free}),)),
        code_there=frozenset({"c0de"} if code else ()),
    )
    return decide(snapshot, NOW)


def following(job_: Job, ray: RayJob | None) -> Action:
    [action] = act([job_], {ray.submission_id: ray} if ray else {})
    return action


def test_queued_job_brings_its_code_then_starts_its_first_attempt() -> None:
    assert isinstance(act([job(Phase.QUEUED)], code=False)[0], Upload)
    [start] = act([job(Phase.QUEUED)])
    assert isinstance(start, Start)
    assert (start.attempt, start.reason) == (1, "starts: 2 × 1 CPU are free")


def test_queued_job_without_room_waits_with_its_reason() -> None:
    [mark] = act([job(Phase.QUEUED)], free=1)
    assert isinstance(mark, Mark)
    assert (mark.phase, mark.reason) == (Phase.QUEUED, "waits: needs 2 × 1 CPU, free are 1 CPU of 8 CPUs")


def test_job_whose_node_is_gone_waits_for_it_and_holds_nobody_up() -> None:
    """It fitted when it was submitted, and had an attempt that the death of the node ended."""
    resuming = job(Phase.QUEUED, ATTEMPT="1")
    spec = SPEC.model_copy(update={"workers": SPEC.workers.model_copy(update={"least": 1, "most": 1})})
    small = Job(run=job(Phase.QUEUED, run_id="b" * 32).run, spec=spec)
    wait, start = act([resuming, small], free=1, total=1)
    assert isinstance(wait, Mark)
    assert wait.phase is Phase.QUEUED
    assert wait.reason == "waits for nodes: needs 2 × 1 CPU, and the cluster has 1 CPU (largest node: 1 CPU)"
    assert isinstance(start, Start)
    assert start.job is small


def test_starting_job_whose_node_turns_out_to_be_gone_says_what_it_waits_for() -> None:
    """Ray told of a dead node as of a living one when the attempt began."""
    submitted = {f"{'a' * 32}-2": ray_job("RUNNING")}
    [wait] = act([job(Phase.STARTING, ATTEMPT="2")], submitted, free=1, total=1)
    assert isinstance(wait, Mark)
    assert (wait.phase, wait.reason[:37]) == (Phase.STARTING, "waits for nodes: needs 2 × 1 CPU, and")
    assert act([job(Phase.STARTING, ATTEMPT="2")], submitted) == []


def test_starting_job_keeps_its_place_until_its_workers_have_it() -> None:
    starting = job(Phase.STARTING, ATTEMPT="1")
    waiting = job(Phase.QUEUED, run_id="b" * 32)
    [mark] = act([starting, waiting], {f"{'a' * 32}-1": ray_job("RUNNING")}, free=3)
    assert isinstance(mark, Mark)
    assert mark.job is waiting
    assert "waits" in mark.reason


def test_claimed_attempt_that_never_reached_ray_is_submitted_again_and_not_counted_twice() -> None:
    action = following(job(Phase.STARTING, ATTEMPT="1"), None)
    assert isinstance(action, Start)
    assert action.attempt == 1


def test_job_whose_workers_started_runs() -> None:
    started = job(Phase.STARTING, ATTEMPT="1", WORKERS_STARTED_MS="990000")
    action = following(started, ray_job("RUNNING"))
    assert isinstance(action, Mark)
    assert (action.phase, action.reason) == (Phase.RUNNING, "runs on 2 workers")


def test_job_over_its_max_duration_is_stopped_and_ends_failed() -> None:
    running = job(Phase.RUNNING, ATTEMPT="1", WORKERS_STARTED_MS="900000")
    action = following(running, ray_job("RUNNING"))
    assert isinstance(action, Stop)
    assert action.reason == "stops: it ran for its max_duration of 60 s"
    stopped = job(Phase.CANCELLING, ATTEMPT="1", REASON=action.reason)
    end = following(stopped, ray_job("STOPPED"))
    assert isinstance(end, Mark)
    assert (end.phase, end.reason) == (Phase.FAILED, action.reason)


@pytest.mark.parametrize(
    ("phase", "ray", "expected"),
    [
        (Phase.QUEUED, None, Phase.CANCELLED),
        (Phase.STARTING, None, Phase.CANCELLED),
        (Phase.CANCELLING, ray_job("STOPPED"), Phase.CANCELLED),
        (Phase.RUNNING, ray_job("FAILED"), Phase.CANCELLED),
    ],
)
def test_cancelled_job_ends_cancelled_wherever_it_was(
    phase: Phase, ray: RayJob | None, expected: Phase
) -> None:
    action = following(job(phase, ATTEMPT="1", CANCEL_MS="999000"), ray)
    assert isinstance(action, Mark)
    assert action.phase is expected


def test_cancel_of_a_running_job_stops_it_once() -> None:
    running = job(Phase.RUNNING, ATTEMPT="1", CANCEL_MS="999000")
    assert isinstance(following(running, ray_job("RUNNING")), Stop)
    cancelling = job(Phase.CANCELLING, ATTEMPT="1", CANCEL_MS="999000")
    assert act([cancelling], {f"{'a' * 32}-1": ray_job("RUNNING")}) == []


def test_job_that_finished_before_the_cancel_reached_it_is_finished() -> None:
    finished = with_outcome(
        job(Phase.CANCELLING, ATTEMPT="1", CANCEL_MS="999000"), Outcome(cause=Cause.FINISHED, message="done")
    )
    action = following(finished, ray_job("SUCCEEDED"))
    assert isinstance(action, Mark)
    assert action.phase is Phase.FINISHED


def test_driver_that_died_without_a_word_is_followed_by_another_attempt() -> None:
    action = following(job(Phase.RUNNING, ATTEMPT="1"), ray_job("FAILED", "head node gone"))
    assert isinstance(action, Mark)
    assert action.phase is Phase.QUEUED
    assert (
        "resumes from its last checkpoint (attempt 1 died: the driver died: head node gone)" in action.reason
    )
    resumed = act([job(Phase.QUEUED, ATTEMPT="1")])[0]
    assert isinstance(resumed, Start)
    assert resumed.attempt == 2


def test_ray_that_forgot_a_running_job_is_a_dead_cluster() -> None:
    action = following(job(Phase.RUNNING, ATTEMPT="1"), None)
    assert isinstance(action, Mark)
    assert action.phase is Phase.QUEUED


def test_attempts_are_bounded() -> None:
    action = following(job(Phase.RUNNING, ATTEMPT=str(MAX_ATTEMPTS)), None)
    assert isinstance(action, Mark)
    assert action.phase is Phase.FAILED


def test_users_own_exception_is_final_and_names_its_rank() -> None:
    outcome = Outcome(cause=Cause.USER, message="ValueError: bad lr", rank=1)
    action = following(with_outcome(job(Phase.RUNNING, ATTEMPT="1"), outcome), ray_job("FAILED"))
    assert isinstance(action, Mark)
    assert (action.phase, action.reason) == (Phase.FAILED, "rank 1: ValueError: bad lr")


def test_finished_job_names_the_version_it_published() -> None:
    done = with_outcome(
        job(Phase.RUNNING, ATTEMPT="1", MODEL_VERSION="digits/3"), Outcome(cause=Cause.FINISHED, message="")
    )
    action = following(done, ray_job("SUCCEEDED"))
    assert isinstance(action, Mark)
    assert (action.phase, action.reason) == (Phase.FINISHED, "published digits/3")


def test_phase_that_ended_is_recorded_again_when_its_run_still_says_otherwise() -> None:
    [action] = act([job(Phase.FAILED)])
    assert isinstance(action, Mark)
    assert (action.phase, action.reason) == (Phase.FAILED, "before")


def test_every_phase_has_its_followers_and_its_run_status() -> None:
    assert set(FOLLOWING) == set(RUN_STATUS) == set(Phase)
    assert all(not FOLLOWING[phase] for phase in ENDED)
    assert json.loads(json.dumps([phase for phase in Phase])) == [phase.value for phase in Phase]
