"""Ray over HTTP: jobs, code packages, nodes and the configuration of Serve, all on the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from journeyman.cluster.archive import Archive
from journeyman.cluster.capacity import Capacity, Growth, Occupant, nodes_to_come
from journeyman.cluster.node_summary import launched_by_autoscaler, living_nodes, scaled_by_monitor
from journeyman.cluster.ray_state import Application, RayJob, Replica
from journeyman.errors import DeniedError, NotFoundError, RefusedError, UnreachableError
from journeyman.home import home_folder, trusts_proxies, why_not_asked

STACK_TIMEOUT_S = 15.0
"""A process that is frozen in the kernel keeps whoever looks into it for ever."""


class Ray:
    """A client of one Ray cluster's dashboard. Threads may share it.

    Raises UnreachableError where it does not answer, NotFoundError and RefusedError where it says no,
    DeniedError where it says no to the token. `environ` is where the home folder is said, whose own stack's
    Ray is told from what another user runs in its place.
    """

    def __init__(self, url: str, token: str | None, environ: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self._home = home_folder(environ)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(30, connect=5),
            trust_env=trusts_proxies(self.url),
            # Reading the certificates takes 40 ms, for which plain http has no use.
            verify=self.url.startswith("https://"),
        )

    def close(self) -> None:
        self._http.close()

    # -- nodes ---------------------------------------------------------------------------------------

    def capacity(self, growth: tuple[Growth, ...] | None, applications: tuple[Application, ...]) -> Capacity:
        """What the nodes hold, and who holds it; `growth` is None where nobody said what may be added."""
        summary = self._node_summary()
        nodes = tuple(node for _, node in living_nodes(summary))
        return Capacity(
            nodes=nodes,
            to_come=nodes_to_come(growth or (), nodes),
            growth_unknown=growth is None and self._autoscales(summary),
            occupants=tuple(
                Occupant(name=a.name, replicas=len(a.replicas), held=a.held) for a in applications if a.held
            ),
        )

    def free_gpus(self) -> dict[str, float]:
        """How many GPUs nobody holds, by the address of the node."""
        return {ip: node.free.get("GPU", 0) for ip, node in living_nodes(self._node_summary())}

    def _node_summary(self) -> Mapping[str, Any]:
        # Ray answers with what it told the last time, however long ago that was, and only then looks anew.
        data: Mapping[str, Any] = self._json("GET", "/nodes?view=summary&nocache=1")["data"]
        return data

    def _autoscales(self, summary: Mapping[str, Any]) -> bool:
        if launched_by_autoscaler(summary):
            return True
        return scaled_by_monitor(self._json("GET", "/api/cluster_status")["data"])

    def metrics_urls(self) -> list[str]:
        """Where each node exports its Prometheus metrics."""
        summary = self._json("GET", "/nodes?view=summary")["data"]["summary"]
        urls = []
        for node in summary:
            raylet = node.get("raylet") or {}
            if raylet.get("state") == "ALIVE" and raylet.get("metricsExportPort"):
                urls.append(f"http://{node['ip']}:{raylet['metricsExportPort']}/metrics")
        return urls

    def version(self) -> str:
        return str(self._json("GET", "/api/version")["ray_version"])

    def cluster_id(self) -> str | None:
        """Ray's own, another after each start of a head that keeps nothing; None where it is not told."""
        try:
            told = self._json("GET", "/cluster_id")["data"]["clusterId"]
        except (NotFoundError, RefusedError, KeyError, TypeError, ValueError):
            # The route belongs to Ray's statistics of use, and is promised by nobody.
            return None
        return str(told) or None

    # -- jobs ----------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, RayJob]:
        """By submission id."""
        bodies = self._json("GET", "/api/jobs/")
        return {body["submission_id"]: _ray_job(body) for body in bodies if body.get("submission_id")}

    def job(self, submission_id: str) -> RayJob:
        return _ray_job(self._json("GET", f"/api/jobs/{submission_id}"))

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
        node: Mapping[str, float] | None = None,
        gpus: float = 0,
    ) -> None:
        """`node` is what the driver takes of a resource that tells nodes apart, `gpus` what it computes on.

        Raises RefusedError where the id was submitted before.
        """
        body = {
            "submission_id": submission_id,
            "entrypoint": entrypoint,
            "runtime_env": runtime_env,
            "metadata": metadata,
            "entrypoint_resources": dict(node or {}),
            "entrypoint_num_gpus": gpus,
        }
        self._json("POST", "/api/jobs/", json=body)

    def job_output(self, submission_id: str) -> str:
        """What its driver printed."""
        return str(self._json("GET", f"/api/jobs/{submission_id}/logs")["logs"])

    def stop(self, submission_id: str) -> None:
        self._json("POST", f"/api/jobs/{submission_id}/stop")

    def stack(self, node_id: str, pid: int) -> str:
        """The Python stacks of a process on a node, as py-spy sees them there; the process is paused for it.

        Raises RefusedError where they cannot be had, within STACK_TIMEOUT_S too.
        """
        query = {"node_id": node_id, "pid": str(pid), "native": "0"}
        try:
            answer = self._answer("GET", "/worker/traceback", params=query, timeout=STACK_TIMEOUT_S)
        except UnreachableError as error:
            if isinstance(error.__cause__, httpx.ReadTimeout):
                raise RefusedError(
                    f"no stack within {STACK_TIMEOUT_S:g} s", "Its process or its node may be frozen."
                ) from None
            raise
        if answer.is_success:
            return answer.text
        raise RefusedError(*stack_refusal(answer.text))

    # -- code ----------------------------------------------------------------------------------------

    def has_package(self, name: str) -> bool:
        try:
            self._send("GET", f"/api/packages/gcs/{name}")
        except NotFoundError:
            return False
        return True

    def upload_package(self, name: str, content: bytes) -> None:
        self._send("PUT", f"/api/packages/gcs/{name}", content=content)

    def keep_package(self, archive: Archive) -> None:
        """Have the cluster hold it: it forgets what nothing uses."""
        if not self.has_package(archive.package):
            self.upload_package(archive.package, archive.content)

    # -- serve ---------------------------------------------------------------------------------------

    def applications(self) -> tuple[Application, ...]:
        body = self._json("GET", "/api/serve/applications/")
        return tuple(_application(name, app) for name, app in (body.get("applications") or {}).items())

    def put_applications(self, config: Mapping[str, Any]) -> None:
        """Declarative for the whole cluster: an application missing from the body is deleted."""
        self._send("PUT", "/api/serve/applications/", json=config)

    # -- transport -----------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **kwargs: Any) -> Any:
        return orjson.loads(self._send(method, path, **kwargs).content)

    def _answer(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            if why := why_not_asked(self.url, self._home):
                raise httpx.ConnectError(why)
            return self._http.request(method, path, **kwargs)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Ray at {self.url} does not answer: {why or type(error).__name__}",
                "`journeyman status` tells which part is down; `journeyman up` starts the local stack.",
            ) from error

    def _send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        answer = self._answer(method, path, **kwargs)
        if answer.is_success:
            return answer
        if answer.status_code == 404:
            raise NotFoundError(f"Ray at {self.url} knows nothing at {path}")
        if answer.status_code in (401, 403):
            raise DeniedError(
                f"Ray at {self.url} wants another token ({answer.status_code})",
                "Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token.",
            )
        lines = answer.text.strip().splitlines() or [""]
        raise RefusedError(
            f"Ray at {self.url} refused {method} {path} ({answer.status_code}): {lines[-1][:400]}"
        )


