"""Names, values and assignments of any language and of none: carried through, or refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from journeyman.jobs.control.controller import JobController
from journeyman.serve.control.controller import ServiceController
from journeyman.tracking import records

from ..harness.world import Immediate
from .test_orders import Shell

HOSTILE = {
    "NUL": "a\x00b",
    "escape": "\x1b[2J\x1b]0;title\x07",
    "lines": "a\r\nx-evil: 1\n\nb",
    "turned": "abc\u202egpj.\u2066",
    "half a letter": "a\ud800b",
    "C1": "a\x9b31m\x85",
    "separators": "a\u2028b\u2029c",
    "languages": "数字 مرحبا é 👩‍🚀",
    "folders": "../../etc/passwd",
    "quotes": "' or \"1\"='1` -- ",
    "templates": "${HOME} $(id) %s {0} {{x}}",
    "long": "x" * 9000,
    "blank": "  \t ",
    "empty": "",
    "flag": "--help",
    "number": "1_000",
}
EACH_TIME = ("NUL", "escape", "half a letter", "languages")
"""The others take minutes together, and are tried by `make chaos`."""
TEXTS = [
    pytest.param(text, id=name, marks=() if name in EACH_TIME else pytest.mark.long)
    for name, text in HOSTILE.items()
]
JOB: dict[str, Any] = {"kind": "train", "name": "digits", "entrypoint": "train:loop"}
SERVICE: dict[str, Any] = {"kind": "service", "name": "letters", "model": "models:/letters@champion"}
JOBS = {
    "name": lambda text: {"name": text},
    "project": lambda text: {"project": text},
    "entrypoint": lambda text: {"entrypoint": f"train:{text}"},
    "module": lambda text: {"entrypoint": f"{text}:loop"},
    "run": lambda text: {"entrypoint": None, "run": text},
    "arguments": lambda text: {"entrypoint": None, "run": f"train.py {text}"},
    "config key": lambda text: {"config": {text: 1}},
    "config value": lambda text: {"config": {"a": [text]}},
    "requirements file": lambda text: {"requirements": text},
    "requirement": lambda text: {"requirements": [text]},
    "env name": lambda text: {"env": {text: "1"}},
    "env value": lambda text: {"env": {"A": text}},
    "secret": lambda text: {"secrets": [text]},
    "data name": lambda text: {"data": {text: "s3://b/x"}},
    "data value": lambda text: {"data": {"x": text}},
    "data address": lambda text: {"data": {"x": f"s3://b/{text}"}},
    "storage": lambda text: {"storage": text},
    "storage address": lambda text: {"storage": f"s3://b/{text}"},
    "model": lambda text: {"publish": {"model": text}},
    "alias": lambda text: {"publish": {"model": "digits", "alias": text}},
    "accelerator": lambda text: {"resources": {"gpus": 1, "accelerator": text}},
    "unknown key": lambda text: {text: 1},
}
SERVICES = {
    "name": lambda text: {"name": text},
    "project": lambda text: {"project": text},
    "model": lambda text: {"model": f"models:/{text}@champion"},
    "alias": lambda text: {"model": f"models:/letters@{text}"},
    "version": lambda text: {"model": f"models:/letters/{text}"},
    "env name": lambda text: {"env": {text: "1"}},
    "env value": lambda text: {"env": {"A": text}},
    "engine": lambda text: {"engine": text},
    "accelerator": lambda text: {"resources": {"gpus": 1, "accelerator": text}},
    "unknown key": lambda text: {text: 1},
}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.test")
    monkeypatch.setenv("RAY_ADDRESS", "http://ray.test")
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path)
    made.ray.add_node({"CPU": 8.0, "GPU": 1.0, "memory": 8.0 * 1024**3})
    made.written("train.py", "def loop(config):\n    pass\n")
    return made


def spec_file(shell: Shell, spec: dict[str, Any]) -> str:
    kept = {key: value for key, value in spec.items() if value is not None}
    # JSON is YAML, and writes every text.
    return shell.written("spec.yaml", json.dumps(kept))


def told(output: str) -> None:
    # Letters that are joined, as in 👩‍🚀, are letters.
    assert re.sub("[\n\t\u200d]", "", output).isprintable(), output
    assert "Traceback" not in output


def stored(shell: Shell) -> list[str]:
    runs = shell.mlflow.search_runs(shell.mlflow.experiments(), "")
    return [value for run in runs for value in run.tags.values()]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", JOBS.values(), ids=JOBS)
def test_job_is_started_or_refused(shell: Shell, place: Any, text: str) -> None:
    submitted = shell.run("submit", spec_file(shell, JOB | place(text)))
    told(submitted.output)
    assert submitted.exit_code in (0, 2)
    if submitted.exit_code == 2:
        assert stored(shell) == []
        return
    controller = JobController(shell.mlflow, shell.ray, shell.settings, "me", None, lambda *_: Immediate())
    for turn in range(4):
        controller.step(shell.now_s + turn)
    for verb in (["jobs"], ["jobs", "--json"], ["job", shell.client.job().run_id], ["status"]):
        shown = shell.run(*verb)
        told(shown.output)
        assert shown.exit_code == 0
    job = shell.client.job()
    assert job.readable
    for submission in shell.ray.submissions:
        # Ray refuses what no process can be given, and control would try again.
        assert r"\u0000" not in json.dumps(submission.runtime_env)
        assert yaml.safe_load(shell.mlflow.download(shell.mlflow.run(job.run_id), records.SPEC_ARTIFACT))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", SERVICES.values(), ids=SERVICES)
def test_service_is_ordered_or_refused(shell: Shell, place: Any, text: str) -> None:
    if "\0" not in text and "\ud800" not in text:
        # A registry takes all but a few of them.
        shell.mlflow.set_alias(text, "champion", shell.mlflow.register(text))
    deployed = shell.run("deploy", "--no-wait", spec_file(shell, SERVICE | place(text)))
    told(deployed.output)
    assert deployed.exit_code in (0, 2)
    if deployed.exit_code == 2:
        assert stored(shell) == []
        return
    controller = ServiceController(shell.mlflow, shell.ray, shell.settings, None, lambda *_: Immediate())
    for turn in range(4):
        controller.step(shell.now_s + turn)
    (service,) = shell.client.services()
    for verb in (["services"], ["services", "--json"], ["service", service.name], ["status"]):
        shown = shell.run(*verb)
        told(shown.output)
        assert shown.exit_code == 0
    assert service.readable
    for config in (each.config for each in shell.ray.applications()):
        assert r"\u0000" not in json.dumps(config)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "verb", ["job", "service", "logs", "cancel", "undeploy", "rollback", "query", "stack"]
)
def test_reference_to_anything_is_found_or_not(shell: Shell, verb: str, text: str) -> None:
    more = {"query": ["--example"], "cancel": ["--yes"], "undeploy": ["--yes"]}.get(verb, [])
    asked = shell.run(verb, *more, "--", text)
    told(asked.output)
    assert asked.exit_code == 2


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("assignment", ["{}", "{}=1", "config.{}=1", "env.A={}", "name={}", "config={}"])
def test_assignment_is_taken_or_refused(shell: Shell, assignment: str, text: str) -> None:
    said = assignment.replace("{}", text)
    submitted = shell.run("submit", "--dry-run", spec_file(shell, JOB), "--set", said)
    told(submitted.output)
    assert submitted.exit_code in (0, 2)
