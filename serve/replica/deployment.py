"""What Serve imports to learn what a service consists of, and the class that it makes replicas of.

Light on purpose: Serve imports it in a process of its own for each change of a service, and whoever answers
on that machine waits meanwhile. torch and MLflow, 3 s of processor time, are imported by replicas alone, in
time that nobody else wants.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import Response

from journeyman.cluster.priority import use_idle_time
from journeyman.serve.records import DEPLOYMENT

if TYPE_CHECKING:
    from journeyman.serve.replica.replica import Replica

_REPLICA = "journeyman.serve.replica.replica"


class Arguments(BaseModel):
    """What makes two replicas differ for good; a change gives the service new replicas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    run_id: str
    """The service's own record in MLflow."""
    model: str
    mlflow_url: str
    allow_code: bool


def build(args: dict[str, Any]) -> serve.Application:
    """What Serve calls to learn what the application consists of."""
    arguments = Arguments.model_validate(args)
    # Decorated, the class would be pickled by value, with all that this module holds.
    return serve.deployment(Deployment, name=DEPLOYMENT).bind(arguments)


class Deployment:
    """What Serve makes replicas of."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._replica: Replica | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        if self._replica is None:
            with ThreadPoolExecutor(1, "imports", use_idle_time) as importing:
                found = await asyncio.get_running_loop().run_in_executor(importing, import_module, _REPLICA)
            self._replica = found.Replica(self._arguments)
        await self._replica.reconfigure(user_config)

    async def check_health(self) -> None:
        """Serve asks every few seconds, and replaces a replica that raises three times in a row."""
        if self._replica is not None:
            self._replica.check_health()

    async def __call__(self, request: Request) -> Response:
        assert self._replica is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._replica.answer(request)

    # The calls of gRPC, under the names that Serve looks for; responses are their protocol's messages.

    async def ServerLive(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ServerLive", request, grpc_context)

    async def ServerReady(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ServerReady", request, grpc_context)

    async def ServerMetadata(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ServerMetadata", request, grpc_context)

    async def ModelReady(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ModelReady", request, grpc_context)

    async def ModelMetadata(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ModelMetadata", request, grpc_context)

    async def ModelInfer(self, request: Any, grpc_context: RayServegRPCContext) -> Any:
        return await self._call("ModelInfer", request, grpc_context)

    async def _call(self, method: str, request: Any, context: RayServegRPCContext) -> Any:
        assert self._replica is not None, "Serve routes nothing to a replica before reconfigure() returned"
        return await self._replica.call(method, request, context)
