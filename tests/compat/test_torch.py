"""Private names of PyTorch, held against the version that is installed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from journeyman.compat.torch_graph import compiled_module, is_mutable


class Adds(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros_like(values)
        kept.add_(values)
        return kept + 1


# Importing the compiler is what it takes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_module_inside_what_torch_compile_gave() -> None:
    module = nn.Linear(2, 2)
    assert compiled_module(torch.compile(module)) is module
    assert compiled_module(module) is None
    assert compiled_module("no module") is None


def test_operators_that_write_are_known() -> None:
    graph = torch.export.export(Adds(), (torch.zeros(2),)).graph
    told = {str(node.target): is_mutable(node) for node in graph.nodes if node.op == "call_function"}
    assert told["aten.add_.Tensor"] is True
    assert told["aten.add.Tensor"] is False


def test_compiler_of_machine_code_is_where_it_is_called() -> None:
    assert callable(torch._inductor.aoti_load_package)
    assert callable(torch._inductor.aoti_compile_and_package)
