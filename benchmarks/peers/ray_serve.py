"""The model on Ray Serve; ends when its input does.

ray_serve.py MODEL PORT          as its tutorial has it
ray_serve.py MODEL PORT ONNX     the least code on the engine that is given, for the fast ingress
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import orjson
import ray
import torch
from measured import build
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

MODEL, PORT, *GRAPH = sys.argv[1:]


@serve.deployment
class Eager:
    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        self.module = build(name)

    async def __call__(self, request: Request) -> Any:
        rows = torch.tensor((await request.json())["inputs"])
        with torch.inference_mode():
            return {"predictions": self.module(rows).tolist()}


@serve.deployment(max_ongoing_requests=200, logging_config={"enable_access_log": False})
class Least:
    def __init__(self, graph: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    async def __call__(self, request: Request) -> Response:
        rows = np.array(orjson.loads(await request.body())["inputs"], dtype=np.float32)
        answer = self.session.run(None, {"input": rows})[0]
        body = orjson.dumps({"predictions": answer}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")


ray.init(address="local", include_dashboard=False, logging_level="error")
serve.start(http_options={"port": int(PORT), "host": "127.0.0.1"})
serve.run(Least.bind(*GRAPH) if GRAPH else Eager.bind(MODEL), route_prefix="/invocations")
print("ready", flush=True)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
