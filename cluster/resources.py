"""What one worker or one replica needs, in a person's terms and in Ray's. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from journeyman.cluster.spec_file import Bytes, Spec


class Resources(Spec):
    """Resources of one worker or one replica."""

    cpus: float = Field(default=1, ge=0, allow_inf_nan=False)
    gpus: float = Field(default=0, ge=0, allow_inf_nan=False)
    memory: Bytes | None = None
    accelerator: str | None = None
    """Ray's accelerator type of the node, such as H100."""

    @model_validator(mode="after")
    def _consistent(self) -> Resources:
        if self.accelerator and not self.gpus:
            raise ValueError("an accelerator is named but no gpus; add `gpus: 1`")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"{self.gpus:g} gpus: a share of one is below 1, and more are whole")
        if not self.cpus and not self.gpus:
            raise ValueError("neither cpus nor gpus: nothing would be reserved")
        return self


def ray_amounts(resources: Resources) -> dict[str, float]:
    amounts: dict[str, float] = {}
    if resources.cpus:
        amounts["CPU"] = resources.cpus
    if resources.gpus:
        amounts["GPU"] = resources.gpus
    if resources.memory:
        amounts["memory"] = float(resources.memory)
    if resources.accelerator:
        # Ray marks the nodes of a type with one unit of this resource and asks a thousandth of it per task.
        amounts[f"accelerator_type:{resources.accelerator}"] = 0.001
    return amounts


def actor_options(resources: Resources) -> dict[str, Any]:
    """Ray's options of one actor."""
    options: dict[str, Any] = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
    if resources.memory:
        options["memory"] = resources.memory
    if resources.accelerator:
        options["accelerator_type"] = resources.accelerator
    return options
