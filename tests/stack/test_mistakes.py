"""What a new user gets wrong on a stack that runs: each is answered in words, and nothing else is harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.client import Client, Job
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings

from .conftest import registered
from .test_jobs import copy_of_loops, ended

LIMIT_S = 240.0
MODEL = "patient"
ROW = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}
JSON = {"content-type": "application/json"}
GROWTH_BYTES = 50 * 2**20
BATCH = 20
BATCHES = 500
TINY_DISK = "size=2m"


@pytest.fixture(scope="module")
def client(stack: Settings) -> Iterator[Client]:
    with closing(Client(stack)) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_loops(tmp_path_factory.mktemp("mistakes"))


def spec(folder: Path, name: str, **more: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"kind": "train", "name": name} | more))
    return path


# -- the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("job nothing", "there is no job 'nothing'"),
        ("job ffffffff", "there is no job 'ffffffff'"),
        ("job it's", 'there is no job "it\'s"'),
        ("logs nothing", "there is no job 'nothing'"),
        ("cancel nothing --yes", "there is no job 'nothing'"),
        ("service nothing", "there is no service 'nothing'"),
        ("service it's", 'there is no service "it\'s"'),
        ("query nothing --example", "there is no service 'nothing'"),
        ("undeploy nothing --yes", "there is no service 'nothing'"),
        ("rollback nothing", "there is no service 'nothing'"),
        ("submit service.yaml", "service.yaml is of kind 'service'; 'train' is needed here"),
        ("deploy train.yaml", "train.yaml is of kind 'train'; 'service' is needed here"),
        ("submit nowhere.yaml", "there is no file nowhere.yaml"),
        ("deploy nowhere.yaml", "there is no file nowhere.yaml"),
        ("deploy service.yaml", "models:/nothing@champion is not registered"),
        ("deploy service.yaml --set model=models:/nothing/9", "models:/nothing/9 is not registered"),
        ("submit train.yaml --set workers=99", "can never run: needs 99 × 1 CPU, and the cluster has"),
        ("submit train.yaml --set resources.cpus=999", "can never run: needs 1 × 999 CPUs"),
        ("submit train.yaml --set resources.memory=90TiB", "can never run: needs 1 × 1 CPU and 92160.0 GiB"),
        (
            "submit train.yaml --set resources={gpus:1,accelerator:H999}",
            "and 0 GPUs and no accelerator H999",
        ),
        ("submit train.yaml --set storage=/proc/nowhere", "storage: /proc/nowhere cannot be written"),
        ("submit train.yaml --set secrets=[NOWHERE]", "secret NOWHERE is not set"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_told_and_exits_2(
    stack: Settings, folder: Path, arguments: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    spec(folder, "train", entrypoint="loops:counts")
    (folder / "service.yaml").write_text("kind: service\nname: a\nmodel: models:/nothing@champion\n")
    words = [word.replace("{gpus:1,", "{gpus: 1, ").replace(":H", ": H") for word in arguments.split()]
    result = CliRunner().invoke(app, words)
    told = [line for line in result.stderr.splitlines() if not line.startswith("on local")]
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert message in told[0]
    assert len(told) <= 2


# -- jobs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", TINY_DISK, "tmpfs", place], capture_output=True)
    yield place
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", place], check=True)


@dataclass(frozen=True, slots=True)
class Failing:
    """A job that fails, and the words that its reason must have."""

    job: Job
    words: tuple[str, ...]
    attempts: int = 1


@pytest.fixture(scope="module")
def failing(client: Client, folder: Path, tiny_disk: Path) -> dict[str, Failing]:
    orders: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "other-model": (
            {"entrypoint": "loops:resumes_from_another_model"},
            ("rank 0: RuntimeError: Error(s) in loading state_dict", "size mismatch for weight"),
        ),
        "no-function": ({"entrypoint": "json:nothing"}, ("module 'json' has no attribute 'nothing'",)),
        "no-storage": (
            {"entrypoint": "loops:counts", "storage": "ftp://a/b"},
            ("storage ftp://a/b cannot be used: ", "ftp"),
        ),
        "no-package": (
            {"entrypoint": "loops:counts", "requirements": ["nothing @ http://127.0.0.1:9/nothing-1.tar.gz"]},
            ("its requirements cannot be installed: ", "/nothing-1.tar.gz"),
        ),
    }
    if os.path.ismount(tiny_disk):
        checkpoints, weights = tiny_disk / "checkpoints", tiny_disk / "weights"
        orders["full-at-checkpoint"] = (
            {"entrypoint": "loops:fills_storage", "storage": str(checkpoints)},
            ("rank 0: a checkpoint could not be written to", str(checkpoints), "No space left on device"),
        )
        orders["full-at-publish"] = (
            {"entrypoint": "loops:publishes_large", "storage": str(weights)},
            ("model not registered: the weights could not be written to", "No space left on device"),
        )
    jobs = {
        name: (client.submit(spec(folder, name, **more)), words) for name, (more, words) in orders.items()
    }
    return {name: Failing(job, words) for name, (job, words) in jobs.items()}


def test_job_that_cannot_go_well_fails_once_with_a_reason_of_one_line(
    client: Client, failing: dict[str, Failing]
) -> None:
    for name, case in failing.items():
        job = ended(client, case.job)
        assert (job.phase, job.attempt) == ("failed", case.attempts), f"{name}: {job.reason}"
        assert "\n" not in job.reason
        for word in case.words:
            assert word in job.reason, f"{name}: {job.reason}"
        shown = CliRunner().invoke(app, ["job", job.run_id]).stdout
        advice = "Make room there" if name in ("full-at-checkpoint", "no-storage") else "submit"
        assert advice in shown, shown


def test_interrupt_ends_the_watching_and_not_the_job(client: Client, folder: Path) -> None:
    # What a shell has started in the background ignores the signal, and all that it starts in turn.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = heeds + "from journeyman.cli import main; main()"
    file = spec(folder, "watched", entrypoint="loops:sleeps")
    following = watch(["submit", str(file), "--follow"], program, "submitted watched")
    job = client.job("watched")
    reading = watch(["logs", "-f", job.run_id], program, "")
    for process in (following, reading):
        with process:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert errors.splitlines()[-1].startswith("detached; the job continues: `journeyman logs ")
    assert not client.job(job.run_id).ended
    client.cancel(job.run_id)
    assert ended(client, job).phase == "cancelled"


def watch(arguments: list[str], program: str, until: str) -> subprocess.Popen[str]:
    """A verb that has said `until`, or has been at it for a while."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    if until:
        assert until in process.stdout.readline()
    time.sleep(3)
    return process


