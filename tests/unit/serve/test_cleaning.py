"""Which versions of a cache the records of services keep."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.models.unneeded import UNUSED_S
from journeyman.serve.records import Report, Rollout, write_report, write_rollout
from journeyman.serve.replica.cleaning import clean_cache, named_versions, services
from journeyman.testing.fake_mlflow import FakeMlflow
from journeyman.tracking.records import KIND, REPLICA, ROLLOUT, SERVICE


def service(mlflow: FakeMlflow, rollout: str, *reports: str) -> str:
    tags = {KIND: SERVICE, ROLLOUT: rollout}
    tags |= {f"{REPLICA}.{n}": report for n, report in enumerate(reports)}
    return mlflow.create_run(mlflow.experiment_id("services"), "digits", tags).run_id


def report(serving: str, candidate: str | None = None) -> str:
    return write_report(
        Report(generation=1, serving=serving, trial=1, candidate=candidate, candidate_state=None, reason="")
    )


def cached(cache: Path, *versions: str) -> None:
    then_s = time.time() - UNUSED_S - 3600
    for version in versions:
        folder = cache / "digits" / f"{version}-17"
        folder.mkdir(parents=True)
        os.utime(folder, (then_s, then_s))


def left(cache: Path) -> list[str]:
    return sorted(folder.name for folder in cache.glob("digits/*"))


def test_what_services_and_their_replicas_name_is_kept_and_the_rest_removed(tmp_path: Path) -> None:
    mlflow = FakeMlflow(clock=lambda: 1000.0)
    service(mlflow, write_rollout(Rollout(model="digits", serving="2", candidate="4")), report("1", "3"))
    ended = service(mlflow, write_rollout(Rollout(model="digits", serving="5")))
    mlflow.update_run(ended, "FINISHED", 1000)
    cached(tmp_path, *"123456")
    clean_cache(mlflow, tmp_path)
    assert left(tmp_path) == ["1-17", "2-17", "3-17", "4-17"]


@pytest.mark.parametrize(
    "rollout", ["{", "null", '{"model": "digits"}', '{"model": "digits", "serving": "1", "later": 1}']
)
def test_nothing_is_removed_where_a_record_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rollout: str
) -> None:
    mlflow = FakeMlflow(clock=lambda: 1000.0)
    service(mlflow, write_rollout(Rollout(model="digits", serving="2")))
    service(mlflow, rollout)
    cached(tmp_path, "1", "2")
    with caplog.at_level(logging.WARNING):
        clean_cache(mlflow, tmp_path)
    assert left(tmp_path) == ["1-17", "2-17"]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the cache of versions is not cleaned"
    ]


VERSION = st.sampled_from("123456")


@given(st.lists(st.tuples(VERSION, st.none() | VERSION, VERSION), max_size=4))
def test_every_version_that_a_live_record_names_is_named(orders: list[tuple[str, str | None, str]]) -> None:
    mlflow = FakeMlflow(clock=lambda: 1000.0)
    wanted = set()
    for serving, candidate, reported in orders:
        service(
            mlflow,
            write_rollout(Rollout(model="digits", serving=serving, candidate=candidate)),
            report(reported),
        )
        wanted |= {("digits", version) for version in (serving, candidate, reported) if version}
    assert named_versions(services(mlflow)) == wanted
