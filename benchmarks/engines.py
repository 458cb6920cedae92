"""The engines there are for an exported program, beside its module, on one thread by turns.

Prints a table of the median microseconds of a call and, last, one line of JSON. A GPU is used.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from person import ROOT, say
from torch import nn

from journeyman.models.engines.hardware import this_hardware
from journeyman.models.engines.load import load_engine
from journeyman.models.engines.machine_code import compile_version
from journeyman.models.files import look_at
from journeyman.models.onnx_form import add_onnx
from journeyman.models.packages import save_package
from journeyman.serve.verdict import BATCH_SIZES

sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))
import measured

ROUNDS = 15
ROUND_S = 0.02
SHAPES = {**measured.SHAPES, "encoder": (16, 256)}
"""Of one row."""


class Encoder(nn.Module):  # type: ignore[misc]
    """Two layers of attention over a row's words, and a score for each of ten classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True, dropout=0.0)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(256, 10)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.layers(words).mean(1))
        return scores


def calls(model: str, folder: Path) -> tuple[dict[str, Callable[[np.ndarray], Any]], float]:
    """By engine, and how many seconds it took to compile the one that is compiled."""
    module = Encoder().eval() if model == "encoder" else measured.build(model)
    # As a replica keeps it: by model and version.
    place = folder / "models" / model / "1"
    place.parent.mkdir(parents=True)
    package = save_package(module, torch.rand(2, *SHAPES[model]), place)
    add_onnx(package)
    version = look_at(package.path)
    say(f"compiling {model}")
    began_s = time.monotonic()
    compile_version(package.path)
    took_s = time.monotonic() - began_s
    [name] = [field.name for field in version.signature.inputs]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)
    found: dict[str, Callable[[np.ndarray], Any]] = {
        "the module": lambda rows: module(torch.from_numpy(rows).to(device)).cpu().numpy()
    }
    for engine in version.engines:
        run = load_engine(engine, version)
        found[engine] = lambda rows, run=run: run({name: rows}, None)  # type: ignore[misc]
    return found, took_s


def median_us(found: dict[str, Callable[[np.ndarray], Any]], rows: np.ndarray) -> dict[str, float]:
    seen: dict[str, list[float]] = {name: [] for name in found}
    for number in range(ROUNDS + 1):
        for name, call in found.items():
            count, began_s = 0, time.perf_counter()
            while time.perf_counter() - began_s < ROUND_S or not count:
                call(rows)
                count += 1
            if number:
                seen[name].append((time.perf_counter() - began_s) / count * 1e6)
    return {name: round(statistics.median(times), 1) for name, times in seen.items()}


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    for model, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(False), torch.no_grad():
            found, compiled_s = calls(model, Path(folder))
            by_rows = {size: median_us(found, torch.rand(size, *shape).numpy()) for size in BATCH_SIZES}
        print(f"\n{model}, compiled in {compiled_s:.1f} s; µs a call")
        print(f"  {'':<14}" + "".join(f"{size:>6} rows" for size in BATCH_SIZES))
        for name in found:
            print(f"  {name:<14}" + "".join(f"{by_rows[size][name]:>11.1f}" for size in BATCH_SIZES))
        figures[model] = {"compile_s": round(compiled_s, 1), **by_rows}
    print(this_hardware())
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
