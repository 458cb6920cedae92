"""What control and the client call on a Ray cluster; the real client and the fake both have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from journeyman.cluster.archive import Archive
from journeyman.cluster.capacity import Capacity, Growth
from journeyman.cluster.ray_state import Application, RayJob


class RayApi(Protocol):
    """One Ray cluster. Threads may share it.

    Every method raises UnreachableError where the cluster does not answer, NotFoundError for what is not
    there, RefusedError where the cluster says no, DeniedError where it says no to the token.
    """

    @property
    def url(self) -> str: ...

    def close(self) -> None: ...

    # -- nodes ---------------------------------------------------------------------------------------

    def capacity(self, growth: tuple[Growth, ...] | None, applications: tuple[Application, ...]) -> Capacity:
        """What the nodes hold, and who holds it; `growth` is None where nobody said what may be added."""

    def free_gpus(self) -> dict[str, float]:
        """How many GPUs nobody holds, by the address of the node."""

    def metrics_urls(self) -> list[str]:
        """Where each node exports its Prometheus metrics."""

    # -- jobs ----------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, RayJob]:
        """By submission id."""

    def job(self, submission_id: str) -> RayJob:
        """One of them, which costs the cluster less than the list of all there ever were."""

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
        node: Mapping[str, float] | None = None,
        gpus: float = 0,
    ) -> None:
        """Raises RefusedError where the id was submitted before."""

    def job_output(self, submission_id: str) -> str:
        """What its driver printed."""

    def stop(self, submission_id: str) -> None:
        """Ask the job to end, which it does later; one that has ended stays as it is."""

    def stack(self, node_id: str, pid: int) -> str:
        """The Python stacks of a process on a node. Raises RefusedError where they cannot be had."""

    # -- code ----------------------------------------------------------------------------------------

    def has_package(self, name: str) -> bool: ...

    def upload_package(self, name: str, content: bytes) -> None: ...

    def keep_package(self, archive: Archive) -> None:
        """Have the cluster hold it: it forgets what nothing uses."""

    # -- serve ---------------------------------------------------------------------------------------

    def applications(self) -> tuple[Application, ...]: ...

    def put_applications(self, config: Mapping[str, Any]) -> None:
        """Declarative for the whole cluster: an application missing from the body is deleted."""
