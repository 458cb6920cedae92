"""What became of a job's model: written by a worker as the tag `journeyman.publication`, read by the driver.

Light, for the driver reads it without loading what publishing needs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from journeyman.errors import UnreadableError


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
        """Raises UnreadableError: the code of the job can write to its run, too."""
        try:
            return _PUBLICATION.validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]["msg"]
            raise UnreadableError(f"what became of its model cannot be read: {first}") from None


_PUBLICATION: TypeAdapter[Publication] = TypeAdapter(Publication)
