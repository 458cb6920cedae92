"""Records as they were written by a stack of schema version 1: read, listed and carried on by this code."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.client import Client
from journeyman.cluster.archive import package_name, package_uri
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import Settings
from journeyman.jobs import phases as job_phases
from journeyman.jobs.control.controller import JobController
from journeyman.jobs.outcome import Cause, Outcome
from journeyman.jobs.place import Place, place_path
from journeyman.jobs.publication import Publication
from journeyman.jobs.spec import TrainSpec
from journeyman.serve import phases as service_phases
from journeyman.serve.control.application import IMPORT_PATH, replica_python
from journeyman.serve.control.controller import ServiceController
from journeyman.serve.records import read_report, read_rollout
from journeyman.serve.spec import ServiceSpec
from journeyman.serve.verdict import read_verdict
from journeyman.tracking import records
from journeyman.tracking.lease.claimant import Claimant
from journeyman.tracking.lease.lease import Lease
from journeyman.tracking.lease.terms import LEASE_S, current, heard_ms, read_ledger
from journeyman.tracking.mlflow_rest import Mlflow

from ...conftest import mlflow_server
from ...records.golden import Golden, RecordedRay, home_of, read_golden, recorded_ray, restore

JOBS = {
    "cancelled-queued": "cancelled",
    "cancelled-running": "cancelled",
    "cancelling": "cancelling",
    "counts": "finished",
    "dies-once": "finished",
    "elsewhere": "finished",
    "hung": "hung",
    "publishes": "finished",
    "raises": "failed",
    "running": "running",
    "starting": "starting",
    "submitted": "queued",
    "waiting": "queued",
}
SERVICE_KEYS_NOW = {"allow_pickle": "allow_code"}
"""What keys of a service's spec are called since."""
SERVICES = {
    "digits": "healthy",
    "leaving": "undeploying",
    "left": "undeployed",
    "refused": "healthy",
    "swapping": "swapping",
    "waiting": "deploying",
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return read_golden("1")


def with_prefix(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What follows the prefix, and the value."""
    return {
        key.removeprefix(f"{prefix}."): value for key, value in tags.items() if key.startswith(f"{prefix}.")
    }


# -- read ----------------------------------------------------------------------------------------------


def test_there_is_a_record_of_every_state(golden: Golden) -> None:
    assert {run.name: run.phase for run in golden.of_kind(records.JOB)} == JOBS
    assert {run.name: run.phase for run in golden.of_kind(records.SERVICE)} == SERVICES
    assert {*JOBS.values()} == {*job_phases.Phase}
    # Only what fails to start is unhealthy, and none of these does.
    assert {*SERVICES.values()} == {*service_phases.Phase} - {service_phases.Phase.UNHEALTHY}
    assert len(golden.of_kind(records.CONTROL)) == 1
    kinds = (records.JOB, records.SERVICE, records.CONTROL)
    ours = [run for kind in kinds for run in golden.of_kind(kind)]
    assert {run.tags[records.SCHEMA] for run in ours} == {golden.folder.name}
    assert {run.tags[records.CLUSTER] for run in ours} == {golden.endpoints["cluster"]}


def test_specs_are_read_with_every_key_they_have(golden: Golden) -> None:
    for run in golden.of_kind(records.JOB):
        read = json.loads(TrainSpec.model_validate(run.spec).model_dump_json())
        assert {key: read[key] for key in run.spec} == run.spec
    for run in golden.of_kind(records.SERVICE):
        read = json.loads(ServiceSpec.model_validate(run.spec).model_dump_json())
        named_now = {SERVICE_KEYS_NOW.get(key, key): value for key, value in run.spec.items()}
        assert {key: read[key] for key in named_now} == named_now
    spec = TrainSpec.model_validate(golden.named(records.JOB, "waiting").spec)
    assert (spec.requirements, spec.secrets) == (("einops>=0.8",), ("PRICES_TOKEN",))
    assert spec.env == {"GREETING": "hello"}
    assert spec.data == {"train": "train.csv", "more": "s3://prices/more"}


def test_status_of_each_run_is_that_of_its_phase(golden: Golden) -> None:
    for run in golden.of_kind(records.JOB):
        assert run.status == job_phases.RUN_STATUS[job_phases.Phase(run.phase)], run.name
    for run in golden.of_kind(records.SERVICE):
        assert run.status == service_phases.RUN_STATUS[service_phases.Phase(run.phase)], run.name


def test_outcomes_tell_how_each_attempt_ended(golden: Golden) -> None:
    outcomes = {
        (run.name, attempt): Outcome.from_json(text)
        for run in golden.of_kind(records.JOB)
        for attempt, text in with_prefix(run.tags, records.OUTCOME).items()
    }
    causes = {key: outcome.cause for key, outcome in outcomes.items()}
    assert causes.pop(("cancelled-running", "1"), None) in (None, Cause.MACHINE)
    assert causes == {
        ("publishes", "1"): Cause.FINISHED,
        ("counts", "1"): Cause.FINISHED,
        ("elsewhere", "1"): Cause.FINISHED,
        ("raises", "1"): Cause.USER,
        ("dies-once", "1"): Cause.MACHINE,
        ("dies-once", "2"): Cause.FINISHED,
    }
    raised = outcomes["raises", "1"]
    assert (raised.rank, raised.message) == (1, "ValueError: no such column: price")
    assert raised.detail.startswith("Traceback (most recent call last):")


def test_publication_names_the_version(golden: Golden) -> None:
    run = golden.named(records.JOB, "publishes")
    publication = Publication.from_json(run.tags[records.PUBLICATION])
    assert f"{publication.model}/{publication.version}" == run.tags[records.MODEL_VERSION] == "digits/1"


def test_rollouts_and_reports_tell_what_each_service_has(golden: Golden) -> None:
    rollouts = {
        run.name: read_rollout(run.tags[records.ROLLOUT])
        for run in golden.of_kind(records.SERVICE)
        if records.ROLLOUT in run.tags
    }
    assert rollouts.keys() == SERVICES.keys() - {"waiting"}
    assert all(rollout.proven for rollout in rollouts.values())
    refused, swapping = rollouts["refused"], rollouts["swapping"]
    assert (refused.serving, refused.candidate, refused.refused) == ("1", None, "2")
    assert refused.refused_because.startswith("it takes input float32[-1, 5], where version 1 takes")
    assert (swapping.serving, swapping.candidate, swapping.surge) == ("1", "3", True)
    for name in ("digits", "refused", "swapping"):
        tags = golden.named(records.SERVICE, name).tags
        reports = {key: read_report(text) for key, text in with_prefix(tags, records.REPLICA).items()}
        assert {report.serving for report in reports.values()} == {"1"}
        (deployment,) = golden.applications[name]["deployments"].values()
        assert reports.keys() <= {replica["replica_id"] for replica in deployment["replicas"]}


def test_verdict_on_engines_is_of_the_hardware_that_replicas_report(golden: Golden) -> None:
    versions = json.loads((golden.folder / "model_versions.json").read_text())
    tags = {tag["key"]: tag["value"] for each in versions if each["name"] == "digits" for tag in each["tags"]}
    ((hardware, text),) = with_prefix(tags, records.ENGINES).items()
    verdict = read_verdict(text)
    assert (verdict.failed, len(verdict.winners) > 0) == ("", True)
    reports = with_prefix(golden.named(records.SERVICE, "digits").tags, records.REPLICA)
    assert {read_report(text).hardware for text in reports.values()} == {hardware}


def test_lease_tells_who_was_in_control(golden: Golden) -> None:
    (run,) = golden.of_kind(records.CONTROL)
    ledger = current([read_ledger(run)])
    assert ledger is not None
    assert (ledger.run_id, ledger.term) == (run.run_id, 4)
    assert ledger.holder.startswith("control-host-")
    heard = heard_ms(ledger)
    assert heard is not None
    assert heard / 1000 < golden.taken_s


def test_artifacts_are_read(golden: Golden) -> None:
    running = golden.named(records.JOB, "running")
    places = [Place.from_json(golden.artifact(running, place_path(1, rank))) for rank in (0, 1)]
    assert [place.rank for place in places] == [0, 1]
    for service in ("digits", "refused", "swapping", "waiting"):
        run = golden.named(records.SERVICE, service)
        order = yaml.safe_load(golden.artifact(run, f"{records.ORDERS_ARTIFACT}/0001.yaml"))
        assert ServiceSpec.model_validate(order) == ServiceSpec.model_validate(run.spec)


def test_rays_answers_are_read(golden: Golden) -> None:
    with recorded_ray(golden) as ray, closing(Ray(ray.url, None, {})) as client:
        ended = {job.submission_id: job.status for job in client.jobs().values() if job.ended}
        living = {id_ for id_, job in client.jobs().items() if not job.ended}
        on_their_way = ("cancelling", "hung", "running", "starting")
        assert living == {f"{golden.named(records.JOB, name).run_id}-1" for name in on_their_way}
        dies_once = golden.named(records.JOB, "dies-once").run_id
        assert (ended[f"{dies_once}-1"], ended[f"{dies_once}-2"]) == ("FAILED", "SUCCEEDED")
        applications = {each.name: each for each in client.applications()}
        assert {name: (each.status, len(each.replicas)) for name, each in applications.items()} == {
            "digits": ("RUNNING", 1),
            "leaving": ("DELETING", 0),
            "refused": ("RUNNING", 1),
            "swapping": ("DEPLOYING", 2),
        }
        capacity = client.capacity((), client.applications())
        assert (capacity.totals()["CPU"], capacity.free()["CPU"]) == (8, 4.75)
        assert {occupant.name for occupant in capacity.occupants} == {"digits", "refused", "swapping"}
        assert len(client.metrics_urls()) == 1


def test_what_is_in_use_is_not_free_whichever_autoscaler_runs(golden: Golden) -> None:
    """The newer one writes no report, and neither does a cluster without one."""
    with recorded_ray(golden) as ray, closing(Ray(ray.url, None, {})) as client:
        ray.answers["/api/cluster_status"]["data"] |= {"clusterStatus": None, "autoscalingStatus": None}
        assert client.capacity((), ()).free()["CPU"] == 4.75
        # Without the last word Ray answers with what it told the last time, however long ago.
        assert ray.asked == ["/nodes?view=summary&nocache=1"]
        assert not client.capacity(None, ()).growth_unknown
        del ray.answers["/nodes"]["data"]["nodeLogicalResources"]
        capacity = client.capacity((), client.applications())
        assert (capacity.totals()["CPU"], capacity.free()) == (8, {})
        assert {occupant.name for occupant in capacity.occupants} == {"digits", "refused", "swapping"}
        assert list(client.free_gpus().values()) == [0]


# -- listed, Ray being away ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow on the records; what uses it only reads."""
    with _restored(golden, tmp_path_factory.mktemp("kept")) as url:
        yield url


@pytest.fixture
def settings(golden: Golden, kept: str, tmp_path: Path) -> Settings:
    return home_of(golden, tmp_path / "home", kept)


def _restored(golden: Golden, folder: Path) -> Any:
    restore(golden, folder)
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    return mlflow_server(folder, [*stores, "--artifacts-destination", str(folder / "artifacts")], {})


def test_server_on_the_restored_database_tells_the_same_runs(golden: Golden, kept: str) -> None:
    with closing(Mlflow(kept, {})) as mlflow:
        assert sorted(mlflow.experiments().values()) == ["Default", "house prices"]
        told = mlflow.search_runs(mlflow.experiments(), "")
    assert {run.run_id: run for run in told} == {run.run_id: run for run in golden.runs}


def test_client_reads_every_job(golden: Golden, settings: Settings) -> None:
    with closing(Client(settings)) as client:
        jobs = {job.name: job for job in client.jobs()}
        assert {name: job.phase for name, job in jobs.items()} == JOBS
        assert jobs["elsewhere"].project == "house prices"
        assert jobs["publishes"].model_version == "digits/1"
        assert (jobs["dies-once"].attempt, jobs["dies-once"].steps["seen"]) == (2, 1)
        assert jobs["raises"].reason == "rank 1: ValueError: no such column: price"
        assert jobs["waiting"].reason.startswith("waits: needs 2 × 4 CPUs, free are ")
        assert jobs["hung"].reason.startswith("no step for 1 min")
        assert jobs["waiting"].params == {"optimizer.lr": "0.1", "epochs": "3", "workers": "2"}
        for job in jobs.values():
            assert client.job(job.run_id) == client.job(job.name) == job


def test_client_reads_every_service_and_who_is_in_control(golden: Golden, settings: Settings) -> None:
    with closing(Client(settings)) as client:
        services = {service.name: service for service in client.services()}
        assert {name: service.phase for name, service in services.items()} == {
            name: phase for name, phase in SERVICES.items() if phase != "undeployed"
        }
        assert services["refused"].reason.startswith("keeps version 1: version 2: ")
        assert services["waiting"].reason == "waits for its model: model absent has no alias champion"
        swapping = services["swapping"]
        assert (swapping.serving_version, swapping.candidate_version) == ("1", "3")
        (verdict,) = client.verdicts(services["digits"])
        assert verdict.times_us
        control = client.control()
        assert control is not None
        assert control.term == 4


def test_command_line_shows_all_of_it(
    golden: Golden, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEYMAN_HOME", str(settings.home))
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def shown(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    assert {job["name"]: job["phase"] for job in shown("jobs")} == JOBS
    for name, phase in JOBS.items():
        assert shown("job", name)["phase"] == phase
    deployed = {name: phase for name, phase in SERVICES.items() if phase != "undeployed"}
    assert {service["name"]: service["phase"] for service in shown("services")} == deployed
    for name, phase in deployed.items():
        assert shown("service", name)["phase"] == phase
    status = shown("status")
    assert (status["cluster"], status["trouble"]) == (golden.endpoints["cluster"], None)
    under_way = Counter(phase for phase in JOBS.values() if phase not in job_phases.ENDED)
    assert status["jobs"] == dict(under_way)
    assert {service["name"]: service["phase"] for service in status["services"]} == deployed
    assert status["control"]["term"] == 4
    for verb in (
        ["jobs"],
        ["services"],
        *(["job", name] for name in JOBS),
        *(["service", n] for n in deployed),
    ):
        result = CliRunner().invoke(app, verb)
        assert (result.exit_code, result.exception) == (0, None), result.output


# -- carried on ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def changed(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow on the records, which control carries on: jobs and services apart."""
    with _restored(golden, tmp_path_factory.mktemp("changed")) as url:
        yield url


@pytest.fixture
def ray(golden: Golden) -> Iterator[RecordedRay]:
    with recorded_ray(golden) as ray:
        yield ray


def test_queued_jobs_start_and_running_ones_are_followed_to_their_end(
    golden: Golden, changed: str, ray: RecordedRay, tmp_path: Path
) -> None:
    jobs = {run.name: run for run in golden.of_kind(records.JOB)}
    settings = home_of(golden, tmp_path / "home", changed)
    with closing(Mlflow(changed, {})) as mlflow, closing(Ray(ray.url, None, {})) as client:
        control = JobController(mlflow, client, settings, "control-next", None)
        turns = 0

        def turn_until(phases: Mapping[str, str], limit: int = 200) -> None:
            """Uploads go on beside the turns."""
            nonlocal turns
            for _ in range(limit):
                turns += 1
                control.step(golden.taken_s + turns / 10)
                seen = {name: mlflow.run(jobs[name].run_id).phase for name in phases}
                if seen == phases:
                    return
            pytest.fail(f"{seen} and not {phases}")

        def end(name: str, status: str, outcome: Outcome | None) -> None:
            """As its driver ends: the outcome first."""
            if outcome is not None:
                mlflow.set_tags(jobs[name].run_id, {f"{records.OUTCOME}.1": outcome.to_json()})
            ray.job(f"{jobs[name].run_id}-1")["status"] = status

        done = Outcome(cause=Cause.FINISHED, message="")
        # What runs goes on, and there is no room for what waits.
        turn_until({"running": "running", "hung": "hung", "waiting": "queued", "submitted": "queued"})
        assert mlflow.run(jobs["submitted"].run_id).reason == "waits for its turn"
        assert ray.submitted == []
        # It was asked to stop, and is asked again until it has ended.
        assert set(ray.stopped) == {f"{jobs['cancelling'].run_id}-1"}

        for name in ("running", "hung", "starting"):
            end(name, "SUCCEEDED", done)
        end("cancelling", "STOPPED", None)
        ray.has_room()
        ended = {"running": "finished", "hung": "finished", "starting": "finished", "cancelling": "cancelled"}
        turn_until(ended | {"waiting": "starting", "submitted": "queued"})
        end("waiting", "SUCCEEDED", done)
        turn_until({"waiting": "finished", "submitted": "starting"})
        end("submitted", "SUCCEEDED", done)
        turn_until({"submitted": "finished"})
        control.close()

        assert [body["submission_id"] for body in ray.submitted] == [
            f"{jobs['waiting'].run_id}-1",
            f"{jobs['submitted'].run_id}-1",
        ]
        for body, name in zip(ray.submitted, ("waiting", "submitted"), strict=True):
            sha = jobs[name].tags[records.CODE_SHA256]
            assert body["runtime_env"]["working_dir"] == package_uri(package_name(sha))
            assert hashlib.sha256(ray.packages[package_name(sha)]).hexdigest() == sha
            assert mlflow.run(jobs[name].run_id).params["attempt.1"] == "control-next"
        assert "einops>=0.8" in json.dumps(ray.submitted[0]["runtime_env"])
        assert set(ray.stopped) == {f"{jobs['cancelling'].run_id}-1"}
        # Of what had ended nothing is another than it was.
        for name in (name for name, phase in JOBS.items() if phase in job_phases.ENDED):
            assert mlflow.run(jobs[name].run_id) == jobs[name]


def test_services_keep_what_serve_has_and_only_what_was_undeployed_goes(
    golden: Golden, changed: str, ray: RecordedRay, tmp_path: Path
) -> None:
    services = {run.name: run for run in golden.of_kind(records.SERVICE)}
    # Replicas were told where the recorded MLflow is.
    settings = home_of(golden, tmp_path / "home", golden.endpoints["mlflow_url"])
    with closing(Mlflow(changed, {})) as mlflow, closing(Ray(ray.url, None, {})) as client:
        control = ServiceController(mlflow, client, settings, None)
        control.step(golden.taken_s)
        # Awaits what was sent.
        control.close()
        (config,) = ray.configs
        sent = {application["name"]: application for application in config["applications"]}
        assert sent.keys() == {"digits", "refused", "swapping"}
        for name, application in sent.items():
            kept = golden.applications[name]["deployed_app_config"]
            # What Serve builds a service of has moved since, and a key of its arguments has another name.
            arguments = {SERVICE_KEYS_NOW.get(key, key): value for key, value in kept["args"].items()}
            assert application == {
                **kept,
                "args": arguments,
                "import_path": IMPORT_PATH,
                "runtime_env": {"py_executable": replica_python()},
            }

        del ray.answers["/api/serve/applications/"]["applications"]["leaving"]
        control = ServiceController(mlflow, client, settings, None)
        control.step(golden.taken_s + 1)
        control.close()
        assert [sorted(app["name"] for app in config["applications"]) for config in ray.configs] == [
            ["digits", "refused", "swapping"]
        ] * 2
        now = {name: mlflow.run(run.run_id) for name, run in services.items()}
        # Serve has not taken its config yet, and what answers is what was ordered before.
        anew = dict.fromkeys(("digits", "refused"), "deploying")
        assert {name: run.phase for name, run in now.items()} == SERVICES | anew | {"leaving": "undeployed"}
        assert now["leaving"].status == "FINISHED"
        # Which order was seen is noted now, and since when a new replica loads.
        for name in (*anew, "swapping"):
            before, after = services[name].tags, now[name].tags
            changed_tags = {key for key, value in after.items() if before.get(key) != value}
            told = {records.PHASE, records.REASON} if name in anew else {records.ROLLOUT}
            noted = {records.OBSERVED, records.TAKEN_UP_MS}
            assert (changed_tags - noted) <= told
            assert before.keys() | noted == after.keys()
        assert now["left"] == services["left"]
        assert now["waiting"].reason == services["waiting"].reason
        assert ray.submitted == []


def test_lease_is_taken_over_once_its_holder_is_not_heard_of(golden: Golden, changed: str) -> None:
    (run,) = golden.of_kind(records.CONTROL)
    now_s = 0.0
    claimant = Claimant(name="control-next", machine="elsewhere", pid=1, started="1")
    with closing(Mlflow(changed, {})) as mlflow:
        lease = Lease(mlflow, golden.endpoints["cluster"], claimant, lambda: now_s)
        lease.turn()
        now_s = LEASE_S + 1
        lease.turn()
        assert lease.term() == (run.run_id, 5)
        assert mlflow.run(run.run_id).params == {**run.params, "term.5": str(claimant)}
