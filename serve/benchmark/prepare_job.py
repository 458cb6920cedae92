"""The prepare job: on the hardware of a service's replicas, off the path of traffic, it races the engines.

A Ray job whose command line is the JSON of a `Preparation`; the verdict becomes a tag of the version.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import orjson
import torch

from journeyman.errors import JourneymanError, described, in_one_line
from journeyman.models.arrays import Invocation
from journeyman.models.cache import fetch
from journeyman.models.cached import InUse
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.engines.machine_code import CompilationError, compile_version
from journeyman.models.files import Version
from journeyman.models.model import ModelError, ServedModel, load_model, look
from journeyman.serve.benchmark.race import quickest_row_us, race
from journeyman.serve.preparation import Preparation
from journeyman.serve.protocols.example import warm
from journeyman.serve.protocols.invocations import parse
from journeyman.serve.verdict import Verdict, write_verdict
from journeyman.tracking.mlflow_rest import Mlflow
from journeyman.tracking.records import ENGINES, ONNX_TROUBLE

WORTH_COMPILING_US = 200.0
"""A row that takes less is answered by the one thread that reads requests; what serving it costs is more."""


def main() -> None:
    preparation = Preparation.model_validate_json(sys.argv[1])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    mlflow = Mlflow(preparation.mlflow_url, os.environ)
    try:
        verdict = prepare(preparation, mlflow)
        tag = f"{ENGINES}.{preparation.hardware}"
        mlflow.set_version_tag(preparation.model, preparation.version, tag, write_verdict(verdict))
    except JourneymanError as error:
        # The last line of what it says is what control keeps.
        sys.exit(in_one_line(error))
    finally:
        mlflow.close()


def prepare(preparation: Preparation, mlflow: Mlflow) -> Verdict:
    """The verdict; one that tells why there can be none where the version itself is why.

    Raises ModelError where this is not the hardware that it was asked for, UnreachableError, NotFoundError.
    """
    hardware = this_hardware()
    if hardware.key != preparation.hardware:
        raise ModelError(f"this is {hardware}, which is not what the replicas compute on")
    fetched = fetch(mlflow, preparation.model, preparation.version, InUse())
    files = look(fetched.folder)
    rejected = _do_not_apply(files, fetched.tags.get(ONNX_TROUBLE, ""))
    try:
        loaded: dict[Engine, ServedModel] = {}
        ready = [engine for engine in files.engines if engine != Engine.AOTINDUCTOR]
        _load(ready, files, preparation.allow_code, loaded, rejected)
        example = loaded[files.safest].example
        if example is None:
            raise ModelError("the version has no input example to benchmark with")
        invocation = parse(orjson.dumps(example), None, files.signature)
        if Engine.AOTINDUCTOR in files.engines:
            if why := _why_not_compiled(loaded, files, invocation):
                rejected[Engine.AOTINDUCTOR] = why
            else:
                _load([Engine.AOTINDUCTOR], files, preparation.allow_code, loaded, rejected)
        return race(loaded, rejected, invocation, hardware)
    except JourneymanError as error:
        return Verdict(hardware=str(hardware), times_us={}, rejected={}, failed=error.message)
    except Exception as error:  # noqa: BLE001
        # The model's own code runs here: anything can come out of it, and it would again.
        return Verdict(hardware=str(hardware), times_us={}, rejected={}, failed=described(error))


def _load(
    engines: Sequence[Engine],
    files: Version,
    allow_code: bool,
    loaded: dict[Engine, ServedModel],
    rejected: dict[Engine, str],
) -> None:
    """Adds each to `loaded`, or why it cannot be to `rejected`. Raises ModelError for the safest."""
    for engine in engines:
        try:
            model = load_model(files, allow_code, alone(engine))
            warm(model)
            loaded[engine] = model
        except ModelError as error:
            if engine == files.safest:
                raise
            rejected[engine] = error.message


def _why_not_compiled(loaded: Mapping[Engine, ServedModel], files: Version, example: Invocation) -> str:
    """Empty once the version is compiled on this node, which is tried where it may pay."""
    quickest, took_us = quickest_row_us({engine: model.run for engine, model in loaded.items()}, example)
    if took_us < WORTH_COMPILING_US:
        return f"not compiled: {quickest} takes {took_us:.0f} µs for a row, and little could be saved"
    try:
        compile_version(files.folder)
    except CompilationError as error:
        return error.message
    return ""


def _do_not_apply(files: Version, onnx_trouble: str) -> dict[Engine, str]:
    """Of the engines that a person may expect, why they are not raced."""
    if files.safest != Engine.TORCH_EXPORT or Engine.ONNXRUNTIME in files.engines:
        return {}
    return {Engine.ONNXRUNTIME: onnx_trouble or "the version was published without an ONNX form"}


if __name__ == "__main__":
    main()
