"""FastAPI under one uvicorn, as someone writes it who knows both: `bare.py eager|onnx MODEL ONNX PORT`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import onnxruntime
import orjson
import torch
import uvicorn
from fastapi import FastAPI, Request, Response
from measured import build

torch.set_num_threads(1)


def eager(model: str) -> Callable[[np.ndarray], np.ndarray]:
    module = build(model)

    def run(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            answer: np.ndarray = module(torch.from_numpy(rows)).numpy()
        return answer

    return run


def onnx(path: str) -> Callable[[np.ndarray], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = session.run(None, {"input": rows})[0]
        return answer

    return run


def main() -> None:
    engine, model, path, port = sys.argv[1:]
    run = eager(model) if engine == "eager" else onnx(path)
    app = FastAPI()

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        rows = np.array(orjson.loads(await request.body())["inputs"], dtype=np.float32)
        body = orjson.dumps({"predictions": run(rows)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


main()
