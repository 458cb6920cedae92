"""What MLflow stores, cuts, refuses and answers, as far as control stands on it: the fake and a real one."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from journeyman.errors import NotFoundError, RefusedError
from journeyman.tracking import records
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow

from .mlflow_servers import FakeServer, MlflowServer, RealServer

NOBODY = "0" * 32


@pytest.fixture(params=["fake", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[MlflowServer]:
    if request.param == "fake":
        yield FakeServer(time.time)
        return
    with closing(RealServer(Mlflow(request.getfixturevalue("mlflow_url"), {}))) as real:
        yield real


@pytest.fixture
def mlflow(server: MlflowServer) -> MlflowApi:
    return server.client


@pytest.fixture
def experiment(mlflow: MlflowApi) -> str:
    """The id of an empty one."""
    return mlflow.experiment_id(f"contract-{uuid.uuid4().hex}")


def names(mlflow: MlflowApi, experiment: str, filter_string: str, limit: int | None = None) -> list[str]:
    return [run.run_name for run in mlflow.search_runs([experiment], filter_string, limit)]


# -- tags and params -------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["a", "é", "試", "\U0001f600"])
def test_tag_is_cut_at_8000_characters_without_a_word(
    mlflow: MlflowApi, experiment: str, character: str
) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    whole, longer = character * records.MAX_TAG_CHARACTERS, character * (records.MAX_TAG_CHARACTERS + 1)
    mlflow.set_tags(run_id, {"whole": whole, "longer": longer, "ends": whole[:-1] + "}}"})
    tags = mlflow.run(run_id).tags
    assert tags["whole"] == tags["longer"] == whole
    assert tags["ends"] == whole[:-1] + "}"


def test_tag_that_a_run_is_made_with_is_neither_cut_nor_checked(mlflow: MlflowApi, experiment: str) -> None:
    longer = "a" * (records.MAX_TAG_CHARACTERS + 1)
    run = mlflow.create_run(experiment, "run", {"longer": longer, "loss(mse)": "1"})
    assert run.tags == mlflow.run(run.run_id).tags
    assert (run.tags["longer"], run.tags["loss(mse)"]) == (longer, "1")
    # Set again as it stands it is cut.
    mlflow.set_tags(run.run_id, {"longer": longer})
    assert len(mlflow.run(run.run_id).tags["longer"]) == records.MAX_TAG_CHARACTERS


def test_tags_are_set_anew_and_deleted(mlflow: MlflowApi, experiment: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {"kept": "1", "changed": "1", "gone": "1"}).run_id
    mlflow.set_tags(run_id, {"changed": "2", "empty": "", "nul": "a\x00b"})
    mlflow.delete_tag(run_id, "gone")
    assert dict(mlflow.run(run_id).tags) == {
        "kept": "1",
        "changed": "2",
        "empty": "",
        "nul": "a\ufffdb",
        "mlflow.runName": "run",
    }
    with pytest.raises(NotFoundError):
        mlflow.delete_tag(run_id, "gone")
    mlflow.set_tags(run_id, {"mlflow.runName": "renamed"})
    assert mlflow.run(run_id).run_name == "renamed"


def test_param_is_written_once(mlflow: MlflowApi, experiment: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    assert mlflow.claim(run_id, "attempt.1", "first")
    assert not mlflow.claim(run_id, "attempt.1", "second")
    assert mlflow.claim(run_id, "attempt.1", "first")
    mlflow.log_batch(run_id, params={"attempt.1": "first", "lr": "0.1", "empty": ""})
    with pytest.raises(RefusedError, match="Changing param values is not allowed"):
        mlflow.log_batch(run_id, params={"lr": "0.2"})
    assert dict(mlflow.run(run_id).params) == {"attempt.1": "first", "lr": "0.1", "empty": ""}


def test_param_is_cut_at_6000_characters_and_the_whole_is_the_same_one(
    mlflow: MlflowApi, experiment: str
) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    mlflow.log_batch(run_id, params={"long": "a" * 6001})
    assert mlflow.run(run_id).params["long"] == "a" * 6000
    assert mlflow.claim(run_id, "long", "a" * 6001)
    mlflow.log_batch(run_id, params={"long": "a" * 7000})
    assert not mlflow.claim(run_id, "long", "a" * 5999)


@pytest.mark.parametrize("key", ["loss(mse)", "", "a//b", "../a", "/a", ".", "a?", "k" * 251])
def test_key_that_is_refused(mlflow: MlflowApi, experiment: str, key: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    point = {"key": key, "value": 1.0, "timestamp": 1, "step": 0}
    for ask in (
        lambda: mlflow.set_tags(run_id, {key: "1"}),
        lambda: mlflow.log_batch(run_id, params={key: "1"}),
        lambda: mlflow.log_batch(run_id, metrics=[point]),
        lambda: mlflow.claim(run_id, key, "me"),
    ):
        with pytest.raises(RefusedError):
            ask()
    run = mlflow.run(run_id)
    assert (dict(run.params), dict(run.metrics), set(run.tags)) == ({}, {}, {"mlflow.runName"})


@pytest.mark.parametrize("key", ["a/b", "a:b", "größe 2", "a.b-c_d", "k" * 250])
def test_key_that_is_taken(mlflow: MlflowApi, experiment: str, key: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    mlflow.log_batch(run_id, params={key: "1"}, tags={key: "1"})
    run = mlflow.run(run_id)
    assert run.params[key] == run.tags[key] == "1"


def numbered(count: int) -> dict[str, str]:
    return {f"key-{n}": "v" for n in range(count)}


def points(count: int) -> list[dict[str, object]]:
    return [{"key": f"m-{n}", "value": 1.0, "timestamp": 1, "step": 0} for n in range(count)]


def test_batch_holds_so_much_and_is_stored_whole_or_not_at_all(mlflow: MlflowApi, experiment: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    too_much: list[dict[str, Any]] = [
        {"tags": numbered(101)},
        {"params": numbered(101)},
        {"metrics": points(1001)},
        {"metrics": points(1000), "tags": numbered(1)},
    ]
    for batch in too_much:
        with pytest.raises(RefusedError, match="can contain at most"):
            mlflow.log_batch(run_id, **batch)
    mlflow.log_batch(run_id, params={"lr": "1"})
    with pytest.raises(RefusedError):
        mlflow.log_batch(run_id, metrics=points(1), tags=numbered(1), params={"lr": "2", "new": "1"})
    run = mlflow.run(run_id)
    assert (dict(run.params), dict(run.metrics), set(run.tags)) == ({"lr": "1"}, {}, {"mlflow.runName"})
    mlflow.log_batch(run_id, metrics=points(800), tags=numbered(100), params=numbered(100))
    run = mlflow.run(run_id)
    assert (len(run.metrics), len(run.params), len(run.tags)) == (800, 101, 101)


def test_batch_of_more_than_a_million_bytes_is_taken(mlflow: MlflowApi, experiment: str) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    mlflow.log_batch(run_id, tags={f"key-{n}": "v" * 11_000 for n in range(100)})
    assert {len(value) for key, value in mlflow.run(run_id).tags.items() if key != "mlflow.runName"} == {8000}


# -- metrics ---------------------------------------------------------------------------------------------


def test_newest_point_is_that_of_the_highest_step_and_a_history_is_told_by_time(
    mlflow: MlflowApi, experiment: str
) -> None:
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    told = [(50, 0, 3.0), (5, 2, 2.0), (10, 1, 1.0), (10, 1, 7.0), (10, 1, 1.0)]
    for milliseconds, step, value in told:
        point = {"key": "loss", "value": value, "timestamp": milliseconds, "step": step}
        mlflow.log_batch(run_id, metrics=[point])
    run = mlflow.run(run_id)
    assert (run.metrics["loss"], run.steps["loss"]) == (2.0, 2)
    history = mlflow.metric_history(run_id, "loss")
    assert [(p["timestamp"], p["step"], p["value"]) for p in history] == sorted(set(told))
    assert mlflow.metric_history(run_id, "nothing") == mlflow.metric_history(NOBODY, "loss") == []
    mlflow.log_batch(run_id, metrics=[{"key": "loss", "value": "NaN", "timestamp": 60, "step": 3}])
    assert math.isnan(mlflow.run(run_id).metrics["loss"])
    with pytest.raises(RefusedError):
        mlflow.log_batch(run_id, metrics=[{"key": "loss", "value": 1.0, "timestamp": -1, "step": 4}])


# -- searches --------------------------------------------------------------------------------------------


def test_filters_of_the_form_that_control_uses(mlflow: MlflowApi, experiment: str) -> None:
    tags = {
        "a": {"journeyman.kind": "job", "journeyman.cluster": "one", "x": "it's"},
        "b": {"journeyman.kind": "job", "journeyman.cluster": "two", "x": "a_c"},
        "c": {"journeyman.kind": "service", "journeyman.cluster": "one", "x": "abc"},
        "d": {"journeyman.cluster": "one", "x": ""},
    }
    runs = {name: mlflow.create_run(experiment, name, each) for name, each in tags.items()}
    mlflow.update_run(runs["b"].run_id, "FINISHED", 5)
    mlflow.update_run(runs["c"].run_id, "SCHEDULED")
    mlflow.log_batch(runs["d"].run_id, params={"workers": "2"})
    whole = runs["a"].run_id
    for filter_string, expected in {
        "": "abcd",
        "tags.`journeyman.kind` = 'job'": "ab",
        "tags.`journeyman.kind` = 'job' and tags.`journeyman.cluster` = 'one'": "a",
        "tags.`journeyman.kind` = 'job' AND attributes.status = 'RUNNING'": "a",
        # What has no such tag is not unlike it.
        "tags.`journeyman.kind` != 'job'": "c",
        "tags.nothing != 'job'": "",
        "attributes.status != 'FINISHED' and attributes.status != 'RUNNING'": "c",
        "attributes.status = 'finished'": "",
        "tags.`journeyman.kind` LIKE 'J%'": "",
        "tags.`journeyman.kind` ILIKE 'J%'": "ab",
        "tags.x LIKE 'a_c'": "bc",
        "tags.x LIKE 'a%'": "bc",
        "tags.x = ''": "d",
        'tags.x = "it\'s"': "a",
        "params.workers = '2'": "d",
        f"attributes.run_id LIKE '{whole[:16]}%'": "a",
        f"attributes.run_id LIKE '{whole[:16].upper()}x%'": "",
        f"attributes.run_id IN ('{whole}', '{runs['c'].run_id}', '{'0' * 32}')": "ac",
        f"attributes.run_id IN ('{whole}') and attributes.status != 'FINISHED'": "a",
        "attributes.run_name = 'b'": "b",
        "tags.`journeyman.kind` IS NULL": "d",
        "tags.`journeyman.kind` IS NOT NULL and params.workers IS NULL": "abc",
        "attributes.status = 'RUNNING' and tags.`journeyman.kind` IS NOT NULL": "a",
        # A tag that is empty is there.
        "tags.x IS NOT NULL and tags.nothing IS NULL": "abcd",
    }.items():
        assert sorted(names(mlflow, experiment, filter_string)) == list(expected), filter_string


@pytest.mark.parametrize(
    "filter_string",
    ["nonsense", "tags.x = 'open", "tags.x = 5", "tags.x = 'a' or tags.x = 'b'", "attributes.nothing = 'a'"]
    + ["tags.x IN ('a')", "attributes.status IS NULL", "attributes.nothing IN ('a')"],
)
def test_filter_that_is_refused(mlflow: MlflowApi, experiment: str, filter_string: str) -> None:
    with pytest.raises(RefusedError):
        mlflow.search_runs([experiment], filter_string)


def test_search_tells_the_newest_first_and_as_many_as_are_asked_for(
    mlflow: MlflowApi, experiment: str
) -> None:
    for name in "abcde":
        mlflow.create_run(experiment, name, {"odd": str(ord(name) % 2)})
        time.sleep(0.002)
    assert names(mlflow, experiment, "") == list("edcba")
    assert names(mlflow, experiment, "", limit=2) == list("ed")
    assert names(mlflow, experiment, "tags.odd = '1'", limit=2) == list("ec")
    assert mlflow.search_runs([], "") == mlflow.search_runs(["999999"], "") == []
    other = mlflow.experiment_id(f"contract-{uuid.uuid4().hex}")
    mlflow.create_run(other, "other", {})
    found = mlflow.search_runs([other, experiment], "", limit=2)
    assert [run.run_name for run in found] == ["other", "e"]


# -- what is deleted and what is unknown ------------------------------------------------------------------


def writes(mlflow: MlflowApi, run_id: str) -> None:
    """Every way to write to a run is refused."""
    dataset = {"dataset": {"name": "a", "digest": "b", "source_type": "local", "source": "{}"}}
    for write in (
        lambda: mlflow.set_tags(run_id, {"a": "b"}),
        lambda: mlflow.set_tags(run_id, {}),
        lambda: mlflow.delete_tag(run_id, "x"),
        lambda: mlflow.log_batch(run_id, params={"a": "b"}),
        lambda: mlflow.claim(run_id, "attempt.1", "me"),
        lambda: mlflow.update_run(run_id, "FINISHED", 5),
        lambda: mlflow.log_inputs(run_id, [dataset]),
    ):
        with pytest.raises(RefusedError, match="must be in the 'active' state"):
            write()


def test_deleted_run_is_read_and_not_found_and_not_written_to(mlflow: MlflowApi, experiment: str) -> None:
    run = mlflow.create_run(experiment, "run", {"x": "1"})
    mlflow.upload(run, "a.txt", b"a")
    mlflow.delete_run(run.run_id)
    mlflow.delete_run(run.run_id)
    assert mlflow.run(run.run_id) == replace(run, deleted=True)
    assert mlflow.search_runs([experiment], "") == []
    writes(mlflow, run.run_id)
    assert mlflow.run(run.run_id) == replace(run, deleted=True)
    assert mlflow.artifacts(run.run_id) == {"a.txt": 1}
    mlflow.upload(run, "b.txt", b"bb")
    assert mlflow.download(run, "b.txt") == b"bb"


def test_deleted_experiment_takes_its_runs_with_it_and_keeps_its_name(server: MlflowServer) -> None:
    mlflow, name = server.client, f"contract-{uuid.uuid4().hex}"
    experiment = mlflow.experiment_id(name)
    run = mlflow.create_run(experiment, "run", {"x": "1"})
    server.delete_experiment(experiment)
    assert mlflow.run(run.run_id) == replace(run, deleted=True)
    assert mlflow.search_runs([experiment], "") == []
    writes(mlflow, run.run_id)
    with pytest.raises(RefusedError, match="must be in the 'active' state"):
        mlflow.create_run(experiment, "run", {})


def test_name_of_a_deleted_experiment_is_refused(server: MlflowServer) -> None:
    name = f"contract-{uuid.uuid4().hex}"
    # Told to one that has not read the list of experiments before, which the real client keeps for a while.
    first = server.client.experiment_id(name)
    server.delete_experiment(first)
    with closing(server.fresh()) as other, pytest.raises(RefusedError, match="was deleted in MLflow"):
        other.experiment_id(name)


def test_experiment_of_a_name_is_the_same_one_whatever_its_case(mlflow: MlflowApi) -> None:
    name = f"contract-{uuid.uuid4().hex}"
    experiment = mlflow.experiment_id(name)
    assert mlflow.experiment_id(name.upper()) == mlflow.experiment_id(name) == experiment
    assert mlflow.experiment_id("default") == "0"
    assert mlflow.experiments()[experiment] == name
    for refused in ("", "n" * 501):
        with pytest.raises(RefusedError):
            mlflow.experiment_id(refused)


def test_what_is_not_there_is_not_found(mlflow: MlflowApi, experiment: str) -> None:
    run = mlflow.create_run(experiment, "run", {})
    for ask in (
        lambda: mlflow.run(NOBODY),
        lambda: mlflow.set_tags(NOBODY, {"a": "b"}),
        lambda: mlflow.set_tags(NOBODY, {}),
        lambda: mlflow.delete_tag(NOBODY, "a"),
        lambda: mlflow.log_batch(NOBODY, params={"a": "b"}),
        lambda: mlflow.claim(NOBODY, "attempt.1", "me"),
        lambda: mlflow.update_run(NOBODY, "FINISHED"),
        lambda: mlflow.delete_run(NOBODY),
        lambda: mlflow.log_inputs(NOBODY, []),
        lambda: mlflow.artifacts(NOBODY),
        lambda: mlflow.download(run, "nothing.txt"),
        lambda: mlflow.create_run("999999", "run", {}),
        lambda: mlflow.aliases("nobody"),
        lambda: mlflow.model_version("nobody", "1"),
        lambda: mlflow.download_uri("nobody", "1"),
        lambda: mlflow.set_version_tag("nobody", "1", "a", "b"),
    ):
        with pytest.raises(NotFoundError):
            ask()


# -- runs ------------------------------------------------------------------------------------------------


def test_run_begins_running_and_takes_every_status_from_every_other(
    mlflow: MlflowApi, experiment: str
) -> None:
    before_ms = mlflow.now_ms()
    run = mlflow.create_run(experiment, "run", {"x": "1"})
    assert before_ms <= run.start_ms <= mlflow.now_ms()
    assert (run.status, run.end_ms, run.experiment_id, run.run_name) == ("RUNNING", None, experiment, "run")
    assert run.artifact_uri == f"mlflow-artifacts:/{experiment}/{run.run_id}/artifacts"
    assert dict(run.tags) == {"x": "1", "mlflow.runName": "run"}
    assert (run.params, run.metrics, run.steps) == ({}, {}, {})
    assert mlflow.run(run.run_id) == run
    for status, end_ms, kept_ms in (
        ("SCHEDULED", None, None),
        ("FINISHED", None, None),
        ("FAILED", 77, 77),
        # An end once told stays, also of a run that goes on.
        ("RUNNING", None, 77),
        ("KILLED", 99, 99),
        ("RUNNING", None, 99),
    ):
        mlflow.update_run(run.run_id, status, end_ms)
        told = mlflow.run(run.run_id)
        assert (told.status, told.end_ms) == (status, kept_ms)
    # A status that it does not know is passed over.
    mlflow.update_run(run.run_id, "PAUSED", 100)
    assert (mlflow.run(run.run_id).status, mlflow.run(run.run_id).end_ms) == ("RUNNING", 100)
    mlflow.update_run(run.run_id, "FINISHED", 5)
    mlflow.set_tags(run.run_id, {"after": "the end"})
    assert mlflow.run(run.run_id).tags["after"] == "the end"


def test_run_without_a_name_gets_one(mlflow: MlflowApi, experiment: str) -> None:
    run = mlflow.create_run(experiment, "", {})
    assert run.run_name == run.tags["mlflow.runName"] != ""
    with pytest.raises(RefusedError, match="'mlflow.runName' tag"):
        mlflow.create_run(experiment, "one", {"mlflow.runName": "another"})


# -- artifacts -------------------------------------------------------------------------------------------


def test_artifacts_are_listed_by_folder_and_come_back_whole(mlflow: MlflowApi, experiment: str) -> None:
    run = mlflow.create_run(experiment, "run", {})
    assert mlflow.artifacts(run.run_id) == mlflow.artifacts(run.run_id, "nothing") == {}
    mlflow.upload(run, "code/code.zip", b"12345")
    mlflow.upload(run, "logs/pieces/driver/1-0.log", b"a")
    mlflow.upload(run, "logs/driver é.log", b"")
    mlflow.upload(run, "code/code.zip", b"123")
    assert mlflow.artifacts(run.run_id) == {"code": None, "logs": None}
    assert mlflow.artifacts(run.run_id, "logs") == {"logs/driver é.log": 0, "logs/pieces": None}
    assert mlflow.artifacts(run.run_id, "code") == {"code/code.zip": 3}
    assert mlflow.artifacts(run.run_id, "code/code.zip") == {}
    assert mlflow.download(run, "code/code.zip") == b"123"
    assert mlflow.download(run, "logs/driver é.log") == b""
    with pytest.raises(RefusedError):
        mlflow.download(run, "code")


# -- models ----------------------------------------------------------------------------------------------


def test_aliases_of_many_models_are_told_at_once_and_those_of_no_model_left_out(
    server: MlflowServer, experiment: str
) -> None:
    mlflow = server.client
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    names = [f"{uuid.uuid4().hex} {number} märz" for number in range(120)]
    for name in (names[0], names[119]):
        server.register(name, "s3://b/1", run_id)
        server.set_alias(name, "champion", "1")
    server.register(names[60], "s3://b/1", run_id)
    told = mlflow.aliases_of(names)
    assert told == {names[0]: {"champion": "1"}, names[60]: {}, names[119]: {"champion": "1"}}
    assert mlflow.aliases_of([]) == {}


def test_versions_are_numbered_and_aliases_lead_to_one(server: MlflowServer, experiment: str) -> None:
    mlflow, model = server.client, f"contract-{uuid.uuid4().hex}"
    run_id = mlflow.create_run(experiment, "run", {}).run_id
    assert [server.register(model, f"s3://b/{n}", run_id) for n in (1, 2)] == ["1", "2"]
    assert mlflow.aliases(model) == {}
    server.set_alias(model, "champion", "1")
    server.set_alias(model, "champion", "2")
    server.set_alias(model, "before", "1")
    assert mlflow.aliases(model) == {"champion": "2", "before": "1"}
    told = mlflow.model_version(model, "1")
    assert (told["name"], told["version"], told["run_id"], told["source"]) == (model, "1", run_id, "s3://b/1")
    assert (told["status"], told.get("tags", [])) == ("READY", [])
    assert mlflow.download_uri(model, "2") == "s3://b/2"
    server.delete_alias(model, "before")
    assert mlflow.aliases(model) == {"champion": "2"}
    server.delete_version(model, "2")
    assert mlflow.aliases(model) == {}
    with pytest.raises(NotFoundError):
        mlflow.model_version(model, "2")
    with pytest.raises(RefusedError):
        mlflow.model_version(model, "two")
    assert server.register(model, "s3://b/3", "") == "3"
    server.delete_model(model)
    with pytest.raises(NotFoundError):
        mlflow.aliases(model)


def test_file_of_a_version_comes_whole_and_what_is_not_there_is_not_found(
    server: MlflowServer, experiment: str
) -> None:
    mlflow, model = server.client, f"contract-{uuid.uuid4().hex} märz"
    run = mlflow.create_run(experiment, "run", {})
    mlflow.upload(run, "model/MLmodel", b"flavors: {}")
    mlflow.upload(run, "model/data/a b.txt", b"")
    version = server.register(model, f"{run.artifact_uri}/model", run.run_id)
    assert mlflow.version_file(model, version, "MLmodel") == b"flavors: {}"
    assert mlflow.version_file(model, version, "data/a b.txt") == b""
    for path in ("nothing", "data/nothing", "../model/MLmodel", "/etc/hostname"):
        with pytest.raises(NotFoundError):
            mlflow.version_file(model, version, path)
    with pytest.raises(NotFoundError):
        mlflow.version_file(model, "7", "MLmodel")


def test_tag_of_a_version_is_refused_where_it_is_too_long(server: MlflowServer) -> None:
    mlflow, model = server.client, f"contract-{uuid.uuid4().hex}"
    version = server.register(model, "s3://b/1", "")
    mlflow.set_version_tag(model, version, "a", "1")
    mlflow.set_version_tag(model, version, "a", "")
    mlflow.set_version_tag(model, version, "long", "v" * 100_000)
    for key, value in (("longer", "v" * 100_001), ("loss(mse)", "1"), ("", "1"), ("k" * 251, "1")):
        with pytest.raises(RefusedError):
            mlflow.set_version_tag(model, version, key, value)
    tags = {tag["key"]: tag["value"] for tag in mlflow.model_version(model, version)["tags"]}
    assert tags == {"a": "", "long": "v" * 100_000}
    with pytest.raises(NotFoundError):
        mlflow.set_version_tag(model, "2", "a", "1")
