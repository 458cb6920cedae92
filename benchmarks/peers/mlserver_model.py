"""The model as MLServer's own runtime: `mlserver start FOLDER` finds it by model-settings.json."""

from __future__ import annotations

import torch
from measured import build
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    async def load(self) -> bool:
        torch.set_num_threads(1)
        self.module = build(self.settings.parameters.extra["model"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        with torch.inference_mode():
            answer = self.module(torch.from_numpy(rows)).numpy()
        outputs = [NumpyCodec.encode_output("output", answer)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