# -- requests ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """A service that answers, and the process of its one replica."""

    url: str
    replica: psutil.Process
    replica_ids: tuple[str, ...]

    @property
    def invocations(self) -> str:
        return f"{self.url}/invocations"


@pytest.fixture(scope="module")
def served(stack: Settings, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    rows = torch.rand(2, 4)
    registered(stack.mlflow_url, MODEL, torch.nn.Linear(4, 3), rows, folder / "model", "champion")
    (folder / "service.yaml").write_text(f"kind: service\nname: {MODEL}\nmodel: models:/{MODEL}@champion\n")
    service = client.deploy(folder / "service.yaml")
    deadline = time.monotonic() + LIMIT_S
    while (service := client.service(MODEL)).phase != "healthy":
        assert time.monotonic() < deadline, service.reason
        time.sleep(0.3)
    [replica] = [
        each.process
        for each in owned_processes(mark_of(stack.cluster, ""))
        if each.process.name().startswith("ray::ServeRepl") and MODEL in " ".join(each.process.cmdline())
    ]
    yield Served(service.url, replica, replica_ids(stack))
    client.undeploy(MODEL)
    while any(each.name == MODEL for each in client.services()):
        assert time.monotonic() < deadline + LIMIT_S
        time.sleep(0.3)


def replica_ids(stack: Settings) -> tuple[str, ...]:
    with closing(Ray(stack.ray_url, stack.ray_token, os.environ)) as ray:
        [application] = [each for each in ray.applications() if each.name == MODEL]
    return tuple(replica.replica_id for replica in application.replicas)


REFUSED: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("POST", "/invocations", b"{", JSON, 400, "not valid JSON in UTF-8 (line 1, column 2)"),
    ("POST", "/invocations", b"", JSON, 400, "It is empty."),
    ("POST", "/invocations", b'{"inputs": [[NaN, 1, 2, 3]]}', JSON, 400, "JSON has no NaN"),
    ("POST", "/invocations", b"[1]", JSON, 400, "must be a JSON object with one of 'inputs'"),
    ("POST", "/invocations", b'{"inputs": [[1, 2, 3]]}', JSON, 400, "this model takes [any, 4]"),
    ("POST", "/invocations", b'{"inputs": [1, 2, 3, 4]}', JSON, 400, "A single sample is a batch of one"),
    ("POST", "/invocations", b'{"inputs": [["secret", 1, 2, 3]]}', JSON, 400, "inputs[0][0] is a string"),
    ("POST", "/invocations", b'{"inputs": [[true, false, true, true]]}', JSON, 400, "is a boolean"),
    ("POST", "/invocations", b'{"inputs": [], "instances": []}', JSON, 400, "Only one of"),
    ("POST", "/invocations", b'{"input": [[1, 2, 3, 4]]}', JSON, 400, "did you mean 'inputs'?"),
    ("POST", "/invocations", b'{"' + b"k" * 9999 + b'": 1}', JSON, 400, "must have one of the keys"),
    (
        "POST",
        "/invocations",
        b'{"inputs": [[' + b"9," * 50_000_000 + b"1]]}",
        JSON,
        413,
        "larger than 64 MiB",
    ),
    (
        "POST",
        "/invocations",
        b"{}",
        {"content-type": "text/plain"},
        415,
        "send Content-Type: application/json",
    ),
    ("POST", "/invocations", b"a,b\n1,2\n", {"content-type": "text/csv"}, 400, "csv has 2 columns where"),
    ("POST", "/invocations", b"{}", {"content-type": "application/json; charset=utf-16"}, 415, "UTF-8"),
    ("GET", "/invocations", b"", {}, 405, "Use POST here, not GET."),
    ("DELETE", "/invocations", b"", {}, 405, "Use POST here, not DELETE."),
    ("POST", "/ping", b"", {}, 405, "Use GET here, not POST."),
    ("POST", "/predict", b"{}", JSON, 404, "Not found: POST to /invocations."),
]


