"""The model on BentoML: `bentoml serve bentoml_service:Model`, the model's name in SERVED_MODEL."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import torch
from measured import build


@bentoml.service
class Model:
    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.module = build(os.environ["SERVED_MODEL"])

    @bentoml.api(route="/invocations")
    def invocations(self, inputs: list[Any]) -> dict[str, Any]:
        with torch.inference_mode():
            return {"predictions": self.module(torch.tensor(inputs)).tolist()}
