"""What of a service changes its replicas, what reaches them, and what the whole config holds."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.cluster.archive import Archive, archive
from journeyman.cluster.resources import Resources
from journeyman.cluster.spec_file import Range
from journeyman.models.engines.engine import Engine
from journeyman.serve.control.application import application_config, serve_config
from journeyman.serve.records import Rollout
from journeyman.serve.spec import Limits, ServiceSpec

with warnings.catch_warnings():
    # Ray's own use of pydantic.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ray.serve.schema import ServeDeploySchema

SPEC = ServiceSpec.model_validate({"name": "digits", "model": "models:/digits@champion"})
ROLLOUT = Rollout(model="digits", serving="3", proven=True)


def config(
    spec: ServiceSpec = SPEC, rollout: Rollout = ROLLOUT, package: Archive | None = None
) -> dict[str, Any]:
    return application_config(spec, rollout, "b2,c3", "run", "http://mlflow", package)


def changed(spec: ServiceSpec, **keys: Any) -> ServiceSpec:
    return ServiceSpec.model_validate(spec.model_dump() | keys)


def as_serve_tells_it(application: dict[str, Any]) -> Any:
    """Through Serve's schema, as its REST answers `deployed_app_config`."""
    whole = json.loads(json.dumps(serve_config([application], "127.0.0.1:8000", None)))
    [kept] = ServeDeploySchema.model_validate(whole).applications
    return json.loads(json.dumps(kept.dict(exclude_unset=True)))