def _ray_job(body: Mapping[str, Any]) -> RayJob:
    return RayJob(
        submission_id=body["submission_id"],
        status=body["status"],
        message=body.get("message") or "",
        exit_code=body.get("driver_exit_code"),
    )


_STACK_REFUSALS = {
    "Profiling is disabled": (
        "Ray's dashboard shows no stacks",
        "Start the head node with RAY_DASHBOARD_ENABLE_PROFILING=1.",
    ),
    "not installed": ("its node has no py-spy", "Install py-spy beside Ray; `ray[default]` brings it."),
    "Permission": (
        "py-spy may not look into the process",
        "Let Ray's nodes trace processes: CAP_SYS_PTRACE in a container, else kernel.yama.ptrace_scope=0.",
    ),
    # A process that is stopped stops for py-spy too, but not as it expects.
    "SIGSTOP": (
        "the process is stopped, as SIGSTOP does",
        "`kill -CONT` on its node lets it go on.",
    ),
    "Check that the process is running": ("the process is gone", ""),
    "Failed to get agent address": ("its node is gone", ""),
}
"""What Ray and py-spy say, and what that means for whoever asked."""


def stack_refusal(text: str) -> tuple[str, str]:
    """Why there is no stack, and what to do."""
    for mark, told in _STACK_REFUSALS.items():
        if mark in text:
            return told
    lines = [line.strip() for line in text.splitlines()]
    said = next((line for line in lines if line.startswith("Error:")), next(filter(None, lines), "no reason"))
    return f"Ray shows no stack of the process: {said[:300]}", ""


def _application(name: str, body: Mapping[str, Any]) -> Application:
    replicas: list[Replica] = []
    held: dict[str, float] = {}
    target = 0
    messages = [body.get("message") or ""]
    for deployment in (body.get("deployments") or {}).values():
        options = (deployment.get("deployment_config") or {}).get("ray_actor_options") or {}
        amounts = {"CPU": float(options.get("num_cpus") or 0), "GPU": float(options.get("num_gpus") or 0)}
        messages.append(deployment.get("message") or "")
        target += int(deployment.get("target_num_replicas") or 0)
        for replica in deployment.get("replicas") or []:
            replicas.append(
                Replica(
                    replica_id=replica["replica_id"],
                    state=replica["state"],
                    node_ip=replica.get("node_ip") or "",
                )
            )
            if replica["state"] in ("RUNNING", "UPDATING", "STOPPING"):
                for key, amount in amounts.items():
                    if amount:
                        held[key] = held.get(key, 0) + amount
    return Application(
        name=name,
        status=body["status"],
        message="\n".join(filter(None, messages)),
        replicas=tuple(replicas),
        target_replicas=target,
        held=held,
        config=body.get("deployed_app_config") or {},
        route_prefix=body.get("route_prefix") or "",
        declared=body.get("source") != "imperative",
    )
