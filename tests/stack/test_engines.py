"""A service finds its fastest engine while it answers, and takes another when told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import numpy as np
import onnxruntime
import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from journeyman.client import Client, Service
from journeyman.cluster.settings import Settings
from journeyman.errors import UsageError
from journeyman.serve.verdict import BATCH_SIZES

from .conftest import registered

NAME = "raced"
LIMIT_S = 120.0
CLI = Path(sys.executable).with_name("journeyman")


def _prometheus_sees(stack: Settings, answered: int, engine: str) -> None:
    """Waits until the targets that Ray lists export what the service did, as `docs/operations.md` has it."""
    headers = {"Authorization": f"Bearer {stack.ray_token}"}
    found = httpx.get(f"{stack.ray_url}/api/prometheus/sd", headers=headers).raise_for_status().json()
    targets = [target for group in found for target in group["targets"]]

    def samples(name: str) -> list[Sample]:
        return [
            sample
            for target in targets
            for family in text_string_to_metric_families(httpx.get(f"http://{target}/metrics").text)
            for sample in family.samples
            if sample.name == f"ray_{name}"
            and NAME in (sample.labels.get("service"), sample.labels.get("application"))
        ]

    def requests(code: str) -> float:
        told = samples("journeyman_request_duration_seconds_count")
        assert {sample.labels["version"] for sample in told} <= {"1"}
        return sum(sample.value for sample in told if sample.labels["code"] == code)

    deadline = time.monotonic() + LIMIT_S
    while requests("200") < answered or requests("400") < 1:
        assert time.monotonic() < deadline, (answered, samples("journeyman_request_duration_seconds_count"))
        time.sleep(1)
    assert requests("500") == 0
    # Serve's own dashboards see the same requests.
    while sum(sample.value for sample in samples("serve_num_http_requests_total")) < answered + 1:
        assert time.monotonic() < deadline, samples("serve_num_http_requests_total")
        time.sleep(1)
    assert sum(sample.value for sample in samples("serve_deployment_request_counter_total")) > answered
    assert {sample.labels["error_code"] for sample in samples("serve_num_http_error_requests_total")} == {
        "400"
    }
    assert engine in {
        sample.labels["engine"] for sample in samples("journeyman_serving") if sample.value == 1
    }


@pytest.mark.filterwarnings("ignore")  # MLflow's and torch's own, while they export.
def test_service_takes_the_engine_that_won_and_the_one_it_is_told_without_losing_a_request(
    stack: Settings, asked: Callable[[str], AbstractContextManager[list[tuple[int, str]]]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
    registered(stack.mlflow_url, NAME, module, torch.rand(2, 4), tmp_path / "model", "champion")
    spec = tmp_path / "service.yaml"
    spec.write_text(f"kind: service\nname: {NAME}\nmodel: models:/{NAME}@champion\n")
    with closing(Client(stack)) as client:

        def eventually(wanted: Callable[[Service], bool]) -> Service:
            deadline = time.monotonic() + LIMIT_S
            while not wanted(service := client.service(NAME)):
                assert time.monotonic() < deadline, service
                time.sleep(0.2)
            return service

        client.deploy(spec)
        service = eventually(lambda seen: seen.phase == "healthy")
        with asked(service.url) as answers:
            eventually(lambda seen: bool(client.verdicts(seen)))
            [verdict] = client.verdicts(service)
            assert verdict.batch_sizes == BATCH_SIZES
            assert list(verdict.times_us) == ["torch.export", "onnxruntime"]
            assert verdict.plan is not None
            eventually(lambda seen: seen.engines == [str(verdict.plan)])

            shown = subprocess.run([CLI, "service", NAME], capture_output=True, text=True, check=True).stdout
            assert "µs a call" in shown
            assert "onnxruntime" in shown
            told = json.loads(subprocess.check_output([CLI, "service", NAME, "--json"]))
            assert told["verdicts"][0]["winners"] == list(verdict.winners)

            for engine in ("torch.export", "onnxruntime"):
                client.deploy(spec, [f"engine={engine}"])
                eventually(lambda seen, engine=engine: seen.engines == [engine])  # type: ignore[misc]
            client.deploy(spec, ["engine=pyfunc"])
            kept = eventually(lambda seen: bool(seen.engine_troubles))
            assert kept.engines == ["onnxruntime"]
            assert "stays with onnxruntime" in client.service(NAME).engine_troubles[0]
            eventually(lambda seen: "stays with onnxruntime" in seen.reason)
            client.deploy(spec)
            eventually(lambda seen: not seen.engine_troubles and seen.engines == [str(verdict.plan)])
        assert {status for status, _ in answers} == {200}
        assert httpx.post(f"{service.url}/invocations", content=b"{").status_code == 400
        _prometheus_sees(stack, len(answers), str(verdict.plan))

        exported = client.export(f"models:/{NAME}@champion", tmp_path / "out")
        session = onnxruntime.InferenceSession(str(exported.paths[0]), providers=["CPUExecutionProvider"])
        rows = torch.rand(5, 4)
        with torch.no_grad():
            expected = module(rows).numpy()
        [found] = session.run(None, {"input": rows.numpy()})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        with pytest.raises(UsageError, match="exists already"):
            client.export(f"models:/{NAME}/1", tmp_path / "out")
        client.export(f"models:/{NAME}/1", tmp_path / "out", replace=True)
        client.undeploy(NAME)
