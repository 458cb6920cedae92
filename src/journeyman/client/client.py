"""The SDK: submit jobs, deploy services, query them, over HTTP alone. The CLI is written on it.

Orders are written to MLflow and control carries them out; what is read here is what MLflow and the services
say. What only orders need (the packing of code) is imported where one is made: listings must be fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from journeyman.client import control, jobs, models, services
from journeyman.client.connection import Connection
from journeyman.client.control import Control
from journeyman.client.jobs import Job
from journeyman.client.log_reader import LogChunk
from journeyman.client.models import Exported
from journeyman.client.plan import Plan
from journeyman.client.services import Answer, Service
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings, load_settings
from journeyman.jobs.stacks import RankStack
from journeyman.serve.verdict import Verdict
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow


class Client:
    """Everything a person does with Journeyman, from Python.

    Raises UsageError for what the caller can put right, UnreachableError where a server is away.
    `mlflow` and `ray` stand for the servers that the settings lead to, such as those of journeyman.testing.
    """

    def __init__(
        self, settings: Settings | None = None, *, mlflow: MlflowApi | None = None, ray: RayApi | None = None
    ) -> None:
        self.settings = settings or load_settings(os.environ)
        self._connection = Connection(
            settings=self.settings,
            mlflow=mlflow or Mlflow(self.settings.mlflow_url, os.environ),
            ray=ray or Ray(self.settings.ray_url, self.settings.ray_token, os.environ),
        )

    def close(self) -> None:
        self._connection.mlflow.close()
        self._connection.ray.close()

    # -- jobs ----------------------------------------------------------------------------------------

    def submit(
        self, file: Path, assignments: Sequence[str] = (), warn: Callable[[str], None] = lambda message: None
    ) -> Job:
        """Order a job; `warn` is told where it may wait in vain.

        Raises SpecError, and UsageError where it could never run on this cluster.
        """
        return jobs.submit(self._connection, file, assignments, warn)

    def plan(self, file: Path, assignments: Sequence[str] = ()) -> Plan:
        """What submitting would do now, as control decides it, over the jobs that the caller may see."""
        return jobs.plan(self._connection, file, assignments)

    def jobs(self, limit: int = 30) -> list[Job]:
        """Newest first; those that cannot be read are among them."""
        return jobs.jobs(self._connection, limit)

    def unfinished_jobs(self) -> list[Job]:
        """All that have not ended, newest first."""
        return jobs.unfinished_jobs(self._connection)

    def job(self, reference: str | None = None) -> Job:
        """The job of an id, of the beginning of one, or the latest of a name; without one, the latest."""
        return jobs.job(self._connection, reference)

    def job_to_cancel(self, reference: str) -> Job:
        """As job(); and by its id also an order whose submission was cut short, which is listed nowhere."""
        return jobs.job_to_cancel(self._connection, reference)

    def cancel(self, reference: str) -> Job:
        """Ask for the job to be stopped; control does it. An order that was cut short is ended here."""
        return jobs.cancel(self._connection, reference)

    def logs(self, job: Job, source: str = "all", tail: int | None = None) -> Iterator[LogChunk]:
        """What is stored of the logs, or the last lines of each source; `source` is all, driver or a rank."""
        return jobs.logs(self._connection, job, source, tail)

    def follow_logs(self, job: Job, source: str = "all", tail: int | None = None) -> Iterator[LogChunk]:
        """The logs as they come, from the last lines that there are, until the job has ended."""
        return jobs.follow_logs(self._connection, job, source, tail)

    def stacks(self, job: Job, rank: int | None = None) -> list[RankStack]:
        """What each rank of a running job does now, or `rank` alone. Raises UsageError where none runs."""
        return jobs.stacks(self._connection, job, rank)

    def history(self, job: Job, metric: str) -> list[tuple[int, float]]:
        """Each point of a metric as (step, value), by step."""
        return jobs.history(self._connection, job, metric)

    # -- services ------------------------------------------------------------------------------------

    def deploy(self, order: Path | Mapping[str, Any], assignments: Sequence[str] = ()) -> Service:
        """Order a service, by a file or what would be in it, or change the order of one that is there.

        Of two that are ordered by one name at once there is one; it has one of the two orders.
        """
        return services.deploy(self._connection, order, assignments)

    def plan_deploy(self, order: Path | Mapping[str, Any], assignments: Sequence[str] = ()) -> list[str]:
        """What deploying would change, a line each."""
        return services.plan_deploy(self._connection, order, assignments)

    def rollback(self, name: str) -> tuple[Service, list[str]]:
        """Order again what was ordered before; the service, and what changes. Raises NotFoundError."""
        return services.rollback(self._connection, name)

    def services(self) -> list[Service]:
        """Those that are deployed, by name; those that cannot be read are among them."""
        return services.services(self._connection)

    def service(self, reference: str) -> Service:
        """The live one of a name, or the one of a run's id or the beginning of one."""
        return services.service(self._connection, reference)

    def verdicts(self, service: Service) -> list[Verdict]:
        """What races of engines found for the version that serves, one a kind of hardware.

        Empty until a prepare job has ended. One that cannot be read tells so in `failed`.
        """
        return services.verdicts(self._connection, service)

    def wait_until_healthy(self, name: str, timeout_s: float, report: Callable[[Service], None]) -> Service:
        """The service, once it is healthy with what is ordered. `report` is told of each look at it.

        Raises JourneymanError where the service does not get there, also where it is
        healthy with the version before, since the one that is ordered was refused.
        """
        return services.wait_until_healthy(self._connection, name, timeout_s, report)

    def undeploy(self, reference: str) -> Service:
        """Ask for a service to be taken down, by its name or the id of its run; control does it."""
        return services.undeploy(self._connection, reference)

    def query(self, name: str, body: bytes, content_type: str = "application/json") -> Answer:
        """Ask a service; whatever it answers is returned, refusals too."""
        return services.query(self._connection, name, body, content_type)

    def example(self, name: str) -> bytes:
        """A request body that the service's model answers."""
        return services.example(self._connection, name)

    # -- models, control -----------------------------------------------------------------------------

    def export(self, model: str, folder: Path, *, replace: bool = False) -> Exported:
        """The ONNX form of `models:/name@alias` or `models:/name/3`, below `folder`.

        Raises UsageError where there is none, and where a file is there already that may not be replaced.
        """
        return models.export(self._connection, model, folder, replace)

    def control(self) -> Control | None:
        """The one that is in control of the cluster, or was last; None where none was, or it let go."""
        return control.control(self._connection)
