"""A job as it is followed: how it steps, how it ended, what it wrote last."""

from __future__ import annotations

import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from journeyman.cli.output import (
    complain,
    duration,
    headline,
    number,
    print_fields,
    say,
    short,
    sparkline,
    visible,
)
from journeyman.cli.pace import Pace
from journeyman.errors import UnreachableError

if TYPE_CHECKING:
    from rich.live import Live

    from journeyman.client import Client, Job
    from journeyman.client.log_reader import LogChunk

POLL_S = 0.5
ENDING_POLL_S = 0.2
"""Once the driver has said how it ended, and Ray is about to."""
METRICS_EVERY_S = 2.0
"""Without a terminal, lines of metrics come no more often."""
PATIENCE_S = 60.0
"""How long a server may be gone while someone follows: MLflow restarts within seconds."""
FOLLOWED_METRICS = 4
REMARK_CHARACTERS = 200
FAILURE_LINES = 20

Line = tuple[str, str]
"""Where a line of log comes from, and the line."""


def follow_to_its_end(client: Client, job: Job) -> Job:
    try:
        job = _watch_on_terminal(client, job) if sys.stdout.isatty() else _watch_in_lines(client, job)
    except KeyboardInterrupt:
        raise detached(job) from None
    if job.readable and job.phase == "failed":
        print_failure(client, job)
    say(outcome(job))
    print_fields([("Model", job.model_version or ""), ("MLflow", job.url)])
    return job


def detached(job: Job) -> typer.Exit:
    reference = short(job.run_id)
    complain(
        f"detached; the job continues: `journeyman logs {reference} -f`, `journeyman cancel {reference}`", ""
    )
    return typer.Exit(130)


def _watch(client: Client, job: Job) -> Iterator[Job]:
    """The job as it is, again and again, until it has ended. Raises UnreachableError after PATIENCE_S."""
    seen_s = time.monotonic()
    while True:
        try:
            job = client.job(job.run_id)
            seen_s = time.monotonic()
        except UnreachableError:
            if time.monotonic() - seen_s > PATIENCE_S:
                raise
        yield job
        if job.ended:
            return
        time.sleep(POLL_S if job.outcome is None else ENDING_POLL_S)


def _watch_in_lines(client: Client, submitted: Job) -> Job:
    phase_said = metrics_said = ""
    metrics_s = 0.0
    pace = Pace()
    job = submitted
    for job in _watch(client, submitted):
        pace.see(newest_step(job), time.monotonic())
        if (line := phase_line(job)) != phase_said:
            phase_said = line
            say(line)
        line = metrics_line(job, pace_of(job, pace))
        due = job.ended or time.monotonic() - metrics_s >= METRICS_EVERY_S
        if line and line != metrics_said and due:
            metrics_said, metrics_s = line, time.monotonic()
            say(line)
    return job


def _watch_on_terminal(client: Client, submitted: Job) -> Job:
    from rich.live import Live

    from journeyman.cli.output import console

    course: dict[str, list[float]] = defaultdict(list)
    steps: dict[str, int] = {}
    said = ""
    pace = Pace()
    job = submitted
    with Live(console=console(), refresh_per_second=4, transient=True) as live:
        for job in _watch(client, submitted):
            if (line := phase_line(job)) != said:
                said = line
                live.console.print(visible(line))
            for name in headline(job.metrics, FOLLOWED_METRICS):
                if steps.get(name) != job.steps.get(name, 0):
                    steps[name] = job.steps.get(name, 0)
                    course[name].append(job.metrics[name])
            pace.see(newest_step(job), time.monotonic())
            _draw(live, job, course, pace_of(job, pace))
    if line := metrics_line(job):
        say(line)
    return job


def _draw(live: Live, job: Job, course: dict[str, list[float]], pace: str) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    now_ms = time.time() * 1000
    told = (f"{job.name} {short(job.run_id)}", job.phase, elapsed(job, now_ms), pace)
    head = Text("  ".join(told).rstrip(), style="bold")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in headline(job.metrics, FOLLOWED_METRICS):
        table.add_row(
            name, number(job.metrics[name]), f"step {job.steps.get(name, 0)}", sparkline(course.get(name, []))
        )
    live.update(Group(head, table))


