"""The model on LitServe: `litserve_server.py MODEL PORT`."""

import sys
from typing import Any

import litserve
import torch
from measured import build


class Model(litserve.LitAPI):
    def setup(self, device: str) -> None:
        torch.set_num_threads(1)
        self.module = build(sys.argv[1])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe makes a form of annotations.
        return torch.tensor(request["inputs"])

    def predict(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.module(rows)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(api_path="/invocations"), accelerator="cpu")
    server.run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False, log_level="warning")
