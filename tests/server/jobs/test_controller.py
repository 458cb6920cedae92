"""The job loop's decisions, moment by moment."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from journeyman.cluster.capacity import Capacity, Node
from journeyman.cluster.ray_state import RayJob
from journeyman.cluster.settings import Settings
from journeyman.jobs.admission import GROWTH_LIMIT_S
from journeyman.jobs.attempt import ADMITTED, moment
from journeyman.jobs.control.actions import (
    Action,
    AskToEnd,
    CancelUnread,
    Mark,
    Start,
    Stop,
    Suspect,
    Upload,
)
from journeyman.jobs.control.attempts import MAX_FAILURES
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.control.decision import Snapshot, decide
from journeyman.jobs.control.follow import Progress
from journeyman.jobs.control.hang import Pace, Watch
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.phases import ENDED, FOLLOWING, RUN_STATUS, Phase
from journeyman.jobs.place import Place, place_path
from journeyman.jobs.records import JobRecord, Refusal, read_job
from journeyman.jobs.spec import TrainSpec
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records
from journeyman.tracking.records import Run

NOW = 1000.0
SPEC = TrainSpec(name="digits", entrypoint="train:loop", workers=2, max_duration="60s")  # type: ignore[arg-type]


def job(phase: Phase, run_id: str = "a" * 32, **tags: str) -> JobRecord:
    own = {
        records.SPEC: SPEC.model_dump_json(),
        records.PHASE: phase.value,
        records.REASON: "before",
        records.CODE_SHA256: "c0de",
    }
    names = {key: getattr(records, key) for key in tags}
    begun = phase is Phase.STARTING and "ATTEMPT" in tags and "WORKERS_STARTED_MS" not in tags
    run = Run(
        run_id=run_id,
        experiment_id="1",
        run_name="digits",
        status=RUN_STATUS[phase],
        artifact_uri="mlflow-artifacts:/1/a/artifacts",
        start_ms=0,
        end_ms=None,
        tags=own | {names[key]: value for key, value in tags.items()},
        params={moment(int(tags["ATTEMPT"]), ADMITTED): "990000 2"} if begun else {},
        metrics={},
        steps={},
    )
    return read_job(run)


def with_outcome(job_: JobRecord, outcome: Outcome) -> JobRecord:
    tags = {**job_.run.tags, f"{records.OUTCOME}.{job_.attempt}": outcome.to_json()}
    return read_job(replace(job_.run, tags=tags))


def ray_job(status: str, message: str = "") -> RayJob:
    return RayJob(submission_id=f"{'a' * 32}-1", status=status, message=message, exit_code=None)


def act(
    jobs: list[JobRecord],
    ray_jobs: Mapping[str, RayJob] | None = None,
    free: float = 8,
    code: bool = True,
    total: float = 8,
    progress: Progress | None = None,
) -> list[Action]:
    snapshot = Snapshot(
        jobs=jobs,
        ray_jobs=ray_jobs or {},
        capacity=Capacity(nodes=(Node(total={"CPU": total}, free={"CPU": free}),)),
        code_there=frozenset({"c0de"} if code else ()),
        progress={} if progress is None else {job_.run.run_id: progress for job_ in jobs},
    )
    return decide(snapshot, NOW)


def following(job_: JobRecord, ray: RayJob | None) -> Action:
    [action] = act([job_], {ray.submission_id: ray} if ray else {})
    return action


def test_queued_job_brings_its_code_then_starts_its_first_attempt() -> None:
    assert isinstance(act([job(Phase.QUEUED)], code=False)[0], Upload)
    [start] = act([job(Phase.QUEUED)])
    assert isinstance(start, Start)
    assert (start.job.due_attempt, start.reason) == (1, "starts: 2 × 1 CPU are free")


def test_queued_job_without_room_waits_with_its_reason() -> None:
    [mark] = act([job(Phase.QUEUED)], free=1)
    assert isinstance(mark, Mark)
    assert (mark.phase, mark.reason) == (Phase.QUEUED, "waits: needs 2 × 1 CPU, free are 1 CPU of 8 CPUs")


def test_job_whose_node_is_gone_waits_for_it_and_holds_nobody_up() -> None:
    """It fitted when it was submitted, and had an attempt that the death of the node ended."""
    resuming = job(Phase.QUEUED, ATTEMPT="1")
    spec = SPEC.model_copy(update={"workers": SPEC.workers.model_copy(update={"least": 1, "most": 1})})
    small = job(Phase.QUEUED, run_id="b" * 32, SPEC=spec.model_dump_json())
    wait, start = act([resuming, small], free=1, total=1)
    assert isinstance(wait, Mark)
    assert wait.phase is Phase.QUEUED
    assert wait.reason == "waits for nodes: needs 2 × 1 CPU, and the cluster has 1 CPU (largest node: 1 CPU)"
    assert isinstance(start, Start)
    assert start.job is small


BEYOND = "needs 2 × 1 CPU, and the cluster has 1 CPU (largest node: 1 CPU)"


def grows(*jobs: JobRecord, cpus: float = 1, ray_jobs: Mapping[str, RayJob] | None = None) -> list[Action]:
    """On a cluster with an autoscaler of which nobody said what it may add."""
    capacity = Capacity(nodes=(Node(total={"CPU": cpus}, free={"CPU": cpus}),), growth_unknown=True)
    snapshot = Snapshot(
        jobs=jobs,
        ray_jobs=ray_jobs or {},
        capacity=capacity,
        code_there=frozenset({"c0de"}),
        progress={},
    )
    return decide(snapshot, NOW)


def test_one_job_at_a_time_starts_for_the_cluster_to_grow_and_holds_nobody_up() -> None:
    first, second = job(Phase.QUEUED), job(Phase.QUEUED, run_id="b" * 32)
    spec = SPEC.model_copy(update={"workers": SPEC.workers.model_copy(update={"least": 1, "most": 1})})
    small = job(Phase.QUEUED, run_id="c" * 32, SPEC=spec.model_dump_json())
    start, wait, other = grows(first, second, small)
    assert isinstance(start, Start)
    assert (start.job, start.demand, start.reason) == (
        first,
        True,
        f"starts for the cluster to grow: {BEYOND}",
    )
    assert isinstance(wait, Mark)
    assert (wait.phase, wait.job) == (Phase.QUEUED, second)
    assert isinstance(other, Start)
    assert (other.job, other.demand) == (small, False)
    # While the first waits for its nodes it takes nothing, and no other is demand.
    starting = job(Phase.STARTING, ATTEMPT="1", DEMAND_MS=demand_ms(60))
    living = {f"{'a' * 32}-1": ray_job("RUNNING")}
    follow, wait, other = grows(starting, second, small, ray_jobs=living)
    assert isinstance(follow, Mark)
    assert (follow.phase, follow.reason) == (Phase.STARTING, f"waits for nodes: {BEYOND}")
    assert isinstance(wait, Mark)
    assert wait.reason.endswith("whether it grows is tried for job digits (aaaaaaaa) first")
    assert isinstance(other, Start)


def test_demand_is_given_up_after_its_time_and_never_once_its_nodes_are_there() -> None:
    living = {f"{'a' * 32}-1": ray_job("RUNNING")}
    late = job(Phase.STARTING, ATTEMPT="1", DEMAND_MS=demand_ms(GROWTH_LIMIT_S + 1))
    [stop] = grows(late, ray_jobs=living)
    assert isinstance(stop, Stop)
    assert stop.reason == f"no nodes came for it within 15 min: {BEYOND}"
    assert grows(late, cpus=2, ray_jobs=living) == []
    # A job that lost its node amid its start waits for it, as before.
    [wait] = grows(job(Phase.STARTING, ATTEMPT="1"), ray_jobs=living)
    assert isinstance(wait, Mark)


def demand_ms(ago_s: float) -> str:
    return str(int((NOW - ago_s) * 1000))


def test_starting_job_whose_node_turns_out_to_be_gone_says_what_it_waits_for() -> None:
    """Ray told of a dead node as of a living one when the attempt began."""
    submitted = {f"{'a' * 32}-2": ray_job("RUNNING")}
    [wait] = act([job(Phase.STARTING, ATTEMPT="2")], submitted, free=1, total=1)
    assert isinstance(wait, Mark)
    assert (wait.phase, wait.reason[:37]) == (Phase.STARTING, "waits for nodes: needs 2 × 1 CPU, and")
    assert act([job(Phase.STARTING, ATTEMPT="2")], submitted) == []


@pytest.mark.parametrize("begun", [False, True])
def test_of_two_runs_of_one_submission_one_is_taken_up(begun: bool) -> None:
    """The elder, unless the other has begun: jobs are told oldest first."""
    elder = job(Phase.QUEUED, SUBMISSION_KEY="once")
    other = job(Phase.QUEUED, run_id="b" * 32, SUBMISSION_KEY="once", ATTEMPT="1" if begun else "0")
    back, taken = (elder, other) if begun else (other, elder)
    actions = act([elder, other])
    [start] = [action for action in actions if isinstance(action, Start)]
    [mark] = [action for action in actions if isinstance(action, Mark)]
    assert start.job is taken
    assert (mark.job, mark.phase) == (back, Phase.CANCELLED)
    assert mark.reason == f"was submitted twice: it is job {taken.run.run_id[:8]}"


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
    assert action.job.due_attempt == 1


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
        (Phase.HUNG, ray_job("FAILED"), Phase.CANCELLED),
    ],
)
def test_cancelled_job_ends_cancelled_wherever_it_was(
    phase: Phase, ray: RayJob | None, expected: Phase
) -> None:
    action = following(job(phase, ATTEMPT="1", CANCEL_MS="999000"), ray)
    assert isinstance(action, Mark)
    assert action.phase is expected


def script(phase: Phase, **tags: str) -> JobRecord:
    written = job(phase, ATTEMPT="1", WORKERS_STARTED_MS="990000", **tags)
    spec = written.spec.model_copy(update={"entrypoint": None, "run": "train.py", "grace": 30.0})
    return replace(written, spec=spec)


def test_script_that_is_cancelled_is_told_to_end_and_ray_ends_it_after_its_grace() -> None:
    told = following(script(Phase.RUNNING, CANCEL_MS="999000"), ray_job("RUNNING"))
    assert isinstance(told, AskToEnd)
    assert told.reason == "cancelling at the user's request"
    for since_ms, ended in ((10_000, False), (44_000, False), (46_000, True)):
        # It is 1,000 s after the epoch.
        stop_ms = str(1_000_000 - since_ms)
        cancelling = script(Phase.CANCELLING, CANCEL_MS="999000", STOP_MS=stop_ms, REASON=told.reason)
        actions = act([cancelling], {cancelling.submission_id: ray_job("RUNNING")})
        assert [type(action) for action in actions] == ([Stop] if ended else [])
    # One that was told in a way of before, or by a clock that was set back.
    for tags in ({}, {"STOP_MS": "2000000"}):
        cancelling = script(Phase.CANCELLING, CANCEL_MS="999000", **tags)
        assert isinstance(following(cancelling, ray_job("RUNNING")), Stop)


def test_script_that_has_not_begun_has_nothing_to_save() -> None:
    starting = replace(script(Phase.STARTING, CANCEL_MS="999000"), workers_started_ms=None)
    assert isinstance(following(starting, ray_job("RUNNING")), Stop)


@pytest.mark.parametrize(
    ("tags", "phase", "reason"),
    [
        ({"CANCEL_MS": "999000"}, Phase.CANCELLED, "cancelled while it ran: t.py exited with 0"),
        ({"REASON": "stops: it ran for its 60 s"}, Phase.FAILED, "stops: it ran for its 60 s"),
    ],
)  # fmt: skip
def test_script_that_ends_well_when_it_is_told_to_ends_as_what_it_was_told_for(
    tags: dict[str, str], phase: Phase, reason: str
) -> None:
    outcome = Outcome(cause=Cause.STOPPED, message="t.py exited with 0")
    stopped = replace(script(Phase.CANCELLING, STOP_MS="999000", **tags), outcome=outcome)
    action = following(stopped, ray_job("FAILED"))
    assert isinstance(action, Mark)
    assert (action.phase, action.reason) == (phase, reason)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.HUNG])
def test_running_job_is_told_to_stop_until_it_has_ended(phase: Phase) -> None:
    running = job(phase, ATTEMPT="1", CANCEL_MS="999000")
    assert isinstance(following(running, ray_job("RUNNING")), Stop)
    cancelling = job(Phase.CANCELLING, ATTEMPT="1", CANCEL_MS="999000")
    assert isinstance(following(cancelling, ray_job("RUNNING")), Stop)
    over_its_limit = job(Phase.CANCELLING, ATTEMPT="1")
    assert isinstance(following(over_its_limit, ray_job("RUNNING")), Stop)
    for gone in (ray_job("STOPPED"), None):
        ends = following(cancelling, gone)
        assert isinstance(ends, Mark)
        assert ends.phase is Phase.CANCELLED


def refused(phase: Phase, tries: int, attempt: int = 1, **tags: str) -> JobRecord:
    """Whose last try was at the moment 1000 s, which is now."""
    told = Refusal(attempt=attempt, tries=tries, last_ms=1_000_000, message="no agent is there")
    return job(phase, REFUSAL=told.to_json(), **tags)


@pytest.mark.parametrize(("phase", "attempt"), [(Phase.QUEUED, "0"), (Phase.STARTING, "1")])
def test_refused_start_is_tried_after_growing_pauses_and_then_fails(phase: Phase, attempt: str) -> None:
    for tries, pause_s in ((1, 5), (2, 20), (3, 80), (4, 320)):
        waiting = refused(phase, tries, ATTEMPT=attempt)
        for elapsed_s, kind in ((pause_s - 1, Mark), (pause_s, Start)):
            snapshot = Snapshot(
                jobs=[waiting],
                ray_jobs={},
                capacity=Capacity(nodes=(Node(total={"CPU": 8}, free={"CPU": 8}),)),
                code_there=frozenset({"c0de"}),
                progress={},
            )
            [action] = decide(snapshot, NOW + elapsed_s)
            assert isinstance(action, kind)
            if isinstance(action, Mark):
                assert action.phase is phase
                assert action.reason == (
                    f"could not be started, is tried again after {pause_s} s: no agent is there"
                )
    [end] = act([refused(phase, 5, ATTEMPT=attempt)])
    assert isinstance(end, Mark)
    assert (end.phase, end.reason) == (
        Phase.FAILED,
        "could not be started in 5 tries: no agent is there",
    )


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.STARTING])
def test_job_that_is_refused_takes_no_place_and_holds_nobody_up(phase: Phase) -> None:
    other = job(Phase.QUEUED, run_id="b" * 32)
    blocked = refused(phase, 1, ATTEMPT="0" if phase is Phase.QUEUED else "1")
    mark, start = act([blocked, other], free=2, total=2)
    assert isinstance(mark, Mark)
    assert isinstance(start, Start)
    assert start.job is other


def test_refusal_of_an_attempt_that_has_begun_is_forgotten() -> None:
    """Ray had taken it after all, or took it later: the next attempt starts without a pause."""
    starting = refused(Phase.STARTING, 4, ATTEMPT="1")
    assert act([starting], {starting.submission_id: ray_job("RUNNING")}) == []
    [start] = act([refused(Phase.QUEUED, 4, ATTEMPT="1")])
    assert isinstance(start, Start)


def test_job_whose_record_cannot_be_read_is_stopped_and_ended_once_it_is_cancelled() -> None:
    run = job(Phase.RUNNING, ATTEMPT="2").run
    unread = [replace(run, tags={**run.tags, records.SPEC: "{"})]
    others = {f"{'b' * 32}-1": ray_job("RUNNING"), f"{run.run_id}-1": ray_job("FAILED")}

    def decided(runs: list[Run], **ray_jobs: RayJob) -> list[Action]:
        told = {f"{run.run_id}-{key[-1]}": each for key, each in ray_jobs.items()}
        return decide(
            Snapshot(
                jobs=[],
                unread=runs,
                ray_jobs=others | told,
                capacity=Capacity(nodes=()),
                code_there=frozenset(),
                progress={},
            ),
            NOW,
        )

    assert decided(unread, attempt_2=ray_job("RUNNING")) == []
    # Whatever the request says: that there is one is enough.
    asked = [replace(run, tags={**run.tags, records.SPEC: "{", records.CANCEL_MS: "now"})]
    [stops] = decided(asked, attempt_2=ray_job("RUNNING"), attempt_3=ray_job("PENDING"))
    assert isinstance(stops, CancelUnread)
    assert stops.living == [f"{run.run_id}-2", f"{run.run_id}-3"]
    [ends] = decided(asked, attempt_2=ray_job("STOPPED"))
    assert isinstance(ends, CancelUnread)
    assert ends.living == []


@pytest.mark.parametrize(
    ("ray", "phase", "reason"),
    [
        (ray_job("SUCCEEDED"), Phase.FINISHED, "training is done"),
        (ray_job("FAILED", "exit code 1"), Phase.FAILED, "of its driver Ray says: exit code 1"),
        (None, Phase.FAILED, "of its driver Ray says: the cluster it ran on is gone"),
    ],
)
def test_outcome_that_cannot_be_read_ends_the_job_by_what_ray_says(
    ray: RayJob | None, phase: Phase, reason: str
) -> None:
    """One that was cut: a driver that wrote it had not died, and so nothing is tried again."""
    run = job(Phase.RUNNING, ATTEMPT="1").run
    cut = read_job(replace(run, tags={**run.tags, f"{records.OUTCOME}.1": '{"cause": "user", "mess'}))
    end = following(cut, ray)
    assert isinstance(end, Mark)
    assert end.phase is phase
    assert end.reason.endswith(reason)
    assert phase is Phase.FINISHED or "journeyman.outcome.1 cannot be read" in end.reason


def test_attempt_that_failed_without_a_word_has_a_reason_all_the_same() -> None:
    outcome = Outcome(cause=Cause.USER, message=" \n")
    end = following(with_outcome(job(Phase.RUNNING, ATTEMPT="1"), outcome), ray_job("FAILED"))
    assert isinstance(end, Mark)
    assert (end.phase, end.reason) == (Phase.FAILED, "nothing tells why")


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
    assert resumed.job.due_attempt == 2


def test_ray_that_forgot_a_running_job_is_a_dead_cluster() -> None:
    action = following(job(Phase.RUNNING, ATTEMPT="1"), None)
    assert isinstance(action, Mark)
    assert action.phase is Phase.QUEUED


def test_attempts_are_bounded() -> None:
    action = following(job(Phase.RUNNING, ATTEMPT=str(MAX_FAILURES)), None)
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


QUICK = Pace(usual_s=0.4, longest_s=1)


def silent(silent_s: float, pace: Pace | None = QUICK, stepped: bool = True) -> Progress:
    watch = Watch(attempt=1, steps={"loss": 7}, looked_s=NOW, silent_s=silent_s, stepped=stepped)
    return Progress(watch=watch, pace=pace)


def living(phase: Phase, progress: Progress, **tags: str) -> list[Action]:
    running = job(phase, ATTEMPT="1", **tags)
    return act([running], {running.submission_id: ray_job("RUNNING")}, progress=progress)


def test_silent_job_is_suspected_with_its_reason_and_a_hung_one_waits_for_a_step() -> None:
    assert living(Phase.RUNNING, silent(59)) == []
    [suspect] = living(Phase.RUNNING, silent(200))
    assert isinstance(suspect, Suspect)
    assert suspect.reason == "no step for 3 min 20 s, where one takes 0.4 s"
    assert living(Phase.RUNNING, silent(200, pace=None)) == []
    assert living(Phase.HUNG, silent(200)) == []
    # A control that has just begun to watch has seen no silence, and no step either.
    assert living(Phase.HUNG, silent(0, pace=None, stepped=False)) == []
    [mark] = living(Phase.HUNG, silent(1, pace=None))
    assert isinstance(mark, Mark)
    assert (mark.phase, mark.reason) == (Phase.RUNNING, "runs on 2 workers, and steps again")


def test_job_that_publishes_does_not_hang() -> None:
    running = job(Phase.RUNNING, ATTEMPT="2")
    for params, count in (({"attempt.2.publication": "rank 0"}, 0), ({"attempt.1.publication": "rank 0"}, 1)):
        publishing = read_job(replace(running.run, params=params))
        ray_jobs = {publishing.submission_id: ray_job("RUNNING")}
        assert len(act([publishing], ray_jobs, progress=silent(500))) == count


def test_hung_job_ends_as_a_running_one_does() -> None:
    for outcome, expected in (
        (Outcome(cause=Cause.FINISHED, message=""), Phase.FINISHED),
        (Outcome(cause=Cause.USER, message="ValueError"), Phase.FAILED),
        (Outcome(cause=Cause.MACHINE, message="its process did not answer", rank=1), Phase.QUEUED),
    ):
        action = following(with_outcome(job(Phase.HUNG, ATTEMPT="1"), outcome), ray_job("FAILED"))
        assert isinstance(action, Mark)
        assert action.phase is expected
    over = living(Phase.HUNG, silent(200), WORKERS_STARTED_MS="900000")
    assert isinstance(over[0], Stop)


def test_job_hangs_with_its_stacks_stored_runs_again_when_it_steps_and_may_hang_again(
    tmp_path: Path,
) -> None:
    """Turns of four seconds on a clock of the test's own; the worker's clock is an hour behind it."""
    settings = Settings(
        home=tmp_path,
        context="local",
        attached=False,
        cluster=tmp_path.name,
        mlflow_url="",
        ray_url="",
        ray_token=None,
        serve_url="",
        grpc_address=None,
        storage=str(tmp_path / "runs"),
    )
    clock_s = 1_000_000.0
    mlflow, ray = FakeMlflow(lambda: clock_s), FakeRay()
    node = ray.add_node({"CPU": 4.0})
    worker_s = clock_s - 3600
    tags = {
        records.KIND: records.JOB,
        records.CLUSTER: settings.cluster,
        records.NAME: "digits",
        records.SPEC: TrainSpec(name="digits", entrypoint="train:loop").model_dump_json(),
        records.PHASE: Phase.RUNNING.value,
        records.REASON: "runs on 1 worker",
        records.SUBMITTED_MS: "1",
        records.CODE_SHA256: "c0de",
        records.ATTEMPT: "1",
        records.WORKERS_STARTED_MS: str(int(worker_s * 1000)),
    }
    run = mlflow.create_run(mlflow.experiment_id("default"), "digits", tags)
    for rank in (0, 1):
        place = Place(rank=rank, pid=100 + rank, ip="10.0.0.1", node="node-a", node_id=node)
        mlflow.upload(run, place_path(1, rank), place.to_json().encode())
    # Of two processes one can be looked into.
    ray.set_stack(node, 100, f"Thread 100 on {node}\n    wait (train.py:7)")
    ray.submit(f"{run.run_id}-1", "python train.py", {}, {})
    ray.start_job(f"{run.run_id}-1")
    control = JobController(mlflow, ray, settings, "control", None)

    def step(number: int) -> None:
        nonlocal worker_s
        worker_s += 0.5
        for metric in ("loss", "system/cpu"):
            point = {"key": metric, "value": 1.0, "timestamp": int(worker_s * 1000), "step": number}
            mlflow.log_batch(run.run_id, metrics=[point])

    def turns(count: int, until: str = "") -> tuple[str, str]:
        nonlocal clock_s
        for _ in range(count):
            clock_s += 4
            control.step(clock_s)
            # What is read off the loop is there a few turns later.
            time.sleep(0.01)
            told = mlflow.run(run.run_id)
            if told.phase == until:
                break
        return told.phase, told.reason

    for number in range(8):
        step(number)
    assert turns(14) == ("running", "runs on 1 worker")
    phase, reason = turns(300, until="hung")
    assert (phase, mlflow.run(run.run_id).status) == ("hung", "RUNNING")
    assert reason.startswith("no step for 1 min")
    assert ", where one takes 0.5 s; stacks under stacks/1-19700112T" in reason
    [path] = mlflow.artifacts(run.run_id, "stacks")
    assert path == reason.rpartition(" ")[2]
    stored = mlflow.download(run, path).decode()
    assert "rank 0: process 100 on node-a (10.0.0.1)\nThread 100 on " in stored
    assert "rank 1: process 101 on node-a (10.0.0.1)\nthe process is gone" in stored
    # Another control knows nothing of the silence: the phase stays, and nothing is stored twice.
    control.close()
    control = JobController(mlflow, ray, settings, "another", None)
    assert turns(20) == ("hung", reason)
    assert len(mlflow.artifacts(run.run_id, "stacks")) == 1
    step(8)
    assert turns(2) == ("running", "runs on 1 worker, and steps again")
    assert turns(300, until="hung")[0] == "hung"
    assert len(mlflow.artifacts(run.run_id, "stacks")) == 2
    control.close()


def test_every_phase_has_its_followers_and_its_run_status() -> None:
    assert set(FOLLOWING) == set(RUN_STATUS) == set(Phase)
    assert all(not FOLLOWING[phase] for phase in ENDED)
    assert json.loads(json.dumps([phase for phase in Phase])) == [phase.value for phase in Phase]


def test_job_whose_driver_somebody_stopped_in_ray_is_not_started_again() -> None:
    running = job(Phase.RUNNING, ATTEMPT="1", WORKERS_STARTED_MS="990000")
    action = following(running, ray_job("STOPPED"))
    assert isinstance(action, Mark)
    assert (action.phase, action.reason.partition(":")[0]) == (
        Phase.CANCELLED,
        "its driver was stopped in Ray",
    )
    told = with_outcome(running, Outcome(cause=Cause.USER, message="ValueError: no"))
    ended = following(told, ray_job("STOPPED"))
    assert isinstance(ended, Mark) and ended.reason == "ValueError: no"