def test_request_that_is_wrong_is_refused_in_words_and_nothing_of_it_is_repeated(served: Served) -> None:
    for method, path, body, headers, status, message in REFUSED:
        answer = httpx.request(method, served.url + path, content=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), path
        told = answer.json()
        assert message in told["message"]
        assert set(told) == {"error_code", "message"}
        assert len(answer.content) < 400
        assert b"secret" not in answer.content and b"Traceback" not in answer.content
    for headers in ({}, {"content-type": ""}, {"content-type": "APPLICATION/JSON ; charset=UTF-8"}):
        answer = httpx.post(served.invocations, content=json.dumps(ROW), headers=headers)
        assert answer.status_code == 200, headers
    # The ingress itself answers for a service that is not there, in words of Ray's.
    nobody = httpx.post(served.url + "-not-there/invocations", json=ROW)
    assert nobody.status_code == 404 and len(nobody.content) < 400


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["inputs", "instances", "data", "columns", "params", "input"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FORMS = st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "inputs ", "params"])
VALID = json.dumps(ROW).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid body with a few bytes changed, dropped or put in."""
    body = bytearray(VALID)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body) - 1))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        if not body:
            break
    return bytes(body)


BODIES = st.one_of(
    mutated(),
    st.binary(max_size=60),
    NESTED.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FORMS, NESTED, min_size=1, max_size=2).map(lambda value: json.dumps(value).encode()),
    st.integers(1, 3000).map(lambda depth: b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}"),
)
CONTENT_TYPES = st.sampled_from(
    ["application/json"] * 6
    + ["", "text/plain", "application/json; charset=latin-1", "*/*", "application/json;;;=", "a" * 300]
)


def test_ten_thousand_odd_requests_leave_the_replica_as_it_was(stack: Settings, served: Served) -> None:
    statuses: set[int] = set()
    count = 0
    http = httpx.Client(timeout=60)

    @examples(
        max_examples=BATCHES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(BODIES, CONTENT_TYPES), min_size=BATCH, max_size=BATCH))
    def ask(requests: list[tuple[bytes, str]]) -> None:
        nonlocal count
        for body, content_type in requests:
            answer = http.post(served.invocations, content=body, headers={"content-type": content_type})
            statuses.add(answer.status_code)
            count += 1
            assert answer.status_code in (200, 400, 413, 415), (body, answer.text)
            told = answer.json()
            assert set(told) == ({"predictions"} if answer.status_code == 200 else {"error_code", "message"})
            assert len(answer.content) < 2000

    for _ in range(1000):
        http.post(served.invocations, content=VALID, headers=JSON)
    before_bytes = served.replica.memory_info().rss
    ask()
    grown_bytes = served.replica.memory_info().rss - before_bytes
    http.close()
    assert count >= BATCH * BATCHES
    assert {200, 400, 415} <= statuses
    assert served.replica.is_running() and replica_ids(stack) == served.replica_ids
    assert httpx.post(served.invocations, json=ROW).status_code == 200
    assert grown_bytes < GROWTH_BYTES
