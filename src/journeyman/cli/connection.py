"""The client of one verb: made when the verb needs it, closed when the verb ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from journeyman.client import Client


def connect(context: typer.Context) -> Client:
    """Raises StackDownError where there is nothing to talk to."""
    from journeyman.client import Client

    client = Client()
    context.call_on_close(client.close)
    return client
