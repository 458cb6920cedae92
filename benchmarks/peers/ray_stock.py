"""Ray Serve as its tutorial starts it: `ray_stock.py MODEL PORT`; ends when its input does."""

from __future__ import annotations

import sys
from typing import Any

import ray
import torch
from models import build
from ray import serve
from starlette.requests import Request

_, MODEL, PORT = sys.argv


@serve.deployment
class Model:
    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        self.module = build(name)

    async def __call__(self, request: Request) -> Any:
        rows = torch.tensor((await request.json())["inputs"])
        with torch.inference_mode():
            return {"predictions": self.module(rows).tolist()}


ray.init(address="local", include_dashboard=False, logging_level="error")
serve.start(http_options={"port": int(PORT)})
serve.run(Model.bind(MODEL), route_prefix="/invocations")
print("ready", flush=True)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
