"""The weights of a trained module: the module inside what training wrapped around it, its state as a file.

Only a job's processes import this: it loads torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.tensor import DTensor

from journeyman.compat.torch_graph import compiled_module
from journeyman.errors import PublishError


def unwrap(model: Any) -> nn.Module:
    """The module inside DDP, DataParallel and `torch.compile`, however they are nested.

    Raises PublishError where it is no module, or one whose parameters are spread over ranks.
    """
    while True:
        inner = compiled_module(model)
        if inner is None and isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            inner = model.module
        if inner is None:
            break
        model = inner
    if not isinstance(model, nn.Module):
        raise PublishError(
            f"a model to publish is a torch.nn.Module, and this is a {type(model).__name__}",
            "Pass the module itself, not its state dict, its trainer or its outputs.",
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise PublishError(
            "a TorchScript module cannot be exported",
            "Pass the nn.Module it was scripted or traced from.",
        )
    sharded = isinstance(model, FullyShardedDataParallel) or any(
        isinstance(parameter, DTensor) for parameter in model.parameters()
    )
    if sharded:
        raise PublishError(
            "the model's parameters are sharded over the ranks",
            "Gather the full state dict on every rank (torch.distributed.checkpoint.state_dict), load it "
            "into an unsharded module on rank 0 and publish that.",
        )
    return model


def save_weights(model: Any, path: Path) -> None:
    """The model's state dict at `path`, on the CPU and under the names of the unwrapped module.

    Safe to read with `torch.load(path, weights_only=True)`. Whole or not there: a process killed while it
    writes leaves nothing under that name.
    """
    state = unwrap(model).state_dict()
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            state[name] = value.detach().cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Given a path, torch opens it in C++, which does not tell why it could not be written.
        with partial.open("wb") as file:
            torch.save(state, file)
        os.replace(partial, path)
    except BaseException:
        # Half a file on a full disk is in the way of whatever is to be saved next.
        partial.unlink(missing_ok=True)
        raise
