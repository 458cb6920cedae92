"""Servers in memory, for tests of what stands on MLflow and Ray: nothing is started and nobody is asked.

    from journeyman.testing import FakeMlflow, FakeRay

    mlflow, ray = FakeMlflow(lambda: 1_000_000.0), FakeRay()
    ray.add_node({"CPU": 8.0})
    client = Client(settings, mlflow=mlflow, ray=ray)
    control = JobController(mlflow, ray, settings, "control", None)
    client.submit(Path("train.yaml"))
    control.step(1_000_000.0)

Both answer and refuse as the real servers do: one suite of tests holds them and the real ones to the same
facts. What a job, a replica or a person does to the servers is done by methods that no client has.
"""

from __future__ import annotations

from journeyman.testing.fake_mlflow import FakeMlflow
from journeyman.testing.fake_ray import FakeRay
from journeyman.testing.wire import Wire, direct

__all__ = ["FakeMlflow", "FakeRay", "Wire", "direct"]
