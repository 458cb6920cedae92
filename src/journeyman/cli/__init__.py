"""The command line: one file per group of verbs, each parsing, calling the client and printing.

`--help` is answered in a fraction of a second: what a verb needs is imported when it runs.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from journeyman import __version__
from journeyman.cli import contexts, init, jobs, models, secrets, services, stack
from journeyman.cli.output import complain, examples
from journeyman.errors import JourneymanError


class Verbs(TyperGroup):
    """Ends every verb with an exit code and words, never with a traceback of what is expected to happen."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except JourneymanError as error:
            complain(error.message, error.hint)
            raise typer.Exit(error.exit_code) from None
        except PermissionError as error:
            complain(
                f"{error.filename} belongs to another user or is closed: {error.strerror}",
                "Open it, or name a home folder of your own in JOURNEYMAN_HOME.",
            )
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            complain("interrupted", "")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    # Help stays plain text that pipes well, and is ready sooner.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "journeyman init digits && cd digits",
        "journeyman up",
        "journeyman submit train.yaml --follow",
        "journeyman deploy service.yaml",
        "journeyman query digits --example",
    ),
)
for verbs in (init.verbs, stack.verbs, jobs.verbs, services.verbs, models.verbs):
    app.add_typer(verbs)
app.add_typer(contexts.verbs, name="context", help="The clusters that commands may talk to.")
app.add_typer(secrets.verbs, name="secret", help="Values that jobs may use and nobody sees.")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"journeyman {__version__}")
        raise typer.Exit


@app.callback()
def journeyman(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Takes a training function to a cluster, and the model it makes to live traffic."""


def main() -> None:
    app(prog_name="journeyman")
