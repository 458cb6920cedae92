"""MLflow over REST: who waits for a server that is away, and who is told at once."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from journeyman.errors import UnreachableError
from journeyman.tracking.mlflow_rest import Mlflow, page_url

AWAY_S = 1.5


class Aliases(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"registered_model": {"aliases": [{"alias": "champion", "version": 3}]}}')

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place for it."""


def test_patient_client_waits_for_a_server_that_is_away_and_others_do_not() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(UnreachableError, match="does not answer"):
        Mlflow(url).aliases("digits")

    servers: list[HTTPServer] = []

    def come_back() -> None:
        time.sleep(AWAY_S)
        servers.append(HTTPServer(("127.0.0.1", port), Aliases))
        servers[0].handle_request()

    thread = threading.Thread(target=come_back)
    thread.start()
    assert Mlflow(url, patience_s=60).aliases("digits") == {"champion": "3"}
    thread.join()
    servers[0].server_close()


def test_page_opens_in_the_view_for_training() -> None:
    assert page_url("http://m:5000", "models/digits") == (
        "http://m:5000/#/models/digits?workflowType=machine_learning"
    )
