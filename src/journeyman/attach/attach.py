"""Attaching to a cluster and an MLflow server that something else started: proved first, then controlled.

Nothing there is started or changed but what orders ask for. What runs here is control.
"""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from journeyman.attach.proof import Node, judge, read_output
from journeyman.cluster.archive import Archive, own_archive, package_uri
from journeyman.cluster.capacity import Growth
from journeyman.cluster.contexts import check_cluster, check_name, context_folder, use_context
from journeyman.cluster.local.plan import Plan, Target, read_plan, write_plan
from journeyman.cluster.local.stack import Endpoints, Report, start, stop
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import (
    SERVE_PORT,
    check_address,
    check_listens,
    cluster_of,
    default_listens,
    make_home,
    read_token,
    serve_address,
    write_token,
)
from journeyman.errors import RefusedError, StackError, UsageError
from journeyman.tracking.lease.lease import clock
from journeyman.tracking.lease.witness import (
    AnotherCluster,
    SameAs,
    control_lives,
    control_runs_of_all,
    holder_of,
    judge_name,
    known_clusters,
)
from journeyman.tracking.mlflow_rest import Mlflow

PROOF_LIMIT_S = 300.0
_POLL_S = 0.5
_LAST_LINES = 5
_NO_AGENT = "No available agent"
_NO_RAY = "No module named 'ray'"


def attach(
    home: Path,
    name: str,
    *,
    ray_url: str,
    mlflow_url: str,
    serve_url: str | None,
    listens: str | None,
    storage: str,
    growth: tuple[Growth, ...] | None,
    cluster: str | None,
    environ: Mapping[str, str],
    report: Report,
) -> Endpoints:
    """Prove the cluster, remember it as context `name`, and start control for it.

    `listens` is what Serve is to listen on, on each node. `growth` is what its autoscaler may add, None where
    nobody says; `cluster` is whose records are ours, None for what the context says, or else the address.

    Raises UsageError naming all that stands in the way, UnreachableError and DeniedError.
    """
    listens = listens or default_listens(ray_url)
    check_listens("--listen", listens)
    port = urlsplit(f"//{listens}").port or SERVE_PORT
    target = Target(
        ray_url=_address("--address", ray_url),
        mlflow_url=_address("--mlflow", mlflow_url),
        serve_url=_address("--serve", serve_url) if serve_url else serve_address(ray_url, port),
        serve_listens=listens,
        storage=storage.rstrip("/"),
        stack=uuid.uuid4().hex,
        growth=growth,
    )
    check_name(name)
    folder = context_folder(home, name)
    cluster = cluster or _name_before(folder, target) or cluster_of(ray_url)
    check_cluster(cluster)
    token = read_token(environ, folder)
    mlflow, ray = Mlflow(target.mlflow_url, environ), Ray(target.ray_url, token, environ)
    try:
        notes = _check_versions(ray, mlflow, report)
        _check_identity(ray, mlflow, cluster)
        nodes = _prove(ray, target, report)
    finally:
        mlflow.close()
        ray.close()
    verdict = judge(nodes, target.mlflow_url, target.storage)
    if verdict.obstacles:
        raise UsageError(f"{target.ray_url} cannot be used", "\n".join(verdict.obstacles))
    make_home(home)
    make_home(folder)
    # A control that this home runs for it already is started anew, with what was just said.
    stop(folder)
    if token is not None:
        write_token(folder, token)
    plan = Plan(cluster=cluster, ports={}, notes=(*notes, *verdict.notes), target=target)
    write_plan(folder, plan, running=False)
    endpoints = start(folder, report)
    use_context(home, name)
    return endpoints


def _address(option: str, url: str) -> str:
    check_address(option, url)
    return url.rstrip("/")


def _name_before(folder: Path, target: Target) -> str | None:
    """What the context calls the cluster, where it is of the same address."""
    plan = read_plan(folder)
    same = plan is not None and plan.target is not None and plan.target.ray_url == target.ray_url
    return plan.cluster if plan is not None and same else None


