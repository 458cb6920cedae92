"""The verbs of jobs and services on servers in memory: orders, and records that cannot be read."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner, Result

from journeyman.cli import app
from journeyman.client import Client
from journeyman.cluster.settings import Settings
from journeyman.serve.orders import create_service, services_named
from journeyman.serve.spec import ServiceSpec
from journeyman.testing import FakeMlflow, FakeRay
from journeyman.tracking import records

Answered = TypeVar("Answered")

BEGAN_S = 1_800_000_000.0
SPEC = "kind: train\nname: digits\nentrypoint: train:loop\n"
SERVICE = "kind: service\nname: letters\nmodel: models:/letters@champion\n"
UNREADABLE_JOB = {records.PHASE: "preempted"}
UNREADABLE_SERVICE = {records.SPEC: '{"kind": "service", "name": "let'}


class Shell:
    """The command line on one cluster in memory, called in one folder."""

    def __init__(self, folder: Path) -> None:
        self.now_s = BEGAN_S
        self.mlflow = FakeMlflow(lambda: self.now_s)
        self.ray = FakeRay()
        self.ray.add_node({"CPU": 8.0, "memory": 8.0 * 1024**3})
        self.mlflow.set_alias("letters", "champion", self.mlflow.register("letters"))
        self.folder = folder
        self.settings = Settings(
            home=folder / "home",
            context="local",
            attached=False,
            cluster="cluster",
            mlflow_url="http://mlflow.test",
            ray_url="http://ray.test",
            ray_token=None,
            serve_url="http://serve.test",
            grpc_address=None,
            storage=str(folder / "runs"),
        )
        self.client = Client(self.settings, mlflow=self.mlflow, ray=self.ray)

    def run(self, *arguments: str) -> Result:
        """What the verb printed; an exception that is no exit of its own is the test's."""
        self.now_s += 1.0
        return CliRunner().invoke(app, list(arguments), obj=self.client, catch_exceptions=False)

    def written(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def submit(self, more: str = "") -> Result:
        self.written("train.py", "def loop(config):\n    pass\n")
        return self.run("submit", self.written("train.yaml", SPEC + more))

    def deploy(self, more: str = "") -> Result:
        return self.run("deploy", "--no-wait", self.written("service.yaml", SERVICE + more))

    def tag(self, kind: str, tags: Mapping[str, str]) -> str:
        """Change the record of the one job or service; its run id."""
        (run,) = self.mlflow.search_runs(self.mlflow.experiments(), f"tags.`{records.KIND}` = '{kind}'")
        self.mlflow.set_tags(run.run_id, tags)
        return run.run_id


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.test")
    monkeypatch.setenv("RAY_ADDRESS", "http://ray.test")
    return Shell(tmp_path)


# -- records that cannot be read -----------------------------------------------------------------------


def test_job_that_cannot_be_read_is_shown_with_its_reason_by_every_verb(shell: Shell) -> None:
    assert shell.submit().exit_code == 0
    run_id = shell.tag(records.JOB, UNREADABLE_JOB)
    assert "cannot be read" in shell.run("jobs").stdout
    (listed,) = json.loads(shell.run("jobs", "--json").stdout)
    told = json.loads(shell.run("job", run_id, "--json").stdout)
    for each in (listed, told):
        assert (each["readable"], each["phase"], each["run_id"]) == (False, "preempted", run_id)
        assert "preempted" in each["reason"]
    shown = shell.run("job", run_id[:8])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "cannot be read" in shown.stdout and f"journeyman cancel {run_id[:8]}" in shown.stdout
    status = shell.run("status")
    assert "1 unreadable" in status.stdout and f"digits {run_id[:8]} cannot be read" in status.stdout
    told = json.loads(shell.run("status", "--json").stdout)
    assert told["jobs"] == {"unreadable": 1}
    assert [job["run_id"] for job in told["unreadable_jobs"]] == [run_id]
    assert shell.run("stack", run_id).exit_code == 2
    assert shell.run("logs", run_id).exit_code == 0
    assert records.CANCEL_MS not in shell.mlflow.run(run_id).tags
    assert shell.run("cancel", run_id, "--yes").exit_code == 0
    assert records.CANCEL_MS in shell.mlflow.run(run_id).tags


def test_job_that_cannot_be_read_has_ended_where_its_run_has(shell: Shell) -> None:
    shell.submit()
    run_id = shell.tag(records.JOB, UNREADABLE_JOB)
    assert (shell.client.job(run_id).ended, shell.client.job(run_id).exit_code) == (False, 0)
    shell.mlflow.update_run(run_id, "FAILED", 1)
    assert (shell.client.job(run_id).ended, shell.client.job(run_id).exit_code) == (True, 1)
    assert shell.client.unfinished_jobs() == []
    assert "nothing to cancel" in shell.run("cancel", run_id).stdout


def test_service_that_cannot_be_read_is_shown_with_its_reason_by_every_verb(shell: Shell) -> None:
    assert shell.deploy().exit_code == 0
    run_id = shell.tag(records.SERVICE, UNREADABLE_SERVICE)
    (listed,) = json.loads(shell.run("services", "--json").stdout)
    told = json.loads(shell.run("service", "letters", "--json").stdout)
    for each in (listed, told):
        assert (each["readable"], each["phase"], each["run_id"]) == (False, "deploying", run_id)
        assert each["reason"].startswith("cannot be read")
    for shown in (shell.run("services"), shell.run("service", run_id[:8]), shell.run("status")):
        assert shown.exit_code == 0
        assert "cannot be read" in shown.stdout
    for verb in (["deploy", str(shell.folder / "service.yaml")], ["rollback", "letters"]):
        refused = shell.run(*verb)
        assert refused.exit_code == 1
        assert "cannot be read, and is left as it is" in refused.stderr
    assert shell.mlflow.run(run_id).tags[records.SPEC] == UNREADABLE_SERVICE[records.SPEC]
    assert shell.run("undeploy", run_id, "--yes").exit_code == 0
    assert records.UNDEPLOY_MS in shell.mlflow.run(run_id).tags


def test_verdict_that_cannot_be_read_hides_nothing_else(shell: Shell) -> None:
    shell.deploy()
    shell.tag(records.SERVICE, {records.MODEL: "letters", records.SERVING: "1"})
    shell.mlflow.set_version_tag("letters", "1", f"{records.ENGINES}.cpu", '{"hardware": "a CPU", "tim')
    (verdict,) = json.loads(shell.run("service", "letters", "--json").stdout)["verdicts"]
    assert (verdict["hardware"], verdict["failed"][:40]) == (
        "cpu",
        "the verdict that is stored cannot be rea",
    )
    assert shell.run("service", "letters").exit_code == 0


# -- orders of jobs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{'loss(mse)': 1}", "config.loss(mse): the name of a param is letters"),
        ("{a/../b: 1}", "config.a/../b: the name of a param may not be a path"),
        ("{a: {b: 1}, a.b: 2}", "config.a.b: two values have this name"),
        (f"{{a: {'b' * 6001}}}", "config.a: 6,001 characters, and MLflow keeps 6,000 of a param"),
        (f"{{{'a' * 251}: 1}}", "a name of 251 characters, and MLflow takes 250"),
        ("{attempt: {1: me}}", "config.attempt.1: Journeyman keeps this param for itself"),
    ],
)
def test_param_that_mlflow_would_refuse_is_named_before_anything_is_written(
    shell: Shell, config: str, message: str
) -> None:
    refused = shell.submit(f"config: {config}\n")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "train.yaml: config." in refused.stderr and message in refused.stderr
    assert shell.mlflow.search_runs(shell.mlflow.experiments(), "") == []


