"""One version of a service's model, loaded and ready to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from journeyman.models.arrays import Inputs, Outputs
from journeyman.models.engines.engine import Plan
from journeyman.models.model import ServedModel


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """What answers; nothing of it changes."""

    version: str
    model: ServedModel
    on_loop_bytes: float
    """A body up to this size is answered on the event loop."""
    joined_rows: int
    """Up to how many rows of requests that wait are computed together; 1 for never."""
    headers: Mapping[str, str]
    description: bytes
    engine_trouble: str = ""
    """Why it is not computed as it was measured to be the fastest."""
    to_compile: Path | None = None
    """Its folder, where it would be if it were compiled on this node."""
    measured: bool = False
    """Whether there was a verdict on it for this hardware."""
    why_alone: str = ""
    """Why no other version may be loaded beside it; empty where one may be."""
    raw_headers: list[tuple[bytes, bytes]] = field(init=False)
    """`headers`, encoded once: doing that for each request costs more."""

    def __post_init__(self) -> None:
        raw = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        object.__setattr__(self, "raw_headers", raw)

    @property
    def plan(self) -> Plan:
        """The engines that compute it."""
        return self.model.plan

    def predict(self, inputs: Inputs, params: dict[str, Any] | None = None) -> Outputs:
        """The outputs for checked inputs. Raises what the model raises, and nothing that ends a thread."""
        try:
            return self.model.predict(inputs, params)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            # A model may call sys.exit(), which would end the replica and with it everybody's requests.
            raise ModelEndedError(f"the model raised {type(error).__name__}") from error


class ModelEndedError(Exception):
    """For what a model raises to end its process."""
