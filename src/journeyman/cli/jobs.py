"""The verbs of jobs: submit, try, jobs, job, logs, stack, cancel."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from journeyman.cli.attempts import HEADINGS, attempt_rows, clock
from journeyman.cli.connection import connect, connect_to_write
from journeyman.cli.output import (
    complain,
    confirm,
    duration,
    examples,
    headline,
    number,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    say,
    short,
    since,
    sparkline,
    visible,
)
from journeyman.errors import UnreachableError, UsageError

if TYPE_CHECKING:
    from rich.live import Live

    from journeyman.client import Client, Job
    from journeyman.client.log_reader import LogChunk

verbs = typer.Typer()

POLL_S = 1.0
METRICS_EVERY_S = 2.0
"""Without a terminal, lines of metrics come no more often."""
PATIENCE_S = 60.0
"""How long a server may be gone while someone follows: MLflow restarts within seconds."""
FOLLOWED_METRICS = 4
REMARK_CHARACTERS = 200
FAILURE_LINES = 20
REFERENCE = "The beginning of an id, or a name for its latest job; else the last submitted."

Line = tuple[str, str]
"""Where a line of log comes from, and the line."""


# -- submitting ----------------------------------------------------------------------------------------


@verbs.command(
    epilog=examples(
        "journeyman submit train.yaml",
        "journeyman submit train.yaml --set config.lr=0.01 --set workers=4 --follow",
        "journeyman submit train.yaml --dry-run",
    )
)
def submit(
    context: typer.Context,
    file: Path = typer.Argument(help="A spec of kind train."),
    assignments: list[str] = typer.Option([], "--set", help="KEY=VALUE over what the file says; repeatable."),
    follow: bool = typer.Option(
        False, "--follow", "-f", help="Watch until it ends; the exit code is its outcome."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Check everything and tell what would happen; submit nothing."
    ),
) -> None:
    """Hand a training job to the cluster."""
    client = connect(context) if dry_run else connect_to_write(context)
    if dry_run:
        plan = client.plan(file, assignments)
        for remark in plan.remarks:
            _warn(remark)
        print_fields(
            [
                ("Job", plan.name),
                ("Verdict", plan.verdict),
                ("Reason", plan.reason),
                ("Workers", plan.workers),
                ("Code", f"{plan.code_files} files, {plan.code_bytes / 1024:.1f} KiB"),
            ]
        )
        return
    job = client.submit(file, assignments, _warn)
    say(f"submitted {job.name} {short(job.run_id)}")
    say(job.url)
    if follow:
        raise typer.Exit(_follow(client, job).exit_code)
    say(f"Next: `journeyman logs {short(job.run_id)} -f`, `journeyman job {short(job.run_id)}`.")


def _warn(message: str) -> None:
    complain(f"warning: {message}", "")


@verbs.command(
    "try", epilog=examples("journeyman try train.yaml", "journeyman try train.yaml --set config.epochs=1")
)
def try_here(
    file: Path = typer.Argument(help="A spec of kind train."),
    assignments: list[str] = typer.Option([], "--set", help="KEY=VALUE over what the file says; repeatable."),
) -> None:
    """Run a spec in the foreground, without a cluster.

    One worker, in this process: `breakpoint()` works.
    """
    from journeyman.home import home_folder
    from journeyman.jobs.submit.submission import read_order

    home = home_folder(os.environ)
    order = read_order(file, assignments, home, str(home / "runs"))
    for remark in order.remarks:
        _warn(remark)
    # A spec that cannot be is refused before seconds of imports.
    from journeyman.jobs.try_local import try_order

    raise typer.Exit(try_order(order, home))


# -- following -----------------------------------------------------------------------------------------


def _follow(client: Client, job: Job) -> Job:
    try:
        job = _watch_on_terminal(client, job) if sys.stdout.isatty() else _watch_in_lines(client, job)
    except KeyboardInterrupt:
        raise _detached(job) from None
    if job.readable and job.phase == "failed":
        _print_failure(client, job)
    say(outcome(job))
    print_fields([("Model", job.model_version or ""), ("MLflow", job.url)])
    return job


def _detached(job: Job) -> typer.Exit:
    reference = short(job.run_id)
    complain(
        f"detached; the job goes on: `journeyman logs {reference} -f`, `journeyman cancel {reference}`", ""
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
        time.sleep(POLL_S)


def _watch_in_lines(client: Client, submitted: Job) -> Job:
    phase_said = metrics_said = ""
    metrics_s = 0.0
    job = submitted
    for job in _watch(client, submitted):
        if (line := phase_line(job)) != phase_said:
            phase_said = line
            say(line)
        line = metrics_line(job)
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
            _draw(live, job, course)
    if line := metrics_line(job):
        say(line)
    return job


def _draw(live: Live, job: Job, course: dict[str, list[float]]) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    now_ms = time.time() * 1000
    head = Text(f"{job.name} {short(job.run_id)}  {job.phase}  {_elapsed(job, now_ms)}", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in headline(job.metrics, FOLLOWED_METRICS):
        table.add_row(
            name, number(job.metrics[name]), f"step {job.steps.get(name, 0)}", sparkline(course.get(name, []))
        )
    live.update(Group(head, table))


def phase_line(job: Job) -> str:
    attempt = f"attempt {job.attempt}: " if job.attempt > 1 else ""
    return f"{job.phase:<10} {attempt}{job.reason}".rstrip()


def metrics_line(job: Job) -> str:
    """`step 40  loss 0.31  accuracy 0.88`, or nothing where there are no metrics yet."""
    names = headline(job.metrics, FOLLOWED_METRICS)
    if not names:
        return ""
    step = max(job.steps.get(name, 0) for name in names)
    return "  ".join([f"step {step}", *(f"{name} {number(job.metrics[name])}" for name in names)])


def outcome(job: Job) -> str:
    took = f" after {_elapsed(job, 0)}" if job.started_ms is not None and job.ended_ms is not None else ""
    why = f": {_in_short(job.reason)}" if job.reason else ""
    return f"{job.name} {short(job.run_id)} {job.phase}{took}{why}"


def _print_failure(client: Client, job: Job) -> None:
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


# -- looking -------------------------------------------------------------------------------------------


@verbs.command(epilog=examples("journeyman jobs", "journeyman jobs --limit 100 --json"))
def jobs(
    context: typer.Context,
    limit: int = typer.Option(30, "--limit", "-n", min=1, help="How many, newest first."),
    as_json: bool = typer.Option(False, "--json", help="A JSON list."),
) -> None:
    """The jobs there are, newest first."""
    found = connect(context).jobs(limit)
    if as_json:
        print_json_list(found)
        return
    if not found:
        say("No jobs. `journeyman init` writes an example, `journeyman submit train.yaml` runs it.")
        return
    now_ms = time.time() * 1000
    print_table(
        ("ID", "NAME", "PHASE", "WORKERS", "AGE", "DURATION", ""),
        [
            (
                short(job.run_id),
                job.name,
                str(job.phase),
                job.workers,
                since(job.submitted_ms, now_ms),
                _elapsed(job, now_ms),
                remark(job),
            )
            for job in found
        ],
    )


def remark(job: Job) -> str:
    """What a listing says of a job: how far it is where it runs or is done, else why it is where it is."""
    if job.readable and job.phase in ("running", "finished"):
        told = [metrics_line(job), f"→ {job.model_version}" if job.model_version else ""]
        if any(told):
            return "  ".join(part for part in told if part)
    return _in_short(job.reason)


def _in_short(reason: str) -> str:
    """As much of a reason as a line of a listing has room for; `job` shows it whole."""
    line = " ".join(reason.split())
    return line if len(line) <= REMARK_CHARACTERS else f"{line[: REMARK_CHARACTERS - 1]}…"


@verbs.command(epilog=examples("journeyman job", "journeyman job 3f2a", "journeyman job digits --json"))
def job(
    context: typer.Context,
    reference: str | None = typer.Argument(
        None,
        metavar="[ID]",
        help=REFERENCE,
    ),
    as_json: bool = typer.Option(False, "--json", help="Everything as JSON."),
) -> None:
    """One job: where it is and why, its attempts and how each ended, its params and metrics."""
    client = connect(context)
    found = client.job(reference)
    if as_json:
        print_json(found)
        return
    now_ms = time.time() * 1000
    print_fields(
        [
            ("Job", f"{found.name} {found.run_id}"),
            ("Project", found.project),
            ("Phase", str(found.phase)),
            ("Reason", found.reason),
            ("Attempt", str(found.attempt) if found.attempt else ""),
            ("Workers", found.workers),
            ("Submitted", clock(found.submitted_ms)),
            ("Started", clock(found.started_ms)),
            ("Ended", clock(found.ended_ms)),
            ("Duration", _elapsed(found, now_ms)),
            ("Model", found.model_version or ""),
            ("MLflow", found.url),
        ]
    )
    if found.attempts:
        say()
        print_table(HEADINGS, attempt_rows(found))
    if not found.readable:
        say()
        say("Control leaves a record that it cannot read as it is: nothing of it is started or changed.")
    elif found.phase == "failed":
        say()
        _print_failure(client, found)
    if found.params:
        say()
        print_table(("PARAM", "VALUE"), sorted(found.params.items()))
    names = headline(found.metrics, len(found.metrics))
    if names:
        say()
        print_table(
            ("METRIC", "VALUE", "STEP", ""),
            [
                (
                    name,
                    number(found.metrics[name]),
                    str(found.steps.get(name, "")),
                    # Each course costs a request of its own.
                    _course(client, found, name) if position < FOLLOWED_METRICS else "",
                )
                for position, name in enumerate(names)
            ],
        )
    say()
    say(f"Next: {', '.join(f'`{command}`' for command in next_commands(found))}.")


def next_commands(job: Job) -> list[str]:
    reference = short(job.run_id)
    if job.phase == "hung":
        return [f"journeyman stack {reference}", f"journeyman cancel {reference}"]
    if not job.ended:
        return [f"journeyman logs {reference} -f", f"journeyman cancel {reference}"]
    commands = [f"journeyman logs {reference}"]
    return [*commands, "journeyman deploy service.yaml"] if job.model_version else commands


def _course(client: Client, job: Job, metric: str) -> str:
    return sparkline([value for _, value in client.history(job, metric)])


def _elapsed(job: Job, now_ms: float) -> str:
    if job.started_ms is None:
        return ""
    return duration(((now_ms if job.ended_ms is None else job.ended_ms) - job.started_ms) / 1000)


# -- logs ----------------------------------------------------------------------------------------------


@verbs.command(
    epilog=examples(
        "journeyman logs",
        "journeyman logs 3f2a --rank 0 --tail 50",
        "journeyman logs digits --rank driver -f",
    )
)
def logs(
    context: typer.Context,
    reference: str | None = typer.Argument(
        None,
        metavar="[ID]",
        help=REFERENCE,
    ),
    rank: str = typer.Option("all", "--rank", metavar="N|all|driver", help="Whose."),
    tail: int | None = typer.Option(None, "--tail", min=0, help="The last so many lines of each source."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on until the job has ended."),
) -> None:
    """What a job's driver and ranks wrote."""
    if rank not in ("all", "driver") and not (rank.isascii() and rank.isdigit()):
        raise UsageError(f"--rank {rank}: not a rank", "Use a number such as 0, `all`, or `driver`.")
    client = connect(context)
    found = client.job(reference)
    chunks = client.follow_logs(found, rank, tail) if follow else client.logs(found, rank, tail)
    written = 0
    try:
        for source, line in log_lines(chunks):
            written += 1
            # As the job printed it, colours included.
            typer.echo(f"{source} | {line}" if rank == "all" else line)
    except KeyboardInterrupt:
        raise _detached(found) from None
    if follow:
        typer.echo(visible(outcome(client.job(found.run_id))), err=True)
    elif not written and tail != 0:
        complain(
            f"{found.name} {short(found.run_id)} has written nothing yet; it is {found.phase}",
            found.reason,
        )


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


