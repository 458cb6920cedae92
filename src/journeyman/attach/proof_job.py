"""The job that proves a cluster: looks at each of its nodes, and prints what `proof` reads.

    python -m journeyman.attach.proof_job <mlflow url> <storage>

Of each node: Python, the packages Journeyman needs, whether MLflow lets it in, and whether what one node
writes to the storage another can read.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import uuid
from dataclasses import asdict, replace
from importlib.metadata import requires
from typing import Any

import ray
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from journeyman.attach.proof import MARK, SERVE_FLAGS, Node
from journeyman.cluster.requirements import installed_version, unmet
from journeyman.errors import JourneymanError, in_one_line
from journeyman.tracking.mlflow_rest import Mlflow

_TOLD = ("ray", "mlflow", "torch")


def look(mlflow_url: str, storage: str, folder: str) -> Node:
    """The node this runs on; leaves a file of its name in a folder of the storage."""
    lacking = unmet(requires("journeyman") or ())
    name = f"{ray.util.get_node_ip_address()}-{ray.get_runtime_context().get_node_id()[:8]}"
    return Node(
        name=name,
        python=platform.python_version(),
        packages={package: found for package in _TOLD if (found := installed_version(package))},
        unmet=(*lacking.missing, *lacking.other),
        mlflow_trouble=_mlflow_trouble(mlflow_url),
        storage_trouble=_storage_trouble(storage, folder, name),
        unseen=(),
        serve_flags=[flag for flag in SERVE_FLAGS if os.environ.get(flag) == "1"],
    )


def seen(storage: str, folder: str) -> list[str]:
    """The names of the nodes whose files this one finds in the storage."""
    filesystem, path = _filesystem(storage)
    found = filesystem.get_file_info(FileSelector(f"{path}/{folder}", allow_not_found=True))
    return [file.base_name for file in found]


def _filesystem(storage: str) -> tuple[FileSystem, str]:
    """As Ray Train finds it: an address of pyarrow's, or a path."""
    if "://" not in storage:
        return LocalFileSystem(), storage
    filesystem, path = FileSystem.from_uri(storage)
    return filesystem, path


def _storage_trouble(storage: str, folder: str, name: str) -> str:
    try:
        filesystem, path = _filesystem(storage)
        filesystem.create_dir(f"{path}/{folder}", recursive=True)
        with filesystem.open_output_stream(f"{path}/{folder}/{name}") as file:
            file.write(b"written to prove that this storage can be\n")
    except Exception as error:  # noqa: BLE001
        # Filesystems of many makers raise what they like.
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return ""


def _mlflow_trouble(url: str) -> str:
    mlflow = Mlflow(url, os.environ)
    try:
        mlflow.experiments()
    except JourneymanError as error:
        return in_one_line(error)
    finally:
        mlflow.close()
    return ""


def _everywhere(function: Any, *arguments: str) -> list[Any]:
    """What the function returns on each node that is alive, in the same order each time."""
    task = ray.remote(num_cpus=0, max_retries=0)(function)
    alive = sorted(node["NodeID"] for node in ray.nodes() if node["Alive"])
    pinned = [NodeAffinitySchedulingStrategy(node_id, soft=False) for node_id in alive]
    asked = [task.options(scheduling_strategy=strategy).remote(*arguments) for strategy in pinned]
    found: list[Any] = ray.get(asked)
    return found


def main() -> None:
    mlflow_url, storage = sys.argv[1:]
    folder = f".proof-{uuid.uuid4().hex[:12]}"
    ray.init(log_to_driver=False)
    nodes: list[Node] = _everywhere(look, mlflow_url, storage, folder)
    if not any(node.storage_trouble for node in nodes):
        everyone = {node.name for node in nodes}
        nodes = [
            replace(node, unseen=sorted(everyone - set(names)))
            for node, names in zip(nodes, _everywhere(seen, storage, folder), strict=True)
        ]
        filesystem, path = _filesystem(storage)
        filesystem.delete_dir(f"{path}/{folder}")
    sys.stdout.write(f"{MARK}{json.dumps([asdict(node) for node in nodes])}\n")


if __name__ == "__main__":
    main()
