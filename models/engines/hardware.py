"""What a process computes on, as far as it decides which engine is the fastest."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import onnxruntime
import torch

_MODEL_NAME = "model name"
_KEY_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Hardware:
    """A verdict holds for what is equal to it in all of this."""

    processor: str
    instructions: str
    """The widest vectors that torch uses, such as AVX2."""
    threads: int
    accelerator: str
    """Empty where there is none."""
    torch: str
    onnxruntime: str

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:_KEY_CHARACTERS]

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        where = f"{self.accelerator}, " if self.accelerator else ""
        return (
            f"{where}{self.processor}, {self.instructions}, {threads}, torch {self.torch}, "
            f"onnxruntime {self.onnxruntime}"
        )


def this_hardware() -> Hardware:
    """Of this process, with the threads that torch has been given."""
    return Hardware(
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        torch=torch.__version__,
        onnxruntime=onnxruntime.__version__,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(_MODEL_NAME)]
    return named[0] if named else platform.machine()
