"""What of a service changes its replicas, what reaches them, and what the whole config holds."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from journeyman.cluster.archive import Archive, archive
from journeyman.serve.control.application import application_config, serve_config
from journeyman.serve.records import Rollout
from journeyman.serve.spec import ServiceSpec

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
    ServeDeploySchema.model_validate(serve_config([config(package=sent)], "http://127.0.0.1:8000", None))


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
def test_whole_config_is_one_that_serve_takes_whatever_the_order() -> None:
    other = config(changed(SPEC, name="letters", replicas="1..4"))
    whole = serve_config([other, config()], "http://127.0.0.1:8123", None)
    assert whole == serve_config([config(), other], "http://127.0.0.1:8123", None)
    assert whole["http_options"] == {"host": "127.0.0.1", "port": 8123}
    taken = ServeDeploySchema.model_validate(whole)
    assert [application.name for application in taken.applications] == ["digits", "letters"]


def test_services_behind_an_address_of_the_network_listen_to_it() -> None:
    assert serve_config([], "http://serve.example:8000", None)["http_options"]["host"] == "0.0.0.0"


def test_grpc_is_served_where_its_address_is_known() -> None:
    assert "grpc_options" not in serve_config([], "http://127.0.0.1:8000", None)
    whole = serve_config([config()], "http://127.0.0.1:8000", "127.0.0.1:9007")
    options = ServeDeploySchema.model_validate(whole).grpc_options
    assert options.port == 9007
    [path] = options.grpc_servicer_functions
    module, _, function = path.rpartition(".")
    assert callable(getattr(import_module(module), function))
