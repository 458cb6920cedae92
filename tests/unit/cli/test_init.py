"""init: what it writes is whole, and it writes over nothing."""

from __future__ import annotations

import ast
from pathlib import Path

from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.cluster.spec_file import parse, read_yaml
from journeyman.jobs.spec import TrainSpec
from journeyman.serve.spec import ServiceSpec


def test_init_writes_specs_that_are_valid_and_fit_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["service.yaml", "train.py", "train.yaml"]
    job = parse(TrainSpec, read_yaml(folder / "train.yaml"), "train.yaml")
    service = parse(ServiceSpec, read_yaml(folder / "service.yaml"), "service.yaml")
    assert job.publish is not None
    assert service.model == f"models:/{job.publish.model}@{job.publish.alias}"
    module, _, function = (job.entrypoint or "").partition(":")
    tree = ast.parse((folder / f"{module}.py").read_text())
    assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    used = {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "config"
        and isinstance(node.slice, ast.Constant)
    }
    assert used == set(job.config)


def test_init_in_a_folder_with_files_refuses_and_lists_them(tmp_path: Path) -> None:
    for name in ("notes.txt", ".git", "a", "b", "c", "d"):
        (tmp_path / name).write_text("mine")
    result = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert result.exit_code == 2
    message = result.stderr.splitlines()[0]
    assert message == f"{tmp_path} is not empty: it holds .git, a, b, c, d and 1 more"
    assert len(list(tmp_path.iterdir())) == 6


def test_init_over_a_file_refuses(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("mine")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "digits")])
    assert result.exit_code == 2
    assert (tmp_path / "digits").read_text() == "mine"
