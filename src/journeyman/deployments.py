"""MLflow's plugin for deployments: `mlflow deployments … -t journeyman`, over the SDK.

MLflow asks that a plugin be a module with `target_help`, `run_local` and one class of clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE
from mlflow.utils.proto_json_utils import dump_input_data

from journeyman.client import Answer, Client, Service
from journeyman.errors import JourneymanError

_FLAVOR = "python_function"
"""Every version is served through it, or as it would be."""
_TIMEOUT_S = 600.0
_HELP = """\
Deploys registered models as services of Journeyman, to the cluster that commands of `journeyman` talk to.

  mlflow deployments create -t journeyman --name digits -m models:/digits@champion -C replicas=1..3
  mlflow deployments update -t journeyman --name digits -C replicas=2..8
  mlflow deployments predict -t journeyman --name digits -I input.json

-C takes the keys of a service's spec, such as replicas=1..3, resources.cpus=2 and allow_code=true. Models
are models:/name@alias, which follows the alias, and models:/name/version.
"""


def target_help() -> str:
    return _HELP


def run_local(name: str, model_uri: str, flavor: str | None = None, config: Any = None) -> None:
    """A service runs on a stack, which may be local."""
    raise MlflowException(
        "Journeyman serves from its stack: `journeyman up` starts one here; then `mlflow deployments create`",
        INVALID_PARAMETER_VALUE,
    )


class JourneymanDeployments(BaseDeploymentClient):  # type: ignore[misc]  # MLflow is not followed by mypy
    """Services as MLflow's deployments. Raises MlflowException with the words that the CLI prints."""

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Returns when it answers. Raises where there is one of this name."""
        _check(flavor, endpoint)
        with _client() as client:
            if any(service.name == name for service in client.services()):
                raise MlflowException(
                    f"there is a service {name!r}: update it, or delete it first", INVALID_PARAMETER_VALUE
                )
            client.deploy({"kind": "service", "name": name, "model": model_uri}, _assignments(config))
            return _described(client.wait_until_healthy(name, _TIMEOUT_S, _nobody))

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Changes what is given and keeps the rest; returns when it answers."""
        _check(flavor, endpoint)
        with _client() as client:
            spec = client.service(name).spec
            model = {"model": model_uri} if model_uri else {}
            client.deploy({**spec, **model}, _assignments(config))
            return _described(client.wait_until_healthy(name, _TIMEOUT_S, _nobody))

    def delete_deployment(
        self, name: str, config: Mapping[str, Any] | None = None, endpoint: str | None = None
    ) -> None:
        """Nothing where there is none, as MLflow has it."""
        _check(None, endpoint)
        with _client() as client:
            if any(service.name == name for service in client.services()):
                client.undeploy(name)

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        _check(None, endpoint)
        with _client() as client:
            return [_described(service) for service in client.services()]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        _check(None, endpoint)
        with _client() as client:
            return _described(client.service(name))

    def predict(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> PredictionsResponse:
        """`inputs`: a DataFrame, an array, arrays by name, or what `inputs` of a request may be."""
        _check(None, endpoint)
        if isinstance(inputs, Mapping):
            arrays = {name: np.asarray(value).tolist() for name, value in inputs.items()}
            body = orjson.dumps({"inputs": arrays})
        else:
            body = dump_input_data(inputs).encode()
        with _client() as client:
            answer = client.query(str(deployment_name), body)
        if answer.status >= 400:
            raise MlflowException(_refusal(answer), BAD_REQUEST)
        return PredictionsResponse.from_json(answer.body.decode())


@contextmanager
def _client() -> Iterator[Client]:
    try:
        client = Client()
        try:
            yield client
        finally:
            client.close()
    except JourneymanError as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


def _refusal(answer: Answer) -> str:
    try:
        return str(orjson.loads(answer.body)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        # Where no replica answers, the ingress does, in words of its own.
        return f"status {answer.status}: {answer.body.decode(errors='replace')[:300]}"


def _check(flavor: str | None, endpoint: str | None) -> None:
    if flavor not in (None, _FLAVOR):
        raise MlflowException(
            f"a service serves every flavor as {_FLAVOR}, not as {flavor!r}", INVALID_PARAMETER_VALUE
        )
    if endpoint is not None:
        raise MlflowException("a service is its own endpoint: leave --endpoint out", INVALID_PARAMETER_VALUE)


def _assignments(config: Mapping[str, Any] | None) -> list[str]:
    return [f"{key}={value}" for key, value in (config or {}).items()]


def _described(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "flavor": _FLAVOR,
        "model": service.model,
        "version": service.serving_version,
        "phase": service.phase,
        "reason": service.reason,
        "replicas": service.replicas,
        "url": service.url,
    }


def _nobody(service: Service) -> None:
    """Told of each look while a deployment starts, where MLflow has no way to show it."""
