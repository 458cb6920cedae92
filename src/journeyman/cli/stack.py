"""The verbs of the stack: up, down, status, env, dashboard."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import typer

from journeyman.cli.connection import connect
from journeyman.cli.output import (
    complain,
    confirm,
    duration,
    examples,
    print_fields,
    print_json,
    print_table,
    say,
    short,
    since,
)
from journeyman.errors import JourneymanError, StackDownError, UsageError

if TYPE_CHECKING:
    from journeyman.client import Control, Job, Service
    from journeyman.cluster.local.stack import Endpoints, Report, StackStatus
    from journeyman.cluster.settings import Settings

verbs = typer.Typer()

UNREADABLE = "unreadable"
"""How `status` counts what this version cannot read, whatever phase is written there."""


@verbs.command(
    epilog=examples(
        "journeyman up",
        "JOURNEYMAN_HOME=/data/journeyman journeyman up",
        "journeyman up --address http://head:8265 --mlflow http://mlflow:5000 --storage s3://bucket/runs",
    )
)
def up(
    context: typer.Context,
    address: str | None = typer.Option(
        None, "--address", help="Attach to the Ray cluster whose dashboard is here, instead of starting one."
    ),
    mlflow: str | None = typer.Option(None, "--mlflow", help="The MLflow server it is to be used with."),
    storage: str | None = typer.Option(
        None, "--storage", help="Where checkpoints go: a place that all its nodes can write."
    ),
    serve: str | None = typer.Option(
        None, "--serve", help="Where its services answer; port 8000 of the head unless said."
    ),
    listen: str | None = typer.Option(
        None,
        "--listen",
        help="What Ray Serve listens on, on each node: 0.0.0.0:8000 unless said, and 127.0.0.1:8000 where "
        "--address is of this machine.",
    ),
    grow: list[str] = typer.Option(
        [],
        "--grow",
        help="What its autoscaler may start: `4:CPU=8,GPU=1`, at most 4 such nodes, or `none`; repeatable.",
    ),
    cluster: str | None = typer.Option(
        None,
        "--cluster",
        help="What its records call it, for good; its address unless said.",
    ),
    name: str | None = typer.Option(
        None, "--context", help="What to call the cluster; the name of its head unless said."
    ),
    yes: bool = typer.Option(
        False, "--yes", "-y", help="Do not ask where Ray must end, and what runs on it, for another version."
    ),
) -> None:
    """Start MLflow, Ray and control on this machine, or attach to a cluster that is there.

    Attached, control alone runs here. Without options this starts the context in force. Of a stack that runs
    under another version of Journeyman what can go on goes on, and the rest is started anew.
    """
    from journeyman.cluster.local.stack import start
    from journeyman.cluster.settings import context_home

    def report(part: str, message: str) -> None:
        say(f"{part:<8} {message}")

    def may_end(why: str) -> None:
        if work := _work(context):
            confirm(f"{why}. It has to end, and with it {work}. End it and start it anew?", yes=yes)

    try:
        if address is not None:
            endpoints = _attach(address, mlflow, storage, serve, listen, grow, cluster, name, report)
        elif mlflow or storage or serve or listen or grow or cluster or name:
            raise UsageError(
                "--mlflow, --storage, --serve, --listen, --grow, --cluster and --context "
                "tell of a cluster that is attached",
                "Name it: `journeyman up --address http://head:8265 …`.",
            )
        else:
            endpoints = start(context_home(os.environ), report, may_end=may_end)
    except KeyboardInterrupt:
        complain("stopped waiting; the stack goes on starting: `journeyman status`, `journeyman down`", "")
        raise typer.Exit(130) from None
    say()
    print_fields(
        [
            ("MLflow", endpoints.mlflow_url),
            ("Ray", f"{endpoints.ray_url}  (its token: `journeyman dashboard ray`)"),
            ("Services", endpoints.serve_url),
        ]
    )
    say()
    say("Next: `journeyman init FOLDER` writes an example, `journeyman submit train.yaml --follow` runs it.")


def _work(context: typer.Context) -> str:
    """What runs on the cluster, in words; empty where nothing does."""
    try:
        client = connect(context)
        jobs = [job for job in client.unfinished_jobs() if job.phase != "queued"]
        services = [service for service in client.services() if service.phase != "undeployed"]
    except JourneymanError as error:
        return f"what runs on it, which cannot be told ({error.message})"
    named = [f"job {job.name} ({short(job.run_id)})" for job in jobs]
    named += [f"service {service.name}" for service in services]
    return ", ".join(named)


def _attach(
    address: str,
    mlflow: str | None,
    storage: str | None,
    serve: str | None,
    listen: str | None,
    grow: list[str],
    cluster: str | None,
    name: str | None,
    report: Report,
) -> Endpoints:
    from urllib.parse import urlsplit

    from journeyman.attach.attach import attach
    from journeyman.cluster.growth import parse_growth
    from journeyman.home import home_folder

    if mlflow is None or storage is None:
        missing = "--mlflow" if mlflow is None else "--storage"
        what = "the MLflow server to use" if mlflow is None else "a place that all its nodes can write"
        raise UsageError(f"--address needs {missing}: {what}", f"Add `{missing} …`.")
    try:
        growth = parse_growth(grow)
    except ValueError as error:
        raise UsageError(f"--grow: {error}", "Say how many, and of what: `--grow 4:CPU=8,GPU=1`.") from None
    return attach(
        home_folder(os.environ),
        name or (urlsplit(address).hostname or address),
        ray_url=address,
        mlflow_url=mlflow,
        serve_url=serve,
        listens=listen,
        storage=storage,
        growth=growth,
        cluster=cluster,
        environ=os.environ,
        report=report,
    )


@verbs.command(epilog=examples("journeyman down", "journeyman down --yes"))
def down(yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")) -> None:
    """Stop the stack on this machine.

    Jobs and services carry on where they were after the next `up`.
    """
    from journeyman.cluster.local.stack import observe, stop
    from journeyman.cluster.settings import context_home

    home = context_home(os.environ)
    status = observe(home)
    if not status.running and not status.parts:
        say(f"No stack is running (home folder {home}).")
        return
    if status.attached:
        confirm("Stop control of this cluster? Its jobs and services run on.", yes=yes)
        stop(home)
        say("Stopped control. What runs on the cluster runs on: `journeyman up` takes it up again.")
        return
    confirm("Stop the stack with the jobs and services in it?", yes=yes)
    ended = stop(home)
    say(f"Stopped {ended} processes. What MLflow remembers is kept: `journeyman up` carries on from it.")


@verbs.command(epilog=examples("journeyman status", "journeyman status --json"))
def status(
    context: typer.Context, as_json: bool = typer.Option(False, "--json", help="Everything as JSON.")
) -> None:
    """How the stack, its jobs and its services are.

    Exit code 0 when every part is up, 1 when one is not, 2 when there is no stack.
    """
    from journeyman.cluster.growth import written_growth
    from journeyman.cluster.local.stack import observe
    from journeyman.cluster.settings import context_home, load_settings

    stack = observe(context_home(os.environ))
    local = stack.running or bool(stack.parts)
    # Without a stack here there may be a cluster that the environment names; else this tells there is none.
    settings = None if local and not stack.attached else load_settings(os.environ)
    jobs: list[Job] = []
    services: list[Service] = []
    control: Control | None = None
    trouble: JourneymanError | None = None
    try:
        client = connect(context)
        control = client.control()
        jobs, services = client.unfinished_jobs(), client.services()
    except JourneymanError as error:
        trouble = error
    if as_json:
        print_json(
            asdict(stack)
            | {"growth": written_growth(settings.growth) if settings else []}
            | {"control": asdict(control) if control else None}
            | {"jobs": _counted(jobs), "services": [asdict(service) for service in services]}
            | {"unreadable_jobs": [asdict(job) for job in jobs if not job.readable]}
            | {"trouble": trouble.message if trouble else None}
        )
    else:
        if local:
            _print_stack(stack)
        if settings is not None:
            _print_cluster(settings)
        if trouble is None:
            _print_control(control)
            _print_work(jobs, services)
        elif not isinstance(trouble, StackDownError):
            complain(trouble.message, trouble.hint)
    well = stack.running and all(part.state == "up" for part in stack.parts) if local else True
    raise typer.Exit(0 if well and trouble is None else 1)


def _counted(jobs: list[Job]) -> dict[str, int]:
    """How many jobs are in each phase."""
    return dict(Counter(job.phase if job.readable else UNREADABLE for job in jobs))


def _print_stack(stack: StackStatus) -> None:
    now_s = time.time()
    print_table(
        ("PART", "STATE", "URL", "SINCE", "RESTARTS", ""),
        [
            (
                part.name,
                part.state,
                part.url,
                duration(now_s - part.since_s) if part.since_s is not None else "",
                str(part.restarts),
                part.reason + (f" (log: {part.log})" if part.state in ("failed", "restarting") else ""),
            )
            for part in stack.parts
        ],
    )
    say()
    if not stack.attached:
        say(f"{stack.logical_cpus} logical CPUs for jobs and services")
        if stack.processes:
            say(f"processes of jobs and services start {stack.processes}")
    for note in stack.notes:
        say(f"note: {note}")


def _print_cluster(settings: Settings) -> None:
    from journeyman.cluster.growth import describe_growth

    print_fields(
        [
            ("Context", settings.context),
            ("MLflow", settings.mlflow_url),
            ("Ray", settings.ray_url),
            ("Services", settings.serve_url),
            ("Storage", settings.storage or ""),
            ("Growth", describe_growth(settings.growth)),
        ]
    )


def _print_control(control: Control | None) -> None:
    if control is None:
        say("control: no active controller")
        return
    heard = since(control.heard_ms, time.time() * 1000)
    say(f"control: {control.name}, term {control.term}" + (f", heard from {heard} ago" if heard else ""))


def _print_work(jobs: list[Job], services: list[Service]) -> None:
    counts = ", ".join(f"{count} {phase}" for phase, count in sorted(_counted(jobs).items()))
    say(f"jobs: {counts or 'none running, none queued'}")
    for job in jobs:
        if not job.readable:
            say(f"  {job.name} {short(job.run_id)} {job.reason}")
    if not services:
        say("services: none")
        return
    say()
    now_ms = time.time() * 1000
    print_table(
        ("SERVICE", "PHASE", "URL", "SINCE", ""),
        [(s.name, str(s.phase), s.url, since(s.since_ms, now_ms), s.reason) for s in services],
    )


@verbs.command("env", epilog=examples('eval "$(journeyman env)"', "journeyman env"))
def print_environment() -> None:
    """Print what leads other programs to the cluster, as lines for a shell: MLflow's and Ray's own variables.

    A token is among them where a server asks for one. `journeyman`, and MLflow's client where Journeyman is
    installed, get in to the stack on this machine without.
    """
    import shlex

    from journeyman.cluster.settings import load_settings, ray_token_file
    from journeyman.home import home_folder, own_mlflow, why_not_asked
    from journeyman.tracking.guard.entrance import asks_for_token

    settings = load_settings(os.environ)
    variables = {"MLFLOW_TRACKING_URI": settings.mlflow_url, "RAY_ADDRESS": settings.ray_url}
    mlflow = own_mlflow(os.environ)
    is_own = mlflow is not None and mlflow.is_at(settings.mlflow_url)
    if (
        mlflow
        and is_own
        and not why_not_asked(mlflow.url, home_folder(os.environ))
        and asks_for_token(mlflow)
    ):
        variables["MLFLOW_TRACKING_TOKEN"] = mlflow.token
    if ray_token_file(settings.home).exists():
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(ray_token_file(settings.home))}
    say("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))


@verbs.command(epilog=examples("journeyman dashboard", "journeyman dashboard ray"))
def dashboard(
    which: Literal["mlflow", "ray"] = typer.Argument("mlflow", help="Whose pages."),
) -> None:
    """Open the pages of MLflow or of Ray.

    MLflow has the jobs, the models and the services. The address is printed too; where it has a code, that is
    good for a minute, once.
    """
    import webbrowser

    from journeyman.cluster.settings import load_settings, ray_token_file
    from journeyman.tracking.guard.entrance import check_is_asked, entrance_url
    from journeyman.tracking.mlflow_rest import page_url

    settings = load_settings(os.environ)
    if which == "mlflow":
        url = entrance_url(page_url(settings.mlflow_url, "experiments"), os.environ)
    else:
        url = settings.ray_url
        check_is_asked(url, os.environ)
    say(url)
    if which == "ray" and settings.ray_token:
        if os.environ.get("RAY_AUTH_TOKEN"):
            where = "in $RAY_AUTH_TOKEN"
        else:
            where = f"in {os.environ.get('RAY_AUTH_TOKEN_PATH') or ray_token_file(settings.home)}"
        say(f"Ray asks for a token once: it is {where}")
    # Without a display `webbrowser` would start a text browser over the terminal.
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
