"""What a new user gets wrong before anything runs: each is answered in a line or two, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from journeyman.cli import app

CODE = "def loop(config):\n    pass\n\n\ndef two(a, b):\n    pass\n"
SPEC = "kind: train\nname: a\n"
LOOP = SPEC + "entrypoint: train:loop\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return home


def assert_told(result: Result, message: str) -> None:
    """On standard error, in so many words and no more."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kind: train\nname: [a\n", "s.yaml:3:1: not YAML: expected ',' or ']'"),
        ("- a\n- b\n", "s.yaml"),
        ("", "s.yaml holds no keys"),
        (LOOP + "name: b\n", "s.yaml:4:1: not YAML: 'name' is there twice"),
        (SPEC + "entrypont: train:loop\n", "unknown key 'entrypont'; did you mean 'entrypoint'?"),
        (LOOP + "workers: many\n", "workers: 'many' is not a count such as 2 or a range such as 2..8"),
        (LOOP + "max_duration: 3 weeks\n", "max_duration: '3 weeks' is not a duration such as 60s"),
        (LOOP + "resources: {memory: 4 lots}\n", "resources.memory: '4 lots' is not a size such as 512MiB"),
        (LOOP + "resources: {gpus: -1}\n", "resources.gpus: -1 is not a number of 0 or more"),
        (LOOP + "resources: {tpu: {type: v6e}}\n", "unknown key 'resources.tpu'; known keys: cpus, gpus"),
        (LOOP + "run: train.py\n", "both `entrypoint` and `run`"),
        (SPEC, "neither `entrypoint` nor `run`"),
        (SPEC + "entrypoint: nowhere:loop\n", "entrypoint: there is no module nowhere"),
        (SPEC + "entrypoint: train:lop\n", "train.py defines no function lop"),
        (SPEC + "entrypoint: train:two\n", "train.py:5: two takes 2 arguments"),
        (LOOP + "requirements: ['torch==1.0']\n", "torch==1.0 contradicts the cluster, which runs torch"),
        (LOOP + "secrets: [NOPE]\n", "secret NOPE is not set"),
        (LOOP + "data: {x: gone.csv}\n", "data.x: there is nothing at"),
        (LOOP + "data: {x: ignored.csv}\n", "data.x: ignored.csv is left out of the code by .gitignore"),
        (
            "kind: train\nname: Has Spaces\nentrypoint: train:loop\n",
            "'Has Spaces' must be lower-case letters",
        ),
        (
            "kind: service\nname: a\nmodel: models:/a/1\n",
            "s.yaml is of kind 'service'; 'train' is needed here",
        ),
    ],
)
def test_spec_that_cannot_be_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("train.py", CODE),
        ("s.yaml", spec),
        ("ignored.csv", "1"),
        (".gitignore", "*.csv\n"),
    ):
        (tmp_path / name).write_text(text)
    assert_told(CliRunner().invoke(app, ["try", "s.yaml"]), message)


VERBS = (
    *("submit s.yaml", "jobs", "job", "logs", "stack", "cancel a --yes", "status", "dashboard"),
    *("deploy s.yaml", "services", "service a", "query a --example", "undeploy a --yes", "rollback a"),
)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_without_a_stack_says_how_to_get_one(home: Path, verb: str) -> None:
    result = CliRunner().invoke(app, verb.split())
    assert_told(result, f"no stack is running (home folder {home})")
    assert "Start one with `journeyman up`" in result.stderr


@pytest.mark.parametrize("written", ["{broken", '{"version": 9}', "[]"])
@pytest.mark.parametrize("verb", ["jobs", "up", "status", "down --yes", "context list"])
def test_home_of_another_version_is_left_alone(home: Path, verb: str, written: str) -> None:
    home.mkdir()
    (home / "endpoints.json").write_text(written)
    result = CliRunner().invoke(app, verb.split())
    assert_told(result, f"{home}/endpoints.json cannot be read: it is damaged, or another version")
    assert (home / "endpoints.json").read_text() == written


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("up --address http://head:8265", "--address needs --mlflow"),
        ("up --address http://head:8265 --mlflow http://m:5000", "--address needs --storage"),
        ("up --mlflow http://m:5000", "tell of a cluster that is attached"),
        ("up --listen 0.0.0.0:8000", "tell of a cluster that is attached"),
        (
            "up --address http://head:8265 --mlflow http://m --storage s3://b --listen 0.0.0.0",
            "--listen is '0.0.0.0', which is no address with a port",
        ),
        ("up --address head:6379 --mlflow http://m --storage s3://b", "which is no http address"),
        (
            "up --address http://u:p@head:8265 --mlflow http://m --storage s3://b",
            "holds a name or a password",
        ),
        ("up --address http://h:1 --mlflow http://m --storage s3://b --context local", "'local' cannot be"),
        ("up --address http://127.0.0.1:9 --mlflow http://m --storage s3://b", "127.0.0.1:9 does not answer"),
        ("context use nowhere", "there is no context 'nowhere'"),
        ("context remove nowhere --yes", "there is no context 'nowhere'"),
        ("context remove local --yes", "'local' cannot be"),
    ],
)
def test_cluster_that_cannot_be_attached_is_told(home: Path, verb: str, message: str) -> None:
    result = CliRunner().invoke(app, verb.split())
    assert message in result.stderr
    assert result.exit_code == (1 if "does not answer" in message else 2)
    assert len(result.stderr.splitlines()) <= 2
