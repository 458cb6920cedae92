"""Whatever a spec, an assignment or a model's metadata hold is read or refused in words, with exit code 2."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from journeyman.client import Client
from journeyman.cluster.settings import Settings
from journeyman.errors import UsageError
from journeyman.jobs.control.actions import Start
from journeyman.jobs.control.controller import runtime_env
from journeyman.jobs.records import read_job
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.submit.submission import order_tags, read_order
from journeyman.models.own_code import is_estimator, why_code
from journeyman.serve.control.application import application_config
from journeyman.serve.records import Rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records
from journeyman.tracking.records import Run

from .harness import TEXTS, VALUES, as_json, changed, fuzz, seeds, torn

TRAIN_KEYS = (
    *TrainSpec.model_fields,
    "cpus",
    "gpus",
    "memory",
    "accelerator",
    "alias",
    "lr",
    "PATH",
    "RAY_ADDRESS",
)
SERVICE_KEYS = (*ServiceSpec.model_fields, "allow_pickle", "body", "time", "queue", "cpus", "MLFLOW_RUN_ID")
WRITTEN = st.sampled_from(
    [
        *(
            "1..2",
            "2..1",
            "0",
            "60s",
            "12h",
            "1e400s",
            "4GiB",
            "99999999999TiB",
            "models:/digits@champion",
            "0x1F",
        ),
        *(
            "models:/digits/1",
            "models:/../1",
            "models:/\x1b@a",
            "train:loop",
            "train.py --lr '1",
            "train.py",
            "&a",
        ),
        *(
            "*a",
            "!!python/object/apply:os.system [id]",
            "2024-01-01",
            "1_000",
            "null",
            "~",
            ".inf",
            "a: b",
            "[",
            "~",
        ),
        *("--index-url https://a:b@c", "einops @ https://${A}@b", "-r x", "torch<0", "\N{ZERO WIDTH SPACE}"),
    ]
)


def as_yaml(document: Any) -> bytes:
    try:
        return yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")
    except RecursionError:
        # JSON is YAML, and nests deeper than PyYAML writes.
        return as_json(document)


def assignments(keys: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    paths = st.lists(st.sampled_from(keys) | TEXTS, min_size=1, max_size=3).map(".".join)
    values = WRITTEN | TEXTS
    return st.lists(st.tuples(paths, values).map("=".join) | TEXTS, max_size=2)


def documents(kind: str, keys: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    read = [yaml.safe_load(each) for each in seeds(kind)]
    written = changed(read, keys).map(as_yaml)
    swapped = st.tuples(written, WRITTEN, WRITTEN).map(
        lambda three: three[0].replace(three[1].encode(), three[2].encode())
    )
    return torn(written | swapped | st.sampled_from(seeds(kind)))


def settings_of(home: Path) -> Settings:
    return Settings(
        home=home,
        context="local",
        attached=False,
        cluster="cluster",
        mlflow_url="http://mlflow.test",
        ray_url="http://ray.test",
        ray_token=None,
        serve_url="http://serve.test",
        grpc_address=None,
        storage=str(home / "runs"),
    )


def refused(error: UsageError) -> None:
    assert error.exit_code == 2
    assert error.message and len(error.message) < 100_000


def submitted(folder: Path, settings: Settings, given: tuple[bytes, list[str]]) -> None:
    """As far as control: what is stored is read back, and makes an environment of text."""
    content, changes = given
    file = folder / "train.yaml"
    file.write_bytes(content)
    try:
        order = read_order(file, changes, settings.home, settings.storage)
    except UsageError as error:
        refused(error)
        return
    tags = order_tags(order, settings, "key") | {records.SUBMITTED_MS: "1"}
    tags = {key: records.storable(value) for key, value in tags.items()}
    assert all(len(value) <= records.MAX_TAG_CHARACTERS for value in tags.values())
    run = Run(
        run_id="0" * 32,
        experiment_id="1",
        run_name=order.spec.name,
        status="SCHEDULED",
        artifact_uri="",
        start_ms=1,
        end_ms=None,
        tags=tags,
        params={},
        metrics={},
        steps={},
    )
    job = read_job(run)
    assert job.spec.model_dump_json() == order.spec.model_dump_json()
    environment = runtime_env(Start(job=job, reason="", workers=1), "claimant", settings)
    for name, value in environment["env_vars"].items():
        # What no process can be given, no spec may hold.
        assert "\0" not in f"{name}{value}" and (name + value).encode()


def test_train_spec(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # git tells nothing of a folder that is none of its own, at a process an input.
    monkeypatch.setattr("journeyman.jobs.submit.submission.git_state", lambda folder: None)
    (tmp_path / "train.py").write_text("def loop(config):\n    pass\n")
    (tmp_path / "requirements.txt").write_text("einops\n")
    settings = settings_of(tmp_path / "home")
    payloads = st.tuples(documents("train", TRAIN_KEYS), assignments(TRAIN_KEYS))
    fuzz(payloads, functools.partial(submitted, tmp_path, settings), seconds)


def deployed(client: Client, folder: Path, given: tuple[bytes, list[str]]) -> None:
    content, changes = given
    file = folder / "service.yaml"
    file.write_bytes(content)
    try:
        client.plan_deploy(file, changes)
        service = client.deploy(file, changes)
    except UsageError as error:
        refused(error)
        return
    spec = ServiceSpec.model_validate(service.spec)
    config = application_config(spec, Rollout(model="m", serving="1"), "", "0" * 32, "http://m", None)
    variables = config["deployments"][0]["ray_actor_options"]["runtime_env"]["env_vars"]
    for name, value in variables.items():
        assert "\0" not in f"{name}{value}" and (name + value).encode()


def test_service_spec(seconds: float, tmp_path: Path) -> None:
    mlflow = FakeMlflow(lambda: 1_800_000_000.0)
    mlflow.set_alias("digits", "champion", mlflow.register("digits"))
    client = Client(settings_of(tmp_path), mlflow=mlflow, ray=FakeRay())
    payloads = st.tuples(documents("service", SERVICE_KEYS), assignments(SERVICE_KEYS))
    fuzz(payloads, functools.partial(deployed, client, tmp_path), seconds)


def deployed_with(metadata: bytes) -> None:
    mlflow = FakeMlflow(lambda: 1_800_000_000.0)
    version = mlflow.register("digits", source="s", files={"MLmodel": metadata})
    mlflow.set_alias("digits", "champion", version)
    client = Client(settings_of(Path("/nowhere")), mlflow=mlflow, ray=FakeRay())
    try:
        client.plan_deploy({"kind": "service", "name": "a", "model": "models:/digits@champion"}, [])
    except UsageError as error:
        assert error.message.isprintable()
        refused(error)


def test_metadata_of_a_model(seconds: float) -> None:
    keys = ("loader_module", "code", "model_code_path", "model_data", "serialization_format", "flavors")
    fuzz(documents("metadata", keys), deployed_with, seconds)


def flavored(flavors: Any) -> None:
    if isinstance(flavors, dict):
        assert why_code(flavors, lambda _: False).isprintable()
        is_estimator(flavors)


def test_flavors_of_a_model(seconds: float) -> None:
    read = [yaml.safe_load(each)["flavors"] for each in seeds("metadata")]
    fuzz(changed(read, ("code", "loader_module", "sklearn")) | VALUES, flavored, seconds)
