"""The command line as a whole: help, errors and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journeyman.cli import app

PROGRAM = "from journeyman.cli import main; main()"
VERBS = (
    ("init",),
    ("up",),
    ("down",),
    ("status",),
    ("env",),
    ("dashboard",),
    ("submit",),
    ("try",),
    ("jobs",),
    ("job",),
    ("logs",),
    ("cancel",),
    ("deploy",),
    ("services",),
    ("service",),
    ("query",),
    ("undeploy",),
    ("secret", "set"),
    ("secret", "list"),
    ("secret", "remove"),
)


@pytest.fixture(autouse=True)
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "home"))
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import json, sys\n"
        "from journeyman.cli import app\n"
        "try:\n"
        "    app(['--help'])\n"
        "except SystemExit as end:\n"
        "    loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "    heavy = {'torch', 'ray', 'mlflow', 'httpx', 'pydantic', 'numpy', 'rich'}\n"
        "    print(json.dumps([end.code, sorted(loaded & heavy)]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == [0, []]
    for verb in VERBS:
        assert f"\n  {verb[0]} " in done.stdout


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_a_verb_has_an_example(verb: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    _, heading, shown = result.stdout.partition("Examples:\n")
    assert heading
    assert f"journeyman {' '.join(verb)}" in shown


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, "journeyman 0.1.0\n")


def test_unknown_verb_exits_2_and_names_the_nearest() -> None:
    result = CliRunner().invoke(app, ["submitt"])
    assert result.exit_code == 2
    assert "submit" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["env"],
        ["dashboard"],
        ["submit", "train.yaml"],
        ["jobs"],
        ["job"],
        ["logs"],
        ["cancel", "digits", "--yes"],
        ["deploy", "service.yaml"],
        ["services"],
        ["service", "digits"],
        ["query", "digits", "--example"],
        ["undeploy", "digits", "--yes"],
    ],
    ids=" ".join,
)
def test_verb_without_a_stack_exits_2_in_two_lines(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    message, hint = result.stderr.splitlines()
    assert message.startswith("no stack is running (home folder ")
    assert "`journeyman up`" in hint


def test_program_ends_with_the_exit_code_and_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, "jobs"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2


def test_home_folder_that_cannot_be_made_exits_2_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "file" / "home"))
    for verb in (["up"], ["secret", "set", "A"]):
        result = CliRunner().invoke(app, verb, input="value")
        assert result.exit_code == 2
        assert f"the home folder {tmp_path / 'file' / 'home'} cannot be made" in result.stderr


def test_down_without_a_stack_says_so() -> None:
    result = CliRunner().invoke(app, ["down"])
    assert result.exit_code == 0
    assert result.stdout.startswith("No stack is running")


def test_query_without_a_question_exits_2() -> None:
    result = CliRunner().invoke(app, ["query", "digits"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("neither --input nor --example")


def test_logs_of_a_rank_that_is_none_exits_2() -> None:
    result = CliRunner().invoke(app, ["logs", "--rank", "first"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "--rank first: not a rank"


def test_interrupt_exits_130_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("journeyman.cluster.settings.read_secrets", interrupt)
    result = CliRunner().invoke(app, ["secret", "list"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")