def test_every_param_of_a_config_that_is_taken_is_stored(shell: Shell) -> None:
    config = "{optimizer: {lr: 0.1, betas: [1, 2]}, 'a b/c-d.e:f': null, empty: {}}"
    assert shell.submit(f"config: {config}\n").exit_code == 0
    assert shell.client.job().params == {
        "optimizer.lr": "0.1",
        "optimizer.betas": "[1, 2]",
        "a b/c-d.e:f": "None",
        "empty": "{}",
        "workers": "1",
    }


def planned(shell: Shell, more: str) -> dict[str, str]:
    """What `--dry-run` prints, by its heading."""
    shell.written("train.py", "def loop(config):\n    pass\n")
    shown = shell.run("submit", "--dry-run", shell.written("train.yaml", SPEC + more))
    assert shown.exit_code == 0
    pairs = (line.partition(" ") for line in shown.stdout.splitlines())
    return {heading: told.strip() for heading, _, told in pairs}


def test_dry_run_decides_as_control_does_and_orders_nothing(shell: Shell) -> None:
    eight, nine = "resources: {cpus: 8}\n", "resources: {cpus: 9}\n"
    assert planned(shell, eight)["Verdict"] == "start"
    assert planned(shell, nine)["Verdict"] == "never"
    shell.submit(eight)
    first = shell.client.job().run_id
    # Nothing of it is taken yet, and it goes first.
    told = planned(shell, "")
    assert (told["Verdict"], told["Reason"][:35]) == ("wait", "waits: needs 1 × 1 CPU, free are 0 ")
    shell.submit(eight)
    second = shell.client.job().run_id
    assert planned(shell, "")["Reason"] == f"waits behind job digits ({second[:8]})"
    # A record that cannot be read holds nobody up.
    shell.mlflow.set_tags(first, UNREADABLE_JOB)
    shell.client.cancel(second)
    assert planned(shell, "")["Verdict"] == "start"
    assert [job.run_id for job in shell.client.jobs()] == [second, first]


