"""The client of one verb: made when the verb needs it, closed when the verb ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from journeyman.client import Client


def connect(context: typer.Context) -> Client:
    """The client that the caller of the app gave as its object, else one of the context in force.

    Raises StackDownError where there is nothing to talk to.
    """
    from journeyman.client import Client

    if isinstance(context.obj, Client):
        return context.obj
    client = Client()
    context.call_on_close(client.close)
    return client


def connect_to_write(context: typer.Context) -> Client:
    """As connect(), and tells which cluster is about to be written to: apart from what the verb prints."""
    client = connect(context)
    settings = client.settings
    typer.echo(f"on {settings.context or 'the cluster'} ({settings.ray_url})", err=True)
    return client
