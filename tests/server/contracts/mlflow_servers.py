"""The MLflow servers that the contract is kept by: what a test asks of one besides what control asks."""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from journeyman.testing import FakeMlflow
from journeyman.tracking.mlflow_api import MlflowApi
from journeyman.tracking.mlflow_rest import Mlflow


class MlflowServer(Protocol):
    """One server: a client of it, and what people and jobs do to it."""

    @property
    def client(self) -> MlflowApi: ...

    def fresh(self) -> MlflowApi:
        """A client that has asked nothing yet."""

    def register(self, name: str, source: str, run_id: str) -> str: ...
    def set_alias(self, name: str, alias: str, version: str) -> None: ...
    def delete_alias(self, name: str, alias: str) -> None: ...
    def delete_version(self, name: str, version: str) -> None: ...
    def delete_model(self, name: str) -> None: ...
    def delete_experiment(self, experiment_id: str) -> None: ...


class FakeServer(FakeMlflow):
    """The fake, which is its own client."""

    @property
    def client(self) -> MlflowApi:
        return self

    def fresh(self) -> MlflowApi:
        return self.another()


class RealServer:
    def __init__(self, client: Mlflow) -> None:
        self._client = client
        self._http = httpx.Client(base_url=f"{client.url}/api/2.0/mlflow/")

    @property
    def client(self) -> MlflowApi:
        return self._client

    def fresh(self) -> MlflowApi:
        return Mlflow(self._client.url, {})

    def close(self) -> None:
        self._client.close()
        self._http.close()

    def register(self, name: str, source: str, run_id: str) -> str:
        created = self._http.post("registered-models/create", json={"name": name})
        assert created.is_success or "already exists" in created.text
        body = {"name": name, "source": source, "run_id": run_id}
        version = self._send("POST", "model-versions/create", body)["model_version"]["version"]
        return str(version)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self._send("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        self._send("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    def delete_version(self, name: str, version: str) -> None:
        self._send("DELETE", "model-versions/delete", {"name": name, "version": version})

    def delete_model(self, name: str) -> None:
        self._send("DELETE", "registered-models/delete", {"name": name})

    def delete_experiment(self, experiment_id: str) -> None:
        self._send("POST", "experiments/delete", {"experiment_id": experiment_id})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body).raise_for_status()
        parsed: dict[str, Any] = answer.json()
        return parsed
