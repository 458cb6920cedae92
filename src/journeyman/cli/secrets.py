"""The verbs of secrets: secret set, list, remove."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from journeyman.cli.output import confirm, examples, print_json, say
from journeyman.errors import NotFoundError, UsageError

verbs = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@verbs.command("set", epilog=examples("journeyman secret set HF_TOKEN", "journeyman secret set HF_TOKEN < f"))
def set_secret(
    name: str = typer.Argument(help="The environment variable that jobs find it in."),
) -> None:
    """Store a value: asked for unseen, or read from stdin. A job gets it by naming it under `secrets`."""
    from journeyman.cluster.contexts import LOCAL, current_context
    from journeyman.cluster.settings import write_secret

    if not (name.isascii() and name.isidentifier()):
        raise UsageError(
            f"{name!r} cannot be the name of an environment variable",
            "Use letters, digits and underscores, such as HF_TOKEN.",
        )
    if sys.stdin.isatty():
        value: str = typer.prompt(f"Value of {name}", hide_input=True)
    else:
        # `echo` and editors end a file with a newline that no token has.
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageError(
            f"no value came for {name}", f"Pipe it in, such as `printf %s … | journeyman secret set {name}`."
        )
    write_secret(_home(), name, value)
    say(f"{name} is stored. Jobs started from now on that name it under `secrets` find it in ${name}.")
    if current_context(_home()) != LOCAL:
        say("On this machine alone: nodes of a cluster that is attached have secrets in their environment.")


@verbs.command("list", epilog=examples("journeyman secret list", "journeyman secret list --json"))
def list_secrets(as_json: bool = typer.Option(False, "--json", help="A JSON list of names.")) -> None:
    """The names of the secrets there are; never their values."""
    from journeyman.cluster.settings import read_secrets

    names = sorted(read_secrets(_home()))
    if as_json:
        print_json(names)
    elif names:
        say("\n".join(names))
    else:
        say("No secrets. `journeyman secret set NAME` stores one.")


@verbs.command("remove", epilog=examples("journeyman secret remove HF_TOKEN --yes"))
def remove_secret(
    name: str = typer.Argument(help="The secret's name."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Forget a secret."""
    from journeyman.cluster.settings import read_secrets, write_secret

    if name not in read_secrets(_home()):
        raise NotFoundError(f"no secret {name}", "`journeyman secret list` shows those there are.")
    confirm(f"Remove the secret {name}?", yes=yes)
    write_secret(_home(), name, None)
    say(f"{name} is removed.")


def _home() -> Path:
    from journeyman.home import home_folder

    return home_folder(os.environ)
