"""What a cluster that something else started is like, and what of that stands in the way. Pure.

A job that runs on each node (`proof_job`) finds it out and prints it, as JSON behind a mark.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MARK = "journeyman-proof:"
LEAST_PYTHON = (3, 11)
SERVE_FLAGS = ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_THROUGHPUT_OPTIMIZED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node as a job finds it."""

    name: str
    python: str
    packages: Mapping[str, str]
    """Of those that Journeyman shares with a job: the version that is there."""
    unmet: Sequence[str]
    """Requirements of Journeyman that the node does not meet, as `torch>=2.10 (2.9.0 is there)`."""
    mlflow_trouble: str
    """Why MLflow does not answer from here; empty where it does."""
    storage_trouble: str
    """Why nothing can be written to the storage from here; empty where it can."""
    unseen: Sequence[str]
    """Names of the nodes whose files in the storage this one does not see."""
    serve_flags: Sequence[str]
    """Of Serve's flags for its fast ingress, those that are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What stands in the way of working with a cluster, and what a person should know."""

    obstacles: Sequence[str]
    notes: Sequence[str]


def judge(nodes: Sequence[Node], mlflow_url: str, storage: str) -> Verdict:
    """Nothing may stand in the way on any node."""
    obstacles: list[str] = []
    notes: list[str] = []
    for node in nodes:
        where = f"node {node.name}"
        if _python(node.python) < LEAST_PYTHON:
            least = ".".join(map(str, LEAST_PYTHON))
            obstacles.append(f"{where} runs Python {node.python}; Journeyman needs {least} or newer")
        if node.unmet:
            obstacles.append(
                f"{where} lacks {', '.join(node.unmet)}: install it there, such as in the nodes' image"
            )
        if node.mlflow_trouble:
            obstacles.append(f"{where} does not reach MLflow at {mlflow_url}: {node.mlflow_trouble}")
        if node.storage_trouble:
            obstacles.append(f"{where} cannot write to {storage}: {node.storage_trouble}")
        elif node.unseen:
            obstacles.append(
                f"{where} does not see what {', '.join(node.unseen)} wrote to {storage}: "
                "name a folder that all nodes share, or an address such as s3://bucket/runs"
            )
    here = platform.python_version()
    others = sorted({node.python for node in nodes} - {here})
    if others:
        notes.append(
            f"the cluster runs Python {', '.join(others)}, and this machine {here}: jobs use the cluster's"
        )
    if any(set(node.serve_flags) != set(SERVE_FLAGS) for node in nodes):
        flags = " ".join(f"{flag}=1" for flag in SERVE_FLAGS)
        notes.append(
            f"services answer through Ray Serve's Python proxy, a tenth as fast: start the nodes with {flags}"
        )
    return Verdict(obstacles=obstacles, notes=notes)


def read_output(output: str) -> list[Node] | None:
    """What the job printed; None where it did not get that far."""
    for line in output.splitlines():
        if line.startswith(MARK):
            return [Node(**body) for body in json.loads(line.removeprefix(MARK))]
    return None


def _python(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])