def test_dry_run_tells_where_jobs_are_hidden(shell: Shell) -> None:
    assert "hidden" not in planned(shell, "")["Reason"]
    shell.ray.submit(f"{'0' * 32}-1", "python -m job", {}, {})
    assert "(1 of those that run are hidden)" in planned(shell, "")["Reason"]


# -- orders of services --------------------------------------------------------------------------------


def test_order_for_a_service_tells_its_size_where_it_does_not_fit(shell: Shell) -> None:
    env = "".join(f"  VARIABLE_{number}: {'x' * 40}\n" for number in range(200))
    for verb in (["deploy", "--dry-run"], ["deploy"]):
        refused = shell.run(*verb, shell.written("service.yaml", f"{SERVICE}env:\n{env}"))
        assert refused.exit_code == 2
        assert "characters as it is stored, and MLflow keeps 8,000" in refused.stderr
    assert shell.client.services() == []


def test_rollback_to_an_order_that_another_version_wrote_is_refused_in_words(shell: Shell) -> None:
    shell.deploy()
    run_id = shell.tag(records.SERVICE, {})
    shell.mlflow.upload(shell.mlflow.run(run_id), f"{records.ORDERS_ARTIFACT}/0001.yaml", b"quota: gold\n")
    refused = shell.run("rollback", "letters")
    assert refused.exit_code == 1
    assert "the order before of service letters" in refused.stderr


def test_two_who_deploy_one_name_at_once_have_one_service_with_one_of_the_orders(shell: Shell) -> None:
    """Each request of either is followed by one of the other."""
    turns = threading.Barrier(2, timeout=10)

    def wire(name: str, request: Callable[[], Answered], /) -> Answered:
        with contextlib.suppress(threading.BrokenBarrierError):
            turns.wait()
        return request()

    def deploy(replicas: int) -> None:
        client = Client(shell.settings, mlflow=shell.mlflow.another(wire=wire), ray=shell.ray)
        order = {"kind": "service", "name": "letters", "model": "models:/letters@champion"}
        client.deploy(order | {"replicas": replicas})
        # Whoever has more requests goes on alone.
        turns.abort()

    both = [threading.Thread(target=deploy, args=(replicas,)) for replicas in (2, 3)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    (service,) = shell.client.services()
    runs = shell.mlflow.search_runs(shell.mlflow.experiments(), f"tags.`{records.KIND}` = 'service'")
    (second,) = (run for run in runs if run.run_id != service.run_id)
    assert (second.status, second.phase) == ("KILLED", "undeployed")
    assert service.run_id in second.reason
    # The order of the second went to the first, which began with its own.
    assert {service.replicas, json.loads(second.tags[records.SPEC])["replicas"]} in ({"2"}, {"3"})


def test_name_means_the_run_that_began_first_until_that_is_undeployed(shell: Shell) -> None:
    spec = ServiceSpec(name="letters", model="models:/letters@champion")
    first = create_service(spec, shell.mlflow, shell.settings).run_id
    shell.now_s += 1
    second = create_service(spec, shell.mlflow, shell.settings).run_id
    assert shell.client.service("letters").run_id == first
    assert shell.client.undeploy(first).run_id == first
    assert shell.client.service("letters").run_id == second
    shell.deploy("replicas: 3\n")
    named = services_named("letters", shell.mlflow, shell.settings)
    assert [run.run_id for run in named] == [second, first]
    assert shell.client.service("letters").replicas == "3"
    # By its name all of it goes: none takes the place of another.
    assert shell.client.undeploy("letters").run_id == second
    assert all(records.UNDEPLOY_MS in run.tags for run in named[1:])
    assert records.UNDEPLOY_MS in shell.mlflow.run(second).tags


def test_service_deployed_while_the_last_of_its_name_goes_is_another(shell: Shell) -> None:
    shell.deploy()
    first = shell.client.service("letters").run_id
    shell.run("undeploy", "letters", "--yes")
    shell.deploy()
    service = shell.client.service("letters")
    assert (service.run_id != first, service.phase) == (True, "deploying")


# -- what a spec must not say --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JOURNEYMAN_RUN_ID", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"])
def test_env_that_says_who_a_process_is_is_refused_by_its_key(shell: Shell, name: str) -> None:
    for refused in (shell.submit(f"env: {{A: b, {name}: x}}\n"), shell.deploy(f"env: {{A: b, {name}: x}}\n")):
        assert refused.exit_code == 2
        assert f"yaml: env.{name}: a spec does not set it" in refused.stderr
    refused = shell.submit(f"secrets: [{name}]\n")
    assert (refused.exit_code, f"yaml: secrets.{name}: a spec does not set it" in refused.stderr) == (2, True)
    assert shell.mlflow.search_runs(shell.mlflow.experiments(), "") == []


def test_password_in_a_requirement_is_refused_and_stored_nowhere(shell: Shell) -> None:
    refused = shell.submit("requirements: [einops, '--index-url https://me:hunter2@pypi.example/simple']\n")
    assert refused.exit_code == 2
    assert "requirements: '--index-url https://…' holds a password" in refused.stderr
    assert "pip.conf" in refused.stderr and "hunter2" not in refused.output
    assert shell.mlflow.search_runs(shell.mlflow.experiments(), "") == []


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("data: {train: 'https://me:hunter2@host.example/x.csv'}", "data.train"),
        ("data: {train: 'https://host.example/x.csv?X-Amz-Signature=hunter2'}", "data.train"),
        ("storage: s3://key:hunter2@bucket/runs", "storage"),
        ("env: {PIP_INDEX_URL: 'https://me:hunter2@pypi.example/simple'}", "env.PIP_INDEX_URL"),
        ("env: {UV_INDEX: 'own=https://me:hunter2@pypi.example/simple'}", "env.UV_INDEX"),
    ],
)
def test_password_in_an_address_of_a_spec_is_refused_and_stored_nowhere(
    shell: Shell, line: str, key: str
) -> None:
    refused = shell.submit(f"{line}\n")
    assert refused.exit_code == 2
    assert f"{key}: " in refused.stderr and "holds a " in refused.stderr
    assert "secrets:" in refused.stderr and "hunter2" not in refused.output
    assert shell.mlflow.search_runs(shell.mlflow.experiments(), "") == []


