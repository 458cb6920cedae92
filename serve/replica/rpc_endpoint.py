"""What answers the gRPC calls of a replica, with the version that it is given."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from journeyman.serve.protocols import open_inference_rpc
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.replica.endpoint import Endpoint, Loaded, check_size
from journeyman.version import VERSION

if TYPE_CHECKING:
    from ray.serve.grpc_util import RayServegRPCContext


class RpcEndpoint:
    """Of one replica, whose `endpoint` computes for it too. Its event loop alone calls it."""

    def __init__(self, endpoint: Endpoint, service: str, model: str) -> None:
        self._endpoint = endpoint
        self._service = service
        self._model = model

    async def call(self, method: str, request: Any, context: RayServegRPCContext, loaded: Loaded) -> Any:
        """The response of a call; for what is refused or fails an empty one, with its code and its words."""
        began = time.perf_counter()
        refusal: RequestError | None = None
        answer: Any = None
        context.set_trailing_metadata(list(loaded.headers.items()))
        try:
            answer = await self._answer(method, request, loaded)
        except RequestError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001
            # The model's own code runs here: anything can come out of it.
            refusal = self._endpoint.failure(error, loaded, context.request_id() or "")
        status = refusal.status if refusal else 200
        self._endpoint.metrics.answered(loaded.version, status, time.perf_counter() - began)
        if refusal is None:
            return answer
        context.set_code(open_inference_rpc.code_of(refusal))
        context.set_details(refusal.message)
        return getattr(messages, f"{method}Response")()

    async def _answer(self, method: str, request: Any, loaded: Loaded) -> Any:
        if method == "ServerLive":
            return messages.ServerLiveResponse(live=True)
        if method == "ServerReady":
            return messages.ServerReadyResponse(ready=True)
        if method == "ServerMetadata":
            return messages.ServerMetadataResponse(name="journeyman", version=VERSION)
        if method == "ModelInfer":
            return await self._infer(request, loaded)
        self._check(request.name, request.version, loaded)
        if method == "ModelReady":
            return messages.ModelReadyResponse(ready=True)
        model = loaded.model
        return open_inference_rpc.model_metadata(
            request.name, loaded.version, model.platform, model.signature
        )

    async def _infer(self, request: Any, loaded: Loaded) -> Any:
        self._check(request.model_name, request.model_version, loaded)
        size_bytes = request.ByteSize()
        check_size(size_bytes, self._endpoint.limits.body)
        return await self._endpoint.computed(loaded, size_bytes, partial(_read, request, loaded))

    def _check(self, name: str, version: str, loaded: Loaded) -> None:
        self._endpoint.check_model(name, version or None, loaded)


def _read(request: Any, loaded: Loaded) -> Any:
    asked = open_inference_rpc.parse_infer(request, loaded.model.signature)
    name, version = request.model_name, loaded.version
    return asked.invocation, lambda outputs: open_inference_rpc.render_infer(outputs, asked, name, version)
