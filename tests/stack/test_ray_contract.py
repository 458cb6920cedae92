"""A real Ray keeps the contract that the fake keeps, while the stack's control holds still."""

from __future__ import annotations

import os
import shlex
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import httpx
import psutil
import pytest

from journeyman.cluster.archive import package_uri
from journeyman.cluster.node_summary import launched_by_autoscaler, living_nodes
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings
from journeyman.errors import RefusedError, UnreachableError

from ..contracts.ray_contract import *  # noqa: F403
from ..contracts.ray_contract import ARCHIVE

LIMIT_S = 120.0


class RealCluster:
    def __init__(self, ray: Ray) -> None:
        self._ray = ray
        self._others = [each.config for each in ray.applications() if each.config]

    @property
    def ray(self) -> RayApi:
        return self._ray

    @property
    def others(self) -> Sequence[Mapping[str, Any]]:
        return self._others

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while True:
            # While Serve's controller is started anew the dashboard refuses to tell of applications.
            with suppress(RefusedError, UnreachableError):
                if holds():
                    return
            assert time.monotonic() < deadline, "it never held"
            time.sleep(0.1)

    def deploy_foreign(self, name: str, route_prefix: str) -> None:
        program = (
            "import journeyman_contract\n"
            "from ray import serve\n"
            "application = journeyman_contract.app({'word': 'foreign'})\n"
            f"serve.run(application, name={name!r}, route_prefix={route_prefix!r})\n"
        )
        self._run(program)

    def remove_foreign(self, name: str) -> None:
        self._run(f"from ray import serve\nserve.delete({name!r})\n")

    def restart_controller(self) -> None:
        self._run(
            "import time\n"
            "import ray\n"
            "from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE\n"
            "ray.init()\n"
            "controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)\n"
            "before = now = ray.get(controller.get_pid.remote())\n"
            "ray.kill(controller, no_restart=False)\n"
            "while now == before:\n"
            "    time.sleep(0.1)\n"
            "    try:\n"
            "        now = ray.get(controller.get_pid.remote())\n"
            "    except ray.exceptions.RayActorError:\n"
            "        pass\n"
        )

    def _run(self, program: str) -> None:
        job = uuid.uuid4().hex
        environment = {"py_modules": [package_uri(ARCHIVE.package)]}
        self._ray.submit(job, shlex.join(("python", "-c", program)), environment, {})
        self.until(lambda: self._ray.jobs()[job].ended)
        assert self._ray.jobs()[job].status == "SUCCEEDED", self._ray.job_output(job)


@pytest.fixture(scope="module")
def cluster(stack: Settings) -> Iterator[RealCluster]:
    """Control would take what these tests deploy for services, and keep them.

    The supervisor stops first and continues last: it kills a control that is silent for long.
    """
    processes = list(psutil.process_iter(["cmdline", "environ"]))
    supervisors = [
        process.pid
        for process in processes
        if {"journeyman.cluster.local.supervisor", str(stack.home)} <= {*(process.info["cmdline"] or ())}
    ]
    controls = [
        process.pid
        for process in processes
        if "journeyman.control" in (process.info["cmdline"] or ())
        and (process.info["environ"] or {}).get("JOURNEYMAN_HOME") == str(stack.home)
    ]
    assert (len(supervisors), len(controls)) == (1, 1)
    for pid in (*supervisors, *controls):
        os.kill(pid, signal.SIGSTOP)
    try:
        with closing(Ray(stack.ray_url, stack.ray_token, os.environ)) as ray:
            yield RealCluster(ray)
    finally:
        for pid in (*controls, *supervisors):
            os.kill(pid, signal.SIGCONT)


def test_dashboard_tells_of_each_node_anew(stack: Settings) -> None:
    """What it is asked for without `nocache` is what it told before."""
    headers = {"Authorization": f"Bearer {stack.ray_token}"}
    with httpx.Client(base_url=stack.ray_url, headers=headers, timeout=30) as http:
        answer = http.get("/nodes", params={"view": "summary", "nocache": "1"}).raise_for_status()
    data = answer.json()["data"]
    [(_, node)] = living_nodes(data)
    assert (node.known, node.head, node.free.keys()) == (True, True, node.total.keys())
    assert not launched_by_autoscaler(data)
    with closing(Ray(stack.ray_url, stack.ray_token, os.environ)) as ray:
        assert not ray.capacity(None, ()).growth_unknown