def environment(application: dict[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = application["deployments"][0]["ray_actor_options"]["runtime_env"]["env_vars"]
    return variables


def test_candidate_in_place_changes_the_user_config_alone() -> None:
    with_candidate = config(rollout=replace(ROLLOUT, candidate="4", trial=2))
    deployment, other = config()["deployments"][0], with_candidate["deployments"][0]
    limits = {"body": 64 * 2**20, "time": 60.0, "queue": 100}
    versions = {"serving": "3", "candidate": "4", "trial": 2, "follows": None}
    engines = {"engine": None, "verdicts": "b2,c3"}
    assert other["user_config"] == versions | engines | {"limits": limits}
    assert with_candidate["args"] == config()["args"]
    assert deployment | {"user_config": None} == other | {"user_config": None}


def test_candidate_by_surge_changes_the_arguments_and_back() -> None:
    surging = config(rollout=replace(ROLLOUT, candidate="4", trial=2, surge_because="it must"))
    assert surging["deployments"][0]["user_config"]["serving"] == "4"
    # What tries it is told what it must fit.
    assert surging["deployments"][0]["user_config"]["follows"] == "3"
    assert environment(surging)["JOURNEYMAN_GENERATION"] == "2"
    # Serve builds nothing anew for it.
    assert surging["args"] == config()["args"]
    refused = config(rollout=replace(ROLLOUT, trial=2, refused="4"))
    assert environment(refused) == environment(config())


def test_replicas_of_a_cluster_that_lacks_journeyman_are_sent_it() -> None:
    sent = archive([("journeyman/__init__.py", 0o644, b"")])
    assert "py_modules" not in config()["runtime_env"]
    assert config(package=sent)["runtime_env"] == {"py_modules": [f"gcs://_ray_pkg_{sent.sha256[:32]}.zip"]}
    ServeDeploySchema.model_validate(serve_config([config(package=sent)], "127.0.0.1:8000", None))


def test_limits_reach_the_replicas_and_serve_holds_back_no_request_that_is_to_be_refused() -> None:
    limited = config(changed(SPEC, limits={"queue": 7, "time": "2s"}))["deployments"][0]
    assert limited["user_config"]["limits"] == {"body": 64 * 2**20, "time": 2.0, "queue": 7}
    assert limited["max_ongoing_requests"] == 14
    assert limited["ray_actor_options"] == config()["deployments"][0]["ray_actor_options"]


def test_replicas_fixed_or_in_a_range_are_scaled_so() -> None:
    fixed = config(changed(SPEC, replicas="2"))["deployments"][0]
    assert fixed["num_replicas"] == 2
    assert "autoscaling_config" not in fixed
    scaled = config(changed(SPEC, replicas="1..4"))["deployments"][0]
    assert "num_replicas" not in scaled
    bounds = scaled["autoscaling_config"]
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (1, 4)


def test_requirements_are_an_environment_of_the_replicas_and_of_nothing_else() -> None:
    spec = changed(SPEC, requirements=("einops>=0.8",))
    with_it, without = config(spec), config()
    options = with_it["deployments"][0]["ray_actor_options"]["runtime_env"]
    assert options["pip"] == {"packages": ["einops>=0.8"], "pip_check": False}
    # What Ray put before the others in PATH, not the Python of this process.
    assert options["py_executable"] == "python -P -m journeyman.serve.replica.process"
    # Serve builds nothing anew for it, in an environment that might not come about.
    assert with_it["runtime_env"] == without["runtime_env"]
    assert with_it["args"] == without["args"]
    assert "pip" not in without["deployments"][0]["ray_actor_options"]["runtime_env"]
    sent = archive([("journeyman/__init__.py", 0o644, b"")])
    assert "py_executable" not in json.dumps(config(spec, package=sent))


def test_environment_of_the_spec_wins_and_threads_follow_the_cpus() -> None:
    spec = changed(SPEC, resources={"cpus": 2.5}, env={"TOKENIZERS_PARALLELISM": "false"})
    options = config(spec)["deployments"][0]["ray_actor_options"]
    assert options["num_cpus"] == 2.5
    variables = options["runtime_env"]["env_vars"]
    assert variables == {
        "OMP_NUM_THREADS": "2",
        "TOKENIZERS_PARALLELISM": "false",
        "JOURNEYMAN_GENERATION": "1",
    }


@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
def test_whole_config_is_one_that_serve_takes_in_the_order_given() -> None:
    other = config(changed(SPEC, name="letters", replicas="1..4"))
    whole = serve_config([other, config()], "127.0.0.1:8123", None)
    assert [each["name"] for each in whole["applications"]] == ["letters", "digits"]
    assert whole["http_options"] == {"host": "127.0.0.1", "port": 8123}
    taken = ServeDeploySchema.model_validate(whole)
    assert [application.name for application in taken.applications] == ["letters", "digits"]


def test_serve_listens_where_it_is_told_to() -> None:
    assert serve_config([], "0.0.0.0:8001", None)["http_options"] == {"host": "0.0.0.0", "port": 8001}
    assert serve_config([], "[::]:8001", None)["http_options"] == {"host": "::", "port": 8001}


def test_grpc_is_served_where_its_address_is_known() -> None:
    assert "grpc_options" not in serve_config([], "127.0.0.1:8000", None)
    whole = serve_config([config()], "127.0.0.1:8000", "127.0.0.1:9007")
    options = ServeDeploySchema.model_validate(whole).grpc_options
    assert options.port == 9007
    [path] = options.grpc_servicer_functions
    module, _, function = path.rpartition(".")
    assert callable(getattr(import_module(module), function))


@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")
@given(
    spec=st.builds(
        ServiceSpec,
        name=st.just("digits"),
        model=st.just("models:/digits@champion"),
        replicas=st.tuples(st.integers(1, 5), st.integers(0, 5)).map(
            lambda bounds: Range(least=bounds[0], most=sum(bounds))
        ),
        resources=st.builds(
            Resources,
            cpus=st.sampled_from([0.1, 1.0, 2.5, 16.0]),
            gpus=st.sampled_from([0.0, 0.5, 2.0]),
        ),
        limits=st.builds(
            Limits,
            body=st.integers(1, 2**40),
            time=st.floats(0.1, 1e6),
            queue=st.integers(1, 10_000),
        ),
        engine=st.sampled_from([None, *Engine]),
        allow_code=st.booleans(),
        requirements=st.sampled_from([(), ("einops>=0.8", "--pre")]),
        cors=st.sampled_from([(), ("*",), ("https://a.example",)]),
        env=st.dictionaries(st.sampled_from(["A", "B_1", "OMP_NUM_THREADS"]), st.text(max_size=20)),
    ),
    rollout=st.builds(
        Rollout,
        model=st.text(min_size=1, max_size=20),
        serving=st.sampled_from(["1", "3"]),
        generation=st.integers(1, 9),
        trial=st.integers(1, 9),
        candidate=st.sampled_from([None, "4"]),
        surge_because=st.sampled_from(["", "it must"]),
    ),
    package=st.sampled_from([None, archive([("journeyman/__init__.py", 0o644, b"")])]),
)
def test_every_config_comes_back_equal_from_serve(
    spec: ServiceSpec, rollout: Rollout, package: Archive | None
) -> None:
    """Else control would take what it sent for somebody else's, and send it for ever."""
    application = config(spec, rollout, package)
    assert as_serve_tells_it(application) == application
