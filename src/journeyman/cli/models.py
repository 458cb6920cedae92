"""The verb of models: export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from journeyman.cli.connection import connect
from journeyman.cli.output import examples, say

verbs = typer.Typer()


class Format(StrEnum):
    """What a version can be exported as."""

    ONNX = "onnx"


@verbs.command(
    epilog=examples(
        "journeyman export models:/digits@champion --format onnx out/",
        "journeyman export models:/digits/3 out/ --yes",
    )
)
def export(
    context: typer.Context,
    model: str = typer.Argument(help="models:/NAME@ALIAS or models:/NAME/VERSION."),
    folder: Path = typer.Argument(help="Where the files go; it is made."),
    form: Format = typer.Option(Format.ONNX, "--format", help="For devices without PyTorch."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Replace files that are there."),
) -> None:
    """A registered version as a file for another device."""
    exported = connect(context).export(model, folder, replace=yes)
    size_mib = sum(path.stat().st_size for path in exported.paths) / 2**20
    say(f"{exported.model} version {exported.version} as {form}, {size_mib:.1f} MiB:")
    for path in exported.paths:
        say(f"  {path}")