def phase_line(job: Job) -> str:
    attempt = f"attempt {job.attempt}: " if job.attempt > 1 else ""
    return f"{job.phase:<10} {attempt}{job.reason}".rstrip()


def metrics_line(job: Job, pace: str = "") -> str:
    """`step 40 of 100  loss 0.31  accuracy 0.88  2 steps/s, 30s left`, or nothing without metrics."""
    names = headline(job.metrics, FOLLOWED_METRICS)
    if not names:
        return ""
    step = max(job.steps.get(name, 0) for name in names)
    of = f" of {job.total_steps}" if job.total_steps is not None and step < job.total_steps else ""
    told = [f"step {step}{of}", *(f"{name} {number(job.metrics[name])}" for name in names)]
    return "  ".join([*told, *([pace] if pace else [])])


def newest_step(job: Job) -> int:
    return max((job.steps.get(name, 0) for name in headline(job.metrics, FOLLOWED_METRICS)), default=0)


def pace_of(job: Job, pace: Pace) -> str:
    """`12 steps/s, 2m 05s left`; nothing of a job that does not step, or not yet."""
    if job.phase != "running" or pace.steps_per_s is None:
        return ""
    left_s = pace.left_s(job.total_steps, time.monotonic())
    return f"{pace.steps_per_s:.3g} steps/s" + (f", {duration(left_s)} left" if left_s is not None else "")


def outcome(job: Job) -> str:
    took = f" after {elapsed(job, 0)}" if job.started_ms is not None and job.ended_ms is not None else ""
    why = f": {in_short(job.reason)}" if job.reason else ""
    return f"{job.name} {short(job.run_id)} {job.phase}{took}{why}"


def print_failure(client: Client, job: Job) -> None:
    """The last words of the rank that failed first, or of all where none is known, and what to do."""
    from journeyman.jobs.outcome import ADVICE, Cause

    ended = job.outcome
    if ended is not None:
        where = f", on {ended.node}" if ended.node else ""
        first = f"; first failed rank {ended.rank}{where}" if ended.rank is not None else ""
        say(f"Cause: {ended.cause}{first}")
    rank = "all" if ended is None or ended.rank is None else str(ended.rank)
    if ended is not None and ended.detail:
        last = deque(((f"rank {rank}", line) for line in ended.detail.splitlines()), maxlen=FAILURE_LINES)
    else:
        last = deque(log_lines(client.logs(job, rank)), maxlen=FAILURE_LINES)
    if last:
        say(f"The last lines of it (`journeyman logs {short(job.run_id)}` has all):")
        for source, line in last:
            say(f"  {source} | {line}")
    say(ADVICE[ended.cause if ended is not None else Cause.MACHINE])


def in_short(reason: str) -> str:
    """As much of a reason as a line of a listing has room for; `job` shows it whole."""
    line = " ".join(reason.split())
    return line if len(line) <= REMARK_CHARACTERS else f"{line[: REMARK_CHARACTERS - 1]}…"


def elapsed(job: Job, now_ms: float) -> str:
    if job.started_ms is None:
        return ""
    return duration(((now_ms if job.ended_ms is None else job.ended_ms) - job.started_ms) / 1000)


def log_lines(chunks: Iterable[LogChunk]) -> Iterator[Line]:
    """Whole lines from chunks that end anywhere; sources may take turns. As a terminal would show them."""
    from journeyman.jobs.terminal import last_state

    begun: dict[str, str] = {}
    for chunk in chunks:
        *whole, rest = (begun.pop(chunk.source, "") + chunk.text).split("\n")
        for line in whole:
            yield chunk.source, last_state(line)
        if rest:
            begun[chunk.source] = rest
    for source, line in begun.items():
        yield source, last_state(line)


def remark(job: Job) -> str:
    """What a listing says of a job: how far it is where it runs or is done, else why it is where it is."""
    if job.readable and job.phase in ("running", "finished"):
        told = [metrics_line(job), f"→ {job.model_version}" if job.model_version else ""]
        if any(told):
            return "  ".join(part for part in told if part)
    return in_short(job.reason)
