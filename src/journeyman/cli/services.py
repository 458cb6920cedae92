"""The verbs of services: deploy, services, service, query, undeploy."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from journeyman.cli.connection import connect, connect_to_write
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
    since,
    visible,
)
from journeyman.errors import SpecError, UsageError

if TYPE_CHECKING:
    from journeyman.client import Client, Service
    from journeyman.serve.verdict import Verdict

verbs = typer.Typer()

SHOWN_METRICS = 12
REFERENCE = "The service's name, or the beginning of its run's id."


@verbs.command(
    epilog=examples(
        "journeyman deploy service.yaml",
        "journeyman deploy service.yaml --set replicas=2..8 --dry-run",
        "journeyman deploy service.yaml --no-wait",
    )
)
def deploy(
    context: typer.Context,
    file: Path = typer.Argument(help="A spec of kind service."),
    assignments: list[str] = typer.Option([], "--set", help="KEY=VALUE over what the file says; repeatable."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Tell what would change; change nothing."),
    wait: bool = typer.Option(True, "--wait/--no-wait", help="Wait until it is healthy."),
    timeout_s: float = typer.Option(600.0, "--timeout", help="Seconds to wait at most."),
) -> None:
    """Serve a model, or change how it is served."""
    client = connect_to_write(context)
    changes = client.plan_deploy(file, assignments)
    say("\n".join(changes or ["Nothing changes."]))
    if dry_run:
        return
    service = client.deploy(file, assignments)
    say(f"{service.name}  {service.phase}  {service.reason}".rstrip())
    if wait:
        service = _wait_until_healthy(client, service, timeout_s)
        say()
        print_fields([("URL", service.url), ("MLflow", service.page_url)])
        say()
    say(f"Next: `journeyman query {service.name} --example`, `journeyman service {service.name}`.")


@verbs.command(epilog=examples("journeyman rollback digits", "journeyman rollback digits --no-wait"))
def rollback(
    context: typer.Context,
    name: str = typer.Argument(help="The service's name."),
    wait: bool = typer.Option(True, "--wait/--no-wait", help="Wait until it is healthy."),
    timeout_s: float = typer.Option(600.0, "--timeout", help="Seconds to wait at most."),
) -> None:
    """Order again what was ordered before the last deploy.

    A model that follows an alias goes back by moving the alias.
    """
    client = connect_to_write(context)
    service, changes = client.rollback(name)
    say("\n".join(changes))
    if wait:
        _wait_until_healthy(client, service, timeout_s)
    say(f"Next: `journeyman service {service.name}`; `journeyman rollback {service.name}` undoes this.")


def _wait_until_healthy(client: Client, service: Service, timeout_s: float) -> Service:
    """Prints each change on the way; an interrupt ends the waiting and nothing else."""
    said = progress(service)

    def report(seen: Service) -> None:
        nonlocal said
        if (news := progress(seen)) != said:
            said = news
            say(news)

    try:
        return client.wait_until_healthy(service.name, timeout_s, report)
    except KeyboardInterrupt:
        complain(
            f"stopped waiting; the order for {service.name} stands: `journeyman service {service.name}`", ""
        )
        raise typer.Exit(130) from None


def progress(service: Service) -> str:
    """One line that changes when there is something new to tell."""
    told = f"{service.name}  {service.phase}  version {_versions(service)}  replicas {_replicas(service)}"
    return f"{told}  {service.reason}".rstrip()


@verbs.command(epilog=examples("journeyman services", "journeyman services --json"))
def services(
    context: typer.Context, as_json: bool = typer.Option(False, "--json", help="A JSON list.")
) -> None:
    """The services there are."""
    found = connect(context).services()
    if as_json:
        print_json_list(found)
        return
    if not found:
        say("No services. `journeyman deploy service.yaml` makes one.")
        return
    now_ms = time.time() * 1000
    print_table(
        ("NAME", "PHASE", "VERSION", "REPLICAS", "SINCE", "URL", ""),
        [
            (
                each.name,
                str(each.phase),
                _versions(each),
                _replicas(each),
                since(each.since_ms, now_ms),
                each.url,
                each.reason,
            )
            for each in found
        ],
    )


@verbs.command(epilog=examples("journeyman service digits", "journeyman service digits --json"))
def service(
    context: typer.Context,
    name: str = typer.Argument(metavar="NAME|ID", help=REFERENCE),
    as_json: bool = typer.Option(False, "--json", help="Everything as JSON."),
) -> None:
    """One service: what answers, how many replicas, how well."""
    client = connect(context)
    found = client.service(name)
    verdicts = client.verdicts(found)
    if as_json:
        print_json(asdict(found) | {"verdicts": [asdict(verdict) for verdict in verdicts]})
        return
    print_fields(
        [
            ("Service", found.name),
            ("Phase", str(found.phase)),
            ("Reason", found.reason),
            ("Model", found.model),
            ("Version", _versions(found)),
            ("Replicas", _replicas(found)),
            ("Engine", "; ".join((*found.engines, *found.engine_troubles))),
            ("Since", since(found.since_ms, time.time() * 1000)),
            ("URL", found.url),
            ("gRPC", f"{found.grpc_address}, application {found.name}" if found.grpc_address else ""),
            ("MLflow", found.page_url),
            *((each, number(found.metrics[each])) for each in headline(found.metrics, SHOWN_METRICS)),
        ]
    )
    for verdict in verdicts:
        say()
        _print_verdict(verdict)
    if found.readable and not verdicts and not found.spec.get("engine"):
        say()
        gpus = found.spec.get("resources", {}).get("gpus")
        where = "; a benchmark takes GPUs of its own, on a node that serves it" if gpus else ""
        say(f"Its engines are not benchmarked yet{where}.")
    if not found.readable:
        say()
        say("Control leaves a record that it cannot read as it is; what serves goes on as it was ordered.")
    say()
    say(f"Next: `journeyman query {found.name} --example`, `journeyman undeploy {found.name}`.")


def _print_verdict(verdict: Verdict) -> None:
    """The race of the engines: microseconds a call by batch size, a star where one won."""
    if verdict.failed:
        say(f"Engines were not benchmarked on {verdict.hardware}: {verdict.failed}")
        return
    say(f"Engines benchmarked for {verdict.took_s:g} s on {verdict.hardware}; µs a call:")
    rows = [
        (engine, *(_time(verdict, engine, index) for index in range(len(verdict.batch_sizes))), "")
        for engine in verdict.times_us
    ]
    rows += [(engine, *("" for _ in verdict.batch_sizes), why) for engine, why in verdict.rejected.items()]
    print_table(("ENGINE", *(f"{size} ROWS" for size in verdict.batch_sizes), ""), rows)
    if verdict.plan is not None and (joined := verdict.joined_rows(verdict.plan)) > 1:
        say(f"Requests that wait are computed together, up to {joined} rows.")


def _time(verdict: Verdict, engine: str, index: int) -> str:
    return f"{verdict.times_us[engine][index]:,.0f}{' *' if verdict.winners[index] == engine else ''}"


@verbs.command(
    epilog=examples(
        "journeyman query digits --example",
        "journeyman query digits --input request.json",
        "echo '{\"inputs\": [[0.1, 0.2]]}' | journeyman query digits --input -",
    )
)
def query(
    context: typer.Context,
    name: str = typer.Argument(help="The service's name."),
    input_file: str | None = typer.Option(
        None, "--input", metavar="FILE|-", help="A JSON request; - is stdin."
    ),
    example: bool = typer.Option(False, "--example", help="Ask what the model was published with."),
) -> None:
    """Ask a service, and print its answer.

    Exit code 1 when it answers with an error.
    """
    if (input_file is None) != example:
        both = "both --input and --example" if example else "neither --input nor --example"
        raise UsageError(f"{both}: one of them says what to ask", f"Try `journeyman query {name} --example`.")
    client = connect(context)
    body = client.example(name) if input_file is None else _request(input_file)
    answer = client.query(name, body)
    typer.echo(answer.body, nl=not answer.body.endswith(b"\n"))
    lineage = [
        f"{key}: {value}" for key, value in sorted(answer.headers.items()) if "journeyman" in key.lower()
    ]
    told = "  ".join([f"status {answer.status}", f"{answer.seconds * 1000:.1f} ms", *lineage])
    # Beside the answer, so that a pipe gets the answer alone.
    typer.echo(visible(told), err=True)
    raise typer.Exit(0 if answer.status < 400 else 1)


def _request(input_file: str) -> bytes:
    if input_file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(input_file).read_bytes()
    except OSError as error:
        raise SpecError(
            f"{input_file} cannot be read: {error.strerror}", "Name a JSON file, or - for stdin."
        ) from None


@verbs.command(epilog=examples("journeyman undeploy digits", "journeyman undeploy digits --yes"))
def undeploy(
    context: typer.Context,
    name: str = typer.Argument(metavar="NAME|ID", help=REFERENCE),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Take a service out of traffic. Its record and its model stay in MLflow."""
    client = connect_to_write(context)
    found = client.service(name)
    confirm(f"Undeploy {found.name}, which is {found.phase} at {found.url}?", yes=yes)
    found = client.undeploy(name)
    say(f"{found.name}  {found.phase}  {found.reason}".rstrip())


def _versions(service: Service) -> str:
    """`3`, or `3 → 4` while a candidate is on its way."""
    serving = service.serving_version or ("none" if service.readable else "")
    return f"{serving} → {service.candidate_version}" if service.candidate_version else serving


def _replicas(service: Service) -> str:
    return f"{service.running_replicas} of {service.replicas}" if service.readable else ""
