"""The engines there are for a PyTorch module, and compiling it ahead of time, on one thread by turns.

Prints a table of the median microseconds of a call and, last, one line of JSON.
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

import torch
from person import ROOT, say

from journeyman.serve.engines import load_engine, look_at
from journeyman.serve.hardware import this_hardware
from journeyman.serve.verdict import BATCH_SIZES
from journeyman.tracking.onnx_form import add_onnx
from journeyman.tracking.packages import EXPORTED, load_exported, save_package

sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))
from models import SHAPES, build

ROUNDS = 15
ROUND_S = 0.02


def calls(model: str, folder: Path) -> tuple[dict[str, Callable[[torch.Tensor], Any]], float]:
    """By engine, and how many seconds it took to compile the one that is compiled."""
    module = build(model)
    package = save_package(module, torch.rand(2, *SHAPES[model]), folder / model)
    add_onnx(package)
    version = look_at(package.path)
    [name] = [field.name for field in version.signature.inputs]
    found: dict[str, Callable[[torch.Tensor], Any]] = {"the module": module}
    for engine in version.engines:
        run = load_engine(engine, version)
        found[engine] = lambda rows, run=run: run({name: rows.numpy()}, None)  # type: ignore[misc]
    say(f"compiling {model}")
    began_s = time.monotonic()
    compiled = torch._inductor.aoti_compile_and_package(
        load_exported(package.path / EXPORTED), package_path=str(folder / "compiled.pt2")
    )
    took_s = time.monotonic() - began_s
    found["AOTInductor"] = torch._inductor.aoti_load_package(compiled)
    return found, took_s


def median_us(found: dict[str, Callable[[torch.Tensor], Any]], rows: torch.Tensor) -> dict[str, float]:
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
            by_rows = {size: median_us(found, torch.rand(size, *shape)) for size in BATCH_SIZES}
        print(f"\n{model}, compiled in {compiled_s:.1f} s; µs a call")
        print(f"  {'':<14}" + "".join(f"{size:>6} rows" for size in BATCH_SIZES))
        for name in found:
            print(f"  {name:<14}" + "".join(f"{by_rows[size][name]:>11.1f}" for size in BATCH_SIZES))
        figures[model] = {"compile_s": round(compiled_s, 1), **by_rows}
    print(this_hardware())
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