FROM_CODE = b"flavors: {python_function: {model_code_path: /home/a/model.py, code: null}}"
PYTORCH = (
    b"flavors: {python_function: {loader_module: mlflow.pytorch}, pytorch: {model_data: data, code: null}}"
)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"MLmodel": FROM_CODE}, "is a model from code (`model_code_path`)"),
        ({"MLmodel": PYTORCH, "data/pickle_module_info.txt": b""}, "is stored as pickle"),
        ({"MLmodel": PYTORCH}, ""),
        # What loads the version finds out.
        ({}, ""),
        ({"MLmodel": b"{"}, ""),
        ({"MLmodel": b"flavors: 3"}, ""),
        ({"MLmodel": b"\xff\x00"}, ""),
        ({"MLmodel": b"[" * 20_000}, ""),
        ({"MLmodel": b"#" * 2**20 + b"\n" + FROM_CODE}, ""),
    ],
)
def test_deploy_refuses_a_version_that_runs_code_before_anything_is_ordered(
    shell: Shell, files: dict[str, bytes], why: str
) -> None:
    version = shell.mlflow.register("letters", source="mlflow-artifacts:/models/letters", files=files)
    shell.mlflow.set_alias("letters", "champion", version)
    refused = shell.deploy()
    if not why:
        assert refused.exit_code == 0
        return
    assert refused.exit_code == 2
    assert f"service.yaml: model: version {version} of letters {why}" in refused.stderr
    assert "allow_code: true" in refused.stderr
    assert shell.client.services() == []
    assert shell.deploy("allow_code: true\n").exit_code == 0


def test_old_name_of_allow_code_is_read_where_it_was_stored_and_where_it_is_written(shell: Shell) -> None:
    assert shell.deploy("allow_pickle: true\n").exit_code == 0
    assert shell.client.service("letters").spec["allow_code"] is True
    stored = ServiceSpec(name="letters", model="models:/letters@champion", allow_code=True).model_dump_json()
    assert ServiceSpec.model_validate_json(stored.replace("allow_code", "allow_pickle")).allow_code
    refused = shell.deploy("allow_pickle: true\nallow_code: false\n")
    assert refused.exit_code == 2
    assert "`allow_pickle` is the old name of `allow_code`" in refused.stderr


# -- status --------------------------------------------------------------------------------------------


def test_status_counts_every_job_however_many_ended_after_it(shell: Shell) -> None:
    shell.submit()
    waiting = shell.client.job().run_id
    for _ in range(250):
        run = shell.mlflow.create_run("0", "digits", dict(shell.mlflow.run(waiting).tags))
        shell.mlflow.set_tags(run.run_id, {records.PHASE: "finished"})
        shell.mlflow.update_run(run.run_id, "FINISHED", 1)
    assert json.loads(shell.run("status", "--json").stdout)["jobs"] == {"queued": 1}
