"""The verbs of jobs: submit, try, jobs, job, logs, stack, cancel."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from journeyman.cli.attempts import HEADINGS, attempt_rows, clock
from journeyman.cli.connection import connect, connect_to_write
from journeyman.cli.following import (
    FOLLOWED_METRICS,
    detached,
    elapsed,
    follow_to_its_end,
    log_lines,
    outcome,
    print_failure,
    remark,
)
from journeyman.cli.output import (
    complain,
    confirm,
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
from journeyman.errors import UsageError

if TYPE_CHECKING:
    from journeyman.client import Client, Job

verbs = typer.Typer()

REFERENCE = "The beginning of an id, or a name for its latest job; else the last submitted."


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
        raise typer.Exit(follow_to_its_end(client, job).exit_code)
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
    for said in order.remarks:
        _warn(said)
    # A spec that cannot be is refused before seconds of imports.
    from journeyman.jobs.try_local import try_order

    raise typer.Exit(try_order(order, home))


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
                elapsed(job, now_ms),
                remark(job),
            )
            for job in found
        ],
    )


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
            ("Duration", elapsed(found, now_ms)),
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
        print_failure(client, found)
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
    rank: str = typer.Option(
        "all", "--rank", metavar="N|all|driver", help="Only the log of this rank, or of the driver."
    ),
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
        raise detached(found) from None
    if follow:
        typer.echo(visible(outcome(client.job(found.run_id))), err=True)
    elif not written and tail != 0:
        complain(
            f"{found.name} {short(found.run_id)} has written nothing yet; it is {found.phase}",
            found.reason,
        )


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
    say(f"{told} is {found.phase}. `journeyman job {short(found.run_id)}` shows its progress.")
