"""Exported programs on another device than the one they were exported on."""

from __future__ import annotations

import torch
from torch import fx

from journeyman.compat.torch_graph import is_mutable


def move(program: torch.nn.Module, device: torch.device) -> None:
    """Moves a module from the CPU to `device`: its tensors, and those that an exported graph makes there.

    As torch.export.passes.move_to_device_pass does to a program that MLflow has not loaded yet.
    """
    program.to(device)
    for module in program.modules():
        for name, value in list(vars(module).items()):
            # A constant is neither parameter nor buffer.
            if isinstance(value, torch.Tensor):
                setattr(module, name, value.to(device))
        if isinstance(module, fx.GraphModule):
            for node in module.graph.nodes:
                if "device" in node.kwargs:
                    node.update_kwarg("device", device)
                if node.target is torch.ops.aten.to.device:
                    node.update_arg(1, device)
            copy_where_no_view_can_be(module.graph)
            module.recompile()


def copy_where_no_view_can_be(graph: fx.Graph) -> None:
    """Have a graph take no order of memory for granted: attention answers in another one on a GPU.

    A graph that changes tensors in place stays as it is, as what it changes may be seen through a view.
    """
    if any(is_mutable(node) for node in graph.nodes):
        return
    for node in graph.nodes:
        if node.target is torch.ops.aten.view.default:
            # A view all the same, wherever one can be had.
            node.target = torch.ops.aten.reshape.default