def _check_identity(ray: Ray, mlflow: Mlflow, cluster: str) -> None:
    """Raises UsageError where the name is another cluster's, or the cluster has another name."""
    known = known_clusters(control_runs_of_all(mlflow))
    verdict = judge_name(cluster, ray.cluster_id(), known)
    match verdict:
        case SameAs():
            raise UsageError(
                f"the cluster at {ray.url} is known as {verdict.cluster!r}, and not as {cluster!r}",
                f"Its jobs and services are recorded under that name: add `--cluster {verdict.cluster}`.",
            )
        case AnotherCluster() if control_lives(mlflow, cluster, verdict.known.ledger, clock, time.sleep):
            raise UsageError(
                f"{cluster!r} is another cluster, which {holder_of(verdict.known)} is in control of",
                f"Give the one at {ray.url} a name of its own: `--cluster NAME`.",
            )
        case _:
            # Known, new, or a head that was started anew.
            pass


def _check_versions(ray: Ray, mlflow: Mlflow, report: Report) -> tuple[str, ...]:
    there, here = ray.version(), version("ray")
    report("ray", f"{there} at {ray.url}")
    if _minor(there) != _minor(here):
        raise UsageError(
            f"the cluster at {ray.url} runs Ray {there}, and Journeyman is made for {_minor(here)}",
            f"Start the cluster with Ray {here}.",
        )
    there, here = mlflow.version(), version("mlflow")
    report("mlflow", f"{there} at {mlflow.url}")
    if _minor(there) != _minor(here):
        return (f"MLflow's server is {there}, and Journeyman is made for {_minor(here)}",)
    return ()


def _minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


def _submit(ray: Ray, submission_id: str, entrypoint: str, archive: Archive, deadline_s: float) -> None:
    while True:
        try:
            ray.submit(submission_id, entrypoint, {"py_modules": [package_uri(archive.package)]}, {})
            return
        except RefusedError as error:
            # A cluster that was started just now has a dashboard before it has an agent to run anything.
            if _NO_AGENT not in error.message or time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)


def _prove(ray: Ray, target: Target, report: Report) -> list[Node]:
    """What a job finds on each node. Raises StackError where it does not come to its end."""
    archive = own_archive()
    ray.keep_package(archive)
    report("cluster", f"has this Journeyman, {len(archive.content) / 1024:.0f} KiB; a job looks at each node")
    submission_id = f"journeyman-proof-{uuid.uuid4().hex[:12]}"
    entrypoint = shlex.join(
        ["python", "-m", "journeyman.attach.proof_job", target.mlflow_url, target.storage]
    )
    deadline_s = time.monotonic() + PROOF_LIMIT_S
    _submit(ray, submission_id, entrypoint, archive, deadline_s)
    while not (job := ray.job(submission_id)).ended:
        if time.monotonic() > deadline_s:
            ray.stop(submission_id)
            raise StackError(
                f"a job that looks at the nodes of {ray.url} has not ended after {PROOF_LIMIT_S:.0f} s",
                f"It is {job.status}: {job.message}",
            )
        time.sleep(_POLL_S)
    output = ray.job_output(submission_id)
    nodes = read_output(output)
    if nodes is None:
        if _NO_RAY in output:
            raise UsageError(
                f"`python` on the head of {ray.url} is not the Python that Ray runs in",
                "Start Ray with its environment activated: its jobs are started with `python` from the PATH.",
            )
        last = output.strip().splitlines()[-_LAST_LINES:] or [job.message]
        raise StackError(
            f"a job that looks at the nodes of {ray.url} failed", "Its last words:\n" + "\n".join(last)
        )
    for node in nodes:
        packages = ", ".join(f"{name} {found}" for name, found in node.packages.items())
        report("node", f"{node.name}: Python {node.python}, {packages}")
    return nodes
