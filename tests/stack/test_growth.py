"""A cluster of a head alone, and an autoscaler: a job that fits only after growth starts and finishes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from journeyman.client import Client
from journeyman.cluster.contexts import context_folder
from journeyman.cluster.local.stack import stop
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import load_settings

from .growing_cluster import HEAD_CPUS, MOST_WORKERS, WORKER_CPUS
from .test_attach import LOOP, Foreign, eventually, free_port, running, typed

pytestmark = [pytest.mark.own_stack, pytest.mark.long]

ALL_CPUS = HEAD_CPUS + MOST_WORKERS * WORKER_CPUS


@pytest.fixture(params=["v1", "v2"])
def growing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Foreign]:
    """Without a worker yet, under Ray's older and its newer autoscaler."""
    with running({"RAY_AUTH_MODE": "disabled"}, tmp_path, "", "growing_cluster.py", request.param) as cluster:
        yield cluster


@pytest.mark.parametrize("said", [True, False], ids=["said", "not said"])
def test_job_that_fits_only_after_growth_starts_and_finishes(
    growing: Foreign, said: bool, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    up = ["up", "--address", growing.ray_url, "--mlflow", mlflow_url, "--storage", str(tmp_path / "runs")]
    up += ["--listen", f"127.0.0.1:{free_port()}", "--context", "grows"]
    grow = [f"--grow={MOST_WORKERS}:CPU={WORKER_CPUS}"] if said else []
    submit = ["submit", str(LOOP / "train.yaml"), "--set", f"workers={MOST_WORKERS}"]
    submit += ["--set", f"resources.cpus={WORKER_CPUS}", "--set", "config.pause_s=0.5"]
    try:
        attached = typed(*up, *grow)
        assert attached.returncode == 0, attached.stderr
        with (
            closing(Client(load_settings(os.environ))) as client,
            closing(Ray(growing.ray_url, None, os.environ)) as ray,
        ):
            before = ray.capacity(None, ())
            assert (before.totals()["CPU"], before.growth_unknown) == (HEAD_CPUS, True)
            submitted = typed(*submit)
            assert submitted.returncode == 0, submitted.stderr
            warned = "fits no node there is: needs 2 × 2 CPUs, and the cluster has 1 CPU" in submitted.stderr
            assert warned is not said, submitted.stderr
            job = client.job("chaos")
            eventually(lambda: client.job(job.run_id), lambda seen: seen.steps.get("loss", 0) > 0)
            # Of the nodes that came nothing is free, and they are told of as the head is.
            full = eventually(
                lambda: ray.capacity(None, ()), lambda seen: seen.free().get("CPU") == HEAD_CPUS
            )
            assert (len(full.nodes), full.totals()["CPU"]) == (1 + MOST_WORKERS, ALL_CPUS)
            assert all(node.known for node in full.nodes)
            done = eventually(lambda: client.job(job.run_id), lambda seen: seen.ended)
            assert (done.phase, done.attempt) == ("finished", 1), done.reason
            eventually(lambda: ray.capacity(None, ()).free()["CPU"], lambda free: free == ALL_CPUS)
            # What no growth brings is refused where it is known, and warned of where it is not.
            beyond = typed(*submit, "--dry-run", "--set", "workers=9")
            assert ("can never run" in beyond.stdout) is said, beyond.stdout + beyond.stderr
    finally:
        stop(context_folder(home, "grows"))
