"""The start of a replica's process: what Ray's worker imports is imported in time that nobody else wants.

Ray starts it as its Python: `python -P -m journeyman.serve.replica.process WORKER ARGUMENTS…`. Ray and Serve
are 1.5 s of processor time, which whoever answers on that machine would wait for.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

from journeyman.cluster.priority import use_idle_time
from journeyman.compat.ray_modules import SERVE_CONTROLLER, SERVE_REPLICA

_IMPORTED = (
    SERVE_REPLICA,
    "journeyman.serve.replica.deployment",
    # What these import only once they run.
    "anyio._backends._asyncio",
    "httpcore",
    "journeyman.serve.proxy.ingress",
    "journeyman.serve.protocols.open_inference_rpc_pb2_grpc",
    "pydantic.v1",
    SERVE_CONTROLLER,
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
_AT_MOST_S = 20
"""Ray ends a worker that has not registered after 60 s, and a full machine may have no time to give."""


def main(command: list[str]) -> None:
    """Becomes the program of `command`, with what it imports already there."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # It starts threads that models compute with, and a thread has the policy of who started it.
        import_module("numpy")
    importing = Thread(target=_import_in_idle_time, daemon=True)
    importing.start()
    importing.join(_AT_MOST_S)
    if importing.is_alive():
        # An idle thread cannot be hurried, and it holds the locks of what it imports.
        os.execv(sys.executable, [sys.executable, *command])
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")


def _import_in_idle_time() -> None:
    use_idle_time()
    for module in _IMPORTED:
        import_module(module)


if __name__ == "__main__":
    main(sys.argv[1:])
