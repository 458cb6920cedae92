"""What answers the gRPC calls of a replica, with the version that it is given."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from journeyman.models.arrays import Invocation, Outputs
from journeyman.serve.protocols import open_inference_rpc
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError
from journeyman.serve.protocols.open_inference import InferRequest
from journeyman.serve.replica.call import Call
from journeyman.serve.replica.compute_queue import ComputeQueue
from journeyman.serve.replica.metrics import Metrics
from journeyman.serve.replica.refusals import Names, check_size
from journeyman.serve.replica.version import LoadedVersion
from journeyman.version import VERSION

if TYPE_CHECKING:
    from ray.serve.grpc_util import RayServegRPCContext


class RpcCall(Call):
    """A ModelInfer, whose answer is the protocol's message."""

    __slots__ = ("_asked", "_request")

    def __init__(self, version: LoadedVersion, request: Any, size_bytes: int) -> None:
        super().__init__(version, size_bytes)
        self._request = request
        self._asked: InferRequest | None = None

    def read(self) -> Invocation:
        self._asked = open_inference_rpc.parse_infer(self._request, self.version.model.signature)
        return self._asked.invocation

    def render(self, outputs: Outputs) -> Any:
        assert self._asked is not None, "read before it is computed"
        name, version = self._request.model_name, self.version.version
        return open_inference_rpc.render_infer(outputs, self._asked, name, version)


class RpcEndpoint:
    """Of one replica. Its event loop alone calls it."""

    def __init__(self, names: Names, queue: ComputeQueue, metrics: Metrics) -> None:
        self._names = names
        self._queue = queue
        self._metrics = metrics

    async def call(
        self, method: str, request: Any, context: RayServegRPCContext, version: LoadedVersion
    ) -> Any:
        """The response of a call; for what is refused or fails an empty one, with its code and its words."""
        began = time.perf_counter()
        refusal: RequestError | None = None
        answer: Any = None
        context.set_trailing_metadata(list(version.headers.items()))
        try:
            answer = await self._answer(method, request, version)
        except RequestError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001
            # The model's own code runs here: anything can come out of it.
            refusal = self._names.failure(error, version, context.request_id() or "")
        status = refusal.status if refusal else 200
        self._metrics.answered(version.version, status, time.perf_counter() - began)
        if refusal is None:
            return answer
        context.set_code(open_inference_rpc.code_of(refusal))
        context.set_details(refusal.message)
        return getattr(messages, f"{method}Response")()

    async def _answer(self, method: str, request: Any, version: LoadedVersion) -> Any:
        if method == "ServerLive":
            return messages.ServerLiveResponse(live=True)
        if method == "ServerReady":
            return messages.ServerReadyResponse(ready=True)
        if method == "ServerMetadata":
            return messages.ServerMetadataResponse(name="journeyman", version=VERSION)
        if method == "ModelInfer":
            self._names.check(request.model_name, request.model_version or None, version)
            size_bytes = request.ByteSize()
            check_size(size_bytes, self._queue.limits.body)
            return await self._queue.answer(RpcCall(version, request, size_bytes))
        self._names.check(request.name, request.version or None, version)
        if method == "ModelReady":
            return messages.ModelReadyResponse(ready=True)
        model = version.model
        return open_inference_rpc.model_metadata(
            request.name, version.version, model.platform, model.signature
        )
