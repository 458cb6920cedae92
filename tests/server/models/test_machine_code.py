"""Compiled ahead of time a program answers as it did, and where it cannot be compiled nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from journeyman.models.engines import machine_code
from journeyman.models.engines.engine import Engine, alone
from journeyman.models.engines.machine_code import CompilationError, compile_version, is_compiled
from journeyman.models.model import ModelError, load_model, look
from journeyman.models.packages import save_package

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, while it exports.

SLOW_NODE_S = 900.0
"""For compiling, where everything else that is tested runs beside it."""


class Attending(nn.Module):  # type: ignore[misc]
    """Attention, two inputs, two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)

    def forward(self, words: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = self.layer(words).mean(1) * weight
        return {"scores": seen, "best": seen.argmax(-1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a version that is not compiled."""
    path = tmp_path_factory.mktemp("models") / "attending" / "1-0"
    path.parent.mkdir()
    save_package(Attending().eval(), (torch.rand(2, 5, 16), torch.rand(2, 1)), path)
    yield path


def test_version_that_is_not_compiled_on_this_node_is_not_computed_as_machine_code(folder: Path) -> None:
    assert Engine.AOTINDUCTOR in look(folder).engines
    with pytest.raises(ModelError, match="aotinductor: it is not compiled on this node"):
        load_model(look(folder), False, alone(Engine.AOTINDUCTOR))


def test_machine_without_a_compiler_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(machine_code, "LIMIT_S", SLOW_NODE_S)
    with pytest.raises(CompilationError, match="cannot be compiled here: .*no-such-compiler"):
        compile_version(folder)
    assert not is_compiled(folder)


def test_compiling_ends_at_its_limit_and_leaves_no_compiler_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_code, "LIMIT_S", 0.5)
    with pytest.raises(CompilationError, match=r"takes more than 0\.5 s"):
        compile_version(folder)
    left = psutil.Process().children(recursive=True)
    assert [each for each in left if os.sched_getscheduler(each.pid) == os.SCHED_IDLE] == []


def test_nothing_is_compiled_where_memory_is_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1024**3))
    with pytest.raises(CompilationError, match=r"may take 2 GiB of memory, and 1\.0 GiB are free"):
        compile_version(folder)


def test_large_graph_is_not_even_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "MOST_GRAPH_BYTES", 1024)
    with pytest.raises(CompilationError, match="its graph of .* MiB would take longer to compile than 300 s"):
        compile_version(folder)


@pytest.mark.usefixtures("cpp_compiler")
def test_machine_code_answers_as_the_program_at_any_batch_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_code, "LIMIT_S", SLOW_NODE_S)
    compile_version(folder)
    assert is_compiled(folder)
    version = look(folder)
    program, code = (
        load_model(version, False, alone(engine)) for engine in (Engine.TORCH_EXPORT, Engine.AOTINDUCTOR)
    )
    for rows in (1, 3, 7):
        inputs = {
            "words": np.random.rand(rows, 5, 16).astype("f4"),
            "weight": np.random.rand(rows, 1).astype("f4"),
        }
        expected, found = program.predict(inputs), code.predict(inputs)
        assert expected.keys() == found.keys() == {"scores", "best"}
        np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found["best"], expected["best"])


class Cumulated(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids.cumsum(1))


def test_program_that_looks_up_what_no_request_bounds_is_not_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "ids" / "1-1"
    save_package(Cumulated(), torch.ones(2, 3, dtype=torch.long), folder)
    with pytest.raises(CompilationError, match="embedding by values that the model computes"):
        compile_version(folder)


@pytest.mark.usefixtures("cpp_compiler")
def test_machine_code_of_another_user_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_compiled(folder), "by the test before"
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(ModelError, match="belongs to another user"):
        load_model(look(folder), False, alone(Engine.AOTINDUCTOR))
