"""What became of a job's model: written by a worker as the tag `journeyman.publication`, read by the driver.

Light, for the driver reads it without loading what publishing needs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What became of a job's model."""

    model: str
    version: str = ""
    error: str = ""
    hint: str = ""
    weights: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Publication:
        return Publication(**json.loads(text))
