"""The train spec: what a person writes to have a training function or a script run. Pure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from journeyman.cluster.capacity import Amounts
from journeyman.cluster.requirement_lines import Requirements
from journeyman.cluster.resources import Resources, ray_amounts
from journeyman.cluster.spec_file import WRITTEN, Count, EnvironmentName, Name, Range, Seconds, Spec
from journeyman.jobs.run_line import read_run


class Publish(Spec):
    """Under which name, and with which alias, the model of a job is registered."""

    model: str = Field(min_length=1, max_length=200)
    alias: str | None = None

    @field_validator("model")
    @classmethod
    def _is_a_model(cls, value: str) -> str:
        # MLflow refuses them, at the end of the training.
        if any(character in value for character in "/:"):
            raise ValueError(f"{value!r} holds a / or a :, which no model's name may")
        return value

    @field_validator("alias")
    @classmethod
    def _is_an_alias(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
            raise ValueError(f"{value!r} must be letters, digits, dashes and underscores")
        if value is not None and re.fullmatch(r"(?i)latest|v\d+", value):
            raise ValueError(
                f"{value!r} is a name that MLflow keeps for itself; take another, such as champion"
            )
        return value


class TrainSpec(Spec):
    """One training job."""

    kind: Literal["train"] = "train"
    name: Name
    project: str = Field(default="default", min_length=1, max_length=500)
    entrypoint: str | None = None
    """`module:function`, a Ray Train loop that takes the config."""
    run: str | None = None
    """`script.py --flag value` or `-m package.module`, as torchrun runs it."""
    config: dict[str, Any] = {}
    workers: Count = Range(least=1, most=1)
    resources: Resources = Resources()
    requirements: Requirements = ()
    env: dict[EnvironmentName, str] = {}
    secrets: tuple[EnvironmentName, ...] = ()
    data: dict[EnvironmentName, str] = {}
    storage: str | None = None
    keep_checkpoints: Annotated[int, Field(ge=1)] | Literal["all"] = 3
    """How many checkpoints of a training function stay: the best, and the newest."""
    max_duration: Seconds | None = None
    """How long its workers may run, all attempts together."""
    grace: Seconds = 30.0
    """How long a script may take to end after SIGTERM, as where the job is cancelled."""
    start_timeout: Seconds = 900.0
    """How long an attempt may take from when its nodes are there and its environment is built."""
    publish: Publish | None = None

    @property
    def in_workers(self) -> str:
        """`1 worker`, `2..8 workers`: how many, in words."""
        return f"{self.workers} worker" + ("" if self.workers.most == 1 else "s")

    @field_validator("entrypoint")
    @classmethod
    def _is_a_function(cls, value: str | None) -> str | None:
        module, separator, function = (value or "a:b").partition(":")
        if (
            not separator
            or not function.isidentifier()
            or not all(p.isidentifier() for p in module.split("."))
        ):
            raise ValueError(f"{value!r} is not module:function, such as train:train_loop")
        if module.endswith(".py"):
            raise ValueError(f"{value!r} names a file; write {module.removesuffix('.py')}:{function}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _workers_of_launcher(cls, given: Any, info: ValidationInfo) -> Any:
        """`torchrun --nproc-per-node 2 train.py` says how many workers there are, where nothing else does."""
        if info.context is not WRITTEN or not isinstance(given, dict) or "workers" in given:
            return given
        with contextlib.suppress(ValueError):
            run = given.get("run")
            if isinstance(run, str) and (processes := read_run(run).processes):
                return given | {"workers": processes}
        return given

    @field_validator("run")
    @classmethod
    def _is_a_script(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.context is WRITTEN:
            read_run(value)
        return value

    @model_validator(mode="after")
    def _one_of_two(self, info: ValidationInfo) -> TrainSpec:
        if (self.entrypoint is None) == (self.run is None):
            both = "both `entrypoint` and `run`" if self.run else "neither `entrypoint` nor `run`"
            raise ValueError(f"{both}: one of them says what to train with")
        if self.run and self.config:
            raise ValueError("`config` goes to an entrypoint; give a script its arguments in `run`")
        if self.workers.least < 1:
            raise ValueError("workers: at least 1")
        if self.run and self.workers.least != self.workers.most:
            raise ValueError("workers: a script runs on a fixed number of workers, as under torchrun")
        if self.run and info.context is WRITTEN:
            processes = read_run(self.run).processes or self.workers.most
            if processes != self.workers.most:
                raise ValueError(
                    f"workers: {self.workers}, and `run` asks for {processes} processes; say it once"
                )
        return self


def gang(spec: TrainSpec, workers: int | None = None) -> Sequence[Amounts]:
    """The bundles a job needs before it can start: one per worker, the least number if none is said."""
    return [ray_amounts(spec.resources)] * (workers or spec.workers.least)
