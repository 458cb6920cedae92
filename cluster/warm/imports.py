"""What a fork server has imported: all that workers, drivers and replicas need except Ray.

Ray draws ids and reads its environment as it is imported; processes that shared either would be one to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

IMPORTED = (
    # What ray.train, ray.data and Serve import of others.
    "aiohttp",
    "fastapi",
    "fsspec",
    "google.protobuf.json_format",
    "grpc.aio",
    "jsonschema",
    "msgpack",
    "opentelemetry.sdk.metrics",
    "opentelemetry.exporter.prometheus",
    "pandas",
    "prometheus_client",
    "psutil",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "requests",
    "starlette.applications",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
    "yaml",
    # What a training loop needs, torch's first optimizer included.
    "scipy.linalg",
    "torch",
    "torch._dynamo",
    "torch.distributed",
    "torch.nn.parallel",
    "torch.utils.data.distributed",
    # A worker's records and a replica's models.
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.system_metrics.system_metrics_monitor",
    "journeyman.jobs.log_shipper",
    "journeyman.jobs.outcome",
    "journeyman.jobs.place",
    "journeyman.jobs.spec",
    "journeyman.jobs.worker.fence",
    "journeyman.serve.protocols.open_inference",
    "journeyman.serve.protocols.open_inference_rpc_pb2_grpc",
    "journeyman.tracking.job_store.one_run",
    "journeyman.tracking.job_store.recorder",
)
"""Without onnxruntime: it starts a thread as it is imported, and joins it as the process ends."""
AT_START = (("journeyman.tracking.job_store.store", "begin"),)
"""What our own modules read once, as a process begins; called in a child when its environment stands."""

READ_IN_C = (
    "ARROW_", "ATEN_", "BLIS_", "DNNL_", "GLIBC_", "GOMP_", "KMP_", "LC_", "LD_", "MALLOC_", "MIMALLOC_",
    "MKL_", "NPY_", "OMP_", "ONEDNN_", "OPENBLAS_", "OPENSSL_", "PYTHON", "TBB_", "TORCH_", "VECLIB_",
)  # fmt: skip
"""How those begin that a library reads as it is loaded, unseen by Python."""
MEANWHILE_READ = ("LANG", "LANGUAGE", "HOME")
"""By the interpreter as it starts."""
HARMLESS = (
    "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",  # `first_import` goes by the child's.
    "PYTHONPATH", "PYTHONUNBUFFERED", "TEMP", "TMP", "TMPDIR",  # `child` does.
    "JOURNEYMAN_RUN_ID", "MLFLOW_TRACKING_URI",  # `AT_START` does.
    "MLFLOW_DISABLE_TELEMETRY", "_MLFLOW_TELEMETRY_SESSION_ID",  # There is none in a process of Journeyman's.
    "PATH",  # Programs are looked for when they are started.
    "PYTHONBREAKPOINT",  # Read when it is used; Ray sets it in its workers, of which drivers have it.
)  # fmt: skip


def import_all() -> dict[str, str]:
    """Imports what is there of it; returns why the others were not, by their names."""
    lacking = {}
    for name in IMPORTED:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001
            # Where one is missing or broken, who needs it says so; the others are had all the same.
            lacking[name] = f"{type(error).__name__}: {error}"
    return lacking


@contextmanager
def recorded_reads() -> Iterator[set[str]]:
    """The names of the environment variables that Python code asks for meanwhile, one by one.

    Who copies the whole of it asks for none.
    """
    kind: Any = type(os.environ)
    get, iterate = kind.__getitem__, kind.__iter__
    names, copied = set[str](), set[str]()

    def recording(environment: Any, name: Any) -> Any:
        if name in copied:
            copied.discard(name)
        elif isinstance(name, str):
            names.add(name)
        return get(environment, name)

    def copying(environment: Any) -> Iterator[str]:
        for name in iterate(environment):
            copied.add(name)
            yield name

    kind.__getitem__, kind.__iter__ = recording, copying
    try:
        yield names
    finally:
        kind.__getitem__, kind.__iter__ = get, iterate


def unlike(read: set[str], there: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The variables that decide how what is imported works, and that are not the same in both."""
    return sorted(
        name
        for name in there.keys() | wanted.keys()
        if _value(there, name) != _value(wanted, name)
        and name not in HARMLESS
        and (name in read or name in MEANWHILE_READ or name.startswith(READ_IN_C))
    )


def _value(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name)
    # Ray has workers begin with an empty one, which loads as much as none.
    return None if name == "LD_PRELOAD" and not value else value