# -- looking inside ------------------------------------------------------------------------------------


@verbs.command(
    epilog=examples("journeyman stack 3f2a", "journeyman stack digits --rank 1", "journeyman stack --json")
)
def stack(
    context: typer.Context,
    reference: str | None = typer.Argument(
        None,
        metavar="[ID]",
        help=REFERENCE,
    ),
    rank: int | None = typer.Option(None, "--rank", min=0, metavar="N", help="Of this rank alone."),
    as_json: bool = typer.Option(False, "--json", help="A JSON list."),
) -> None:
    """What each rank of a running job does now: its Python stacks.

    Exit code 1 where no rank could be looked into, 2 where none runs.
    """
    from journeyman.jobs.stacks import stacks_text

    client = connect(context)
    found = client.stacks(client.job(reference), rank)
    if as_json:
        print_json_list(found)
    else:
        typer.echo(stacks_text(found), nl=False)
    raise typer.Exit(0 if any(each.stack for each in found) else 1)


# -- cancelling ----------------------------------------------------------------------------------------


@verbs.command(epilog=examples("journeyman cancel 3f2a", "journeyman cancel digits --yes"))
def cancel(
    context: typer.Context,
    reference: str = typer.Argument(metavar="ID", help="The beginning of an id, or a name."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Stop a job. Its record and its checkpoints stay."""
    client = connect_to_write(context)
    found = client.job_to_cancel(reference)
    told = f"{found.name} {short(found.run_id)}"
    if found.deleted:
        say(f"{told}: {found.reason}.")
        return
    if found.ended:
        say(f"{told} is {found.phase} already: there is nothing to cancel.")
        return
    confirm(f"Cancel {told}, which is {found.phase}?", yes=yes)
    found = client.cancel(found.run_id)
    say(f"{told} is {found.phase}. `journeyman job {short(found.run_id)}` shows how it goes on.")
