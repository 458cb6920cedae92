"""Which cluster commands talk to: the context in force, unless the environment names another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from journeyman.cluster.capacity import Growth
from journeyman.cluster.contexts import (
    check_name,
    context_folder,
    contexts,
    current_context,
    forget_context,
    use_context,
)
from journeyman.cluster.local.plan import Plan, Target, read_plan, write_plan
from journeyman.cluster.settings import check_listens, load_settings, serve_address
from journeyman.errors import NotFoundError, StackDownError, UsageError

HEAD = Target(
    ray_url="http://head:8265",
    mlflow_url="http://mlflow:5000",
    serve_listens="0.0.0.0:8000",
    serve_url="http://head:8000",
    storage="s3://bucket/runs",
    stack="stack-1",
    growth=(Growth(total={"CPU": 8.0}, nodes=4),),
)
PORTS = {"mlflow": 5000, "ray_dashboard": 8265, "serve": 8000, "serve_grpc": 9000}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Knows a stack of its own, which runs, and a cluster `head`."""
    write_plan(tmp_path, Plan(cluster="mine", ports=PORTS), running=True)
    folder = context_folder(tmp_path, "head")
    folder.mkdir(parents=True)
    write_plan(folder, Plan(cluster="http://head:8265", ports={}, target=HEAD), running=False)
    return tmp_path


def environ(home: Path, **more: str) -> dict[str, str]:
    return {"JOURNEYMAN_HOME": str(home), **more}


def test_commands_talk_to_the_context_in_force(home: Path) -> None:
    assert (contexts(home), current_context(home)) == (["local", "head"], "local")
    local = load_settings(environ(home))
    assert (local.context, local.cluster, local.attached) == ("local", "mine", False)
    assert local.storage == str(home / "runs")

    use_context(home, "head")
    head = load_settings(environ(home))
    assert (head.context, head.cluster, head.attached) == ("head", "http://head:8265", True)
    assert (head.ray_url, head.mlflow_url, head.serve_url, head.storage) == (
        "http://head:8265",
        "http://mlflow:5000",
        "http://head:8000",
        "s3://bucket/runs",
    )
    assert (local.growth, head.growth) == ((), HEAD.growth)
    with pytest.raises(NotFoundError, match="there is no context 'hed'") as caught:
        use_context(home, "hed")
    assert caught.value.hint == "Those there are: local, head."


def test_environment_wins_and_takes_nothing_from_the_context_of_another_cluster(home: Path) -> None:
    use_context(home, "head")
    other = load_settings(
        environ(home, RAY_ADDRESS="http://other:8265/", MLFLOW_TRACKING_URI="http://tracking:5000")
    )
    assert (other.context, other.attached, other.cluster) == ("", True, "http://other:8265")
    assert (other.serve_url, other.storage) == ("http://other:8000", None)
    # Its MLflow is not known, and that of the context is another cluster's.
    with pytest.raises(StackDownError):
        load_settings(environ(home, RAY_ADDRESS="http://other:8265"))
    same = load_settings(environ(home, RAY_ADDRESS="http://head:8265"))
    assert (same.context, same.storage) == ("head", "s3://bucket/runs")


@pytest.mark.parametrize("host", ["head", "10.0.0.7", "[fd00::7]"])
def test_services_answer_where_the_head_is(host: str) -> None:
    assert serve_address(f"http://{host}:8265") == f"http://{host}:8000"


def test_control_of_a_context_finds_it_with_the_folder_as_its_home(home: Path) -> None:
    found = load_settings(environ(context_folder(home, "head")))
    assert (found.attached, found.cluster, found.home) == (
        True,
        "http://head:8265",
        home / "contexts" / "head",
    )


def test_forgotten_context_leaves_the_stack_on_this_machine(home: Path) -> None:
    use_context(home, "head")
    forget_context(home, "head")
    assert (contexts(home), current_context(home)) == (["local"], "local")
    assert not context_folder(home, "head").exists()
    assert read_plan(home) == Plan(cluster="mine", ports=PORTS)


@pytest.mark.parametrize("name", ["local", "", "..", "a/b", "Head", "-x", "x" * 64])
def test_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a context"):
        check_name(name)


@pytest.mark.parametrize(
    ("written", "listens"),
    [
        # By an earlier version: what a balancer listens on says nothing of a cluster's nodes.
        (
            {"attached": True, "ray_url": "http://head:8265", "serve_url": "http://balancer:80"},
            "0.0.0.0:8000",
        ),
        (
            {"attached": True, "ray_url": "http://localhost:8265", "serve_url": "http://b:80"},
            "127.0.0.1:8000",
        ),
        ({"ray_url": "http://127.0.0.1:8265", "serve_url": "http://127.0.0.1:8003"}, "127.0.0.1:8003"),
        ({"attached": True, "ray_url": "http://head:8265", "serve_listens": "10.0.0.1:1"}, "10.0.0.1:1"),
    ],
)
def test_serve_listens_on_what_was_said_and_on_nothing_that_a_public_address_is(
    tmp_path: Path, written: dict[str, object], listens: str
) -> None:
    whole = {"cluster": "c", "ports": {}, "mlflow_url": "http://mlflow:5000", "storage": "s3://b"} | written
    (tmp_path / "endpoints.json").write_text(json.dumps(whole))
    settings = load_settings({"JOURNEYMAN_HOME": str(tmp_path)})
    assert (settings.serve_listens, settings.serve_url) == (
        listens,
        whole.get("serve_url", "http://head:8000"),
    )


def test_cluster_that_the_environment_names_listens_by_where_its_head_is(tmp_path: Path) -> None:
    environ = {"JOURNEYMAN_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    for head, listens in (("http://head:8265", "0.0.0.0:8000"), ("http://127.0.0.1:8265", "127.0.0.1:8000")):
        assert load_settings(environ | {"RAY_ADDRESS": head}).serve_listens == listens


@pytest.mark.parametrize("address", ["0.0.0.0:8000", "127.0.0.1:1", "[::]:8000", "node:65535"])
def test_address_with_a_port_is_one_to_listen_on(address: str) -> None:
    check_listens("--listen", address)


@pytest.mark.parametrize(
    "address",
    ["", "0.0.0.0", ":8000", "http://a:8000", "a:0", "a:65536", "a:b", "a:8000/", "u@a:8000", "[::"],
)
def test_what_nothing_can_listen_on_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="which is no address with a port"):
        check_listens("--listen", address)
