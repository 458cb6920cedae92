"""Libraries that read how many threads they may have as they are loaded: here, as they are first imported.

Ray sets OMP_NUM_THREADS in its workers once they run. What a fork server has loaded is hidden until somebody
imports it, and takes the numbers then that it would have taken.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from threadpoolctl import ThreadpoolController

_MOST_OPENBLAS_THREADS = 64


class Blas:
    """The copies of OpenBLAS that are loaded, one of numpy's and one of scipy's."""

    def __init__(self) -> None:
        self._libraries: list[Any] = ThreadpoolController().select(internal_api="openblas").lib_controllers

    def take_threads(self) -> None:
        wanted = _number("OPENBLAS_NUM_THREADS") or _number("GOTO_NUM_THREADS") or _number("OMP_NUM_THREADS")
        processors = len(os.sched_getaffinity(0))
        number = min(wanted or processors, processors, _MOST_OPENBLAS_THREADS)
        for library in self._libraries:
            library.set_num_threads(number)


def torch_threads(loaded_with: int) -> Callable[[], None]:
    """What has torch compute with as many threads as OMP_NUM_THREADS tells.

    `loaded_with` is what it takes where nothing is told. MKL takes no more than that, whatever is told.
    """

    def take() -> None:
        torch: Any = sys.modules["torch"]
        number = _number("OMP_NUM_THREADS") or min(loaded_with, len(os.sched_getaffinity(0)))
        if torch.backends.mkl.is_available():
            number = min(number, loaded_with)
        if number != torch.get_num_threads():
            torch.set_num_threads(number)

    return take


class Hidden(MetaPathFinder):
    """A library that is loaded, and that nobody has imported yet."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then
        self._modules = {
            each: module
            for each, module in sys.modules.items()
            if each == name or each.startswith(f"{name}.")
        }
        for each in self._modules:
            del sys.modules[each]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        return ModuleSpec(fullname, _Shown(self._modules, self._then), is_package=True)


class _Shown(Loader):
    def __init__(self, modules: dict[str, ModuleType], then: Callable[[], None]) -> None:
        self._modules = modules
        self._then = then
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = self._modules[spec.name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
        sys.modules.update(self._modules)
        self._then()


def hide(blas: Blas, loaded_with: int) -> None:
    """numpy and torch, where they are loaded."""
    for name, then in (("numpy", blas.take_threads), ("torch", torch_threads(loaded_with))):
        if name in sys.modules:
            sys.meta_path.insert(0, Hidden(name, then))


def _number(variable: str) -> int:
    first = os.environ.get(variable, "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0
