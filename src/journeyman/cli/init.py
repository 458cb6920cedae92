"""The verb that begins a project: init."""

from __future__ import annotations

from pathlib import Path

import typer

from journeyman.cli.output import examples, say
from journeyman.errors import UsageError

verbs = typer.Typer()

TEMPLATES = Path(__file__).parent / "templates"
NAMES = ("train.py", "train.yaml", "service.yaml")
LISTED = 5


@verbs.command(epilog=examples("journeyman init digits", "mkdir digits && cd digits && journeyman init"))
def init(
    folder: Path = typer.Argument(Path("."), help="Where to; made where it is not there."),
) -> None:
    """Write a small working example into an empty folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Name an empty folder, or one that is not there yet.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made or read: {error.strerror}", "Name a folder that you may write in."
        ) from None
    if present:
        more = f" and {len(present) - LISTED} more" if len(present) > LISTED else ""
        raise UsageError(
            f"{folder} is not empty: it holds {', '.join(present[:LISTED])}{more}",
            "Name an empty folder, such as `journeyman init digits`.",
        )
    for name in NAMES:
        try:
            (folder / name).write_bytes((TEMPLATES / name).read_bytes())
        except OSError as error:
            raise UsageError(
                f"{folder / name} cannot be written: {error.strerror}", "Name a folder that you may write in."
            ) from None
        say(f"wrote {folder / name}")
    say()
    say("Next:")
    if folder != Path("."):
        say(f"  cd {folder}")
    say("  journeyman try train.yaml               # here, in the foreground, without a cluster")
    say("  journeyman up                           # a cluster on this machine")
    say("  journeyman submit train.yaml --follow")
    say("  journeyman deploy service.yaml")
    say("  journeyman query digits --example")
