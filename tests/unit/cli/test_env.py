"""env: lines that a shell takes, which lead other programs to the cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.cluster.local.plan import Plan, write_plan
from journeyman.cluster.settings import write_token
from journeyman.home import make_mlflow_token, read_mlflow_token

PORTS = {"mlflow": 1, "ray_dashboard": 2, "serve": 3, "serve_grpc": 4}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "the person's home"
    home.mkdir()
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    write_plan(home, Plan(cluster="c", ports=PORTS), running=True)
    write_token(home, "raytoken")
    make_mlflow_token(home)
    return home


def variables(printed: str) -> dict[str, str]:
    """What a shell makes of it."""
    script = f"{printed}\nenv -0"
    done = subprocess.run(["sh", "-c", script], env={}, check=True, capture_output=True, text=True)
    pairs = (line.partition("=") for line in done.stdout.split("\0") if line)
    return {name: value for name, _, value in pairs if name.startswith(("MLFLOW_", "RAY_"))}


@pytest.mark.parametrize("asks", [False, True])
def test_shell_that_takes_it_is_led_to_the_stack_with_a_token_where_mlflow_asks_for_one(
    home: Path, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journeyman.tracking.guard.entrance.asks_for_token", lambda mlflow: asks)
    monkeypatch.setattr("journeyman.home.why_not_asked", lambda url, home: "")
    result = CliRunner().invoke(app, ["env"])
    assert result.exit_code == 0, result.stderr
    token = {"MLFLOW_TRACKING_TOKEN": read_mlflow_token(home)} if asks else {}
    assert variables(result.stdout) == token | {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "RAY_ADDRESS": "http://127.0.0.1:2",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
    }


def test_token_of_the_stack_is_not_told_with_another_servers_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journeyman.tracking.guard.entrance.asks_for_token", lambda mlflow: True)
    monkeypatch.setattr("journeyman.home.why_not_asked", lambda url, home: "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    result = CliRunner().invoke(app, ["env"])
    assert "MLFLOW_TRACKING_TOKEN" not in variables(result.stdout)
