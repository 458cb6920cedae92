"""The service spec: what a person writes to have a registered model answer requests. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from journeyman.cluster.requirement_lines import Requirements
from journeyman.cluster.resources import Resources
from journeyman.cluster.spec_file import Bytes, Count, EnvironmentName, Name, Range, Seconds, Spec
from journeyman.errors import UsageError
from journeyman.models.engines.engine import Engine
from journeyman.serve.origin import ANY, origin_of

_REFERENCE = re.compile(r"models:/(?P<name>[^/]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[1-9][0-9]*))")
"""A name may hold an @, and then the last one is before the alias, as MLflow reads it."""

_OLD_ALLOW_CODE = "allow_pickle"


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A registered model and which of its versions: the one an alias names, or one for good."""

    name: str
    alias: str | None
    version: str | None

    def __str__(self) -> str:
        return f"models:/{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


def _origin(text: str) -> str:
    return text if text == ANY else origin_of(text)


class Limits(Spec):
    """What one replica takes on."""

    body: Bytes = 64 * 2**20
    """Of one request."""
    time: Seconds = 60.0
    """For one answer, from when the request is read."""
    queue: int = Field(default=100, ge=1, le=10_000)
    """Requests that wait for an answer at a time."""

    @property
    def ongoing(self) -> int:
        """Requests at a time in all, with those whose body is still on its way."""
        return 2 * self.queue


class ServiceSpec(Spec):
    """One service."""

    kind: Literal["service"] = "service"
    name: Name
    project: str = Field(default="default", min_length=1, max_length=500)
    model: str
    """`models:/name@alias`, a standing order that follows the alias, or `models:/name/3`."""
    replicas: Count = Range(least=1, most=1)
    resources: Resources = Resources()
    """Of one replica."""
    limits: Limits = Limits()
    engine: Engine | None = None
    """What computes the model; without it, what was measured to be the fastest."""
    allow_code: bool = False
    """Whether versions may run code of whoever made them: pickle, models from code and `code_paths` do."""
    env: dict[EnvironmentName, str] = {}
    requirements: Requirements = ()
    """What its replicas need beyond the cluster's environment."""
    cors: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Origins whose pages browsers let ask, or `*` alone for all. Other programs may ask in any case."""

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, written: object) -> object:
        """`allow_pickle`, as `allow_code` was called before it admitted more than that."""
        if not isinstance(written, dict) or _OLD_ALLOW_CODE not in written:
            return written
        if "allow_code" in written:
            raise ValueError(f"`{_OLD_ALLOW_CODE}` is the old name of `allow_code`: write one of them")
        renamed = dict(written)
        renamed["allow_code"] = renamed.pop(_OLD_ALLOW_CODE)
        return renamed

    @field_validator("model")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        if _REFERENCE.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not models:/name@alias or models:/name/3")
        return value

    @field_validator("cors", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @field_validator("cors")
    @classmethod
    def _any_alone(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if ANY in origins and len(origins) > 1:
            raise ValueError(f"{ANY!r} lets in pages of every origin: leave out the others, or it")
        return tuple(dict.fromkeys(origins))

    @field_validator("replicas")
    @classmethod
    def _at_least_one(cls, value: Range) -> Range:
        if value.least < 1:
            raise ValueError(f"scaling to zero is not supported yet; write 1..{max(value.most, 1)}")
        return value


def model_reference(spec: ServiceSpec) -> ModelReference:
    """The spec's model, taken apart."""
    return read_reference(spec.model)


def read_reference(text: str) -> ModelReference:
    """Raises UsageError where it is none."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} names no version", "Write models:/name@alias or models:/name/3.")
    return ModelReference(name=match["name"], alias=match["alias"], version=match["version"])
