"""The engines there are, and which of them computes how many rows of a version. Pure"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """What can compute a version's outputs; the safest that applies is the one that it begins with."""

    TORCH_EXPORT = "torch.export"
    """An exported program as it was published: PyTorch runs its graph operation by operation."""
    ONNXRUNTIME = "onnxruntime"
    """The ONNX form of a program, or a version logged as ONNX."""
    AOTINDUCTOR = "aotinductor"
    """A program as machine code, compiled on the node that computes it."""
    EAGER = "eager"
    """The module itself, of a version that is stored as pickle."""
    PYFUNC = "pyfunc"
    """Whatever else MLflow loads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The engines by the rows of a batch, ascending; the last computes all that is larger too."""

    steps: tuple[tuple[int, Engine], ...]

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Each once, as they come."""
        return tuple(dict.fromkeys(engine for _, engine in self.steps))

    def engine_for(self, rows: int) -> Engine:
        return next((engine for most, engine in self.steps if rows <= most), self.steps[-1][1])

    def __str__(self) -> str:
        return ", ".join(self.engines)


def alone(engine: Engine) -> Plan:
    """That engine for any number of rows."""
    return Plan(((1, engine),))
