"""What a submitter checks before anything is ordered, and what code travels."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from journeyman.cluster.settings import write_secret
from journeyman.errors import NotFoundError, SpecError
from journeyman.jobs.submit.code import git_state, pack, travelling
from journeyman.jobs.submit.submission import read_order

SPEC = "kind: train\nname: digits\nentrypoint: train:loop\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("def loop(config):\n    pass\n\ndef two(a, b):\n    pass\n")
    return folder


def order(folder: Path, more: str = "", spec: str = SPEC) -> None:
    (folder / "train.yaml").write_text(spec + more)
    read_order(folder / "train.yaml", (), folder.parent / "home", "/runs")


def test_what_git_ignores_stays_behind(folder: Path) -> None:
    (folder / ".gitignore").write_text("*.bin\n/data/\n!keep.bin\n")
    (folder / "sub").mkdir()
    (folder / "sub" / ".gitignore").write_text("local.txt\n")
    (folder / "data").mkdir()
    for name in ("a.bin", "keep.bin", "data/x.csv", "sub/local.txt", "sub/b.py", "sub/c.bin"):
        (folder / name).write_text(name)
    assert list(travelling(folder).files) == [
        ".gitignore",
        "keep.bin",
        "sub/.gitignore",
        "sub/b.py",
        "train.py",
    ]


def test_ignore_rules_of_the_repository_above_hold(tmp_path: Path, folder: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    (folder / "a.tmp").write_text("")
    assert travelling(folder).files == ("train.py",)


def test_archive_is_the_same_for_the_same_files_whenever_they_were_written(folder: Path) -> None:
    first = pack(folder, travelling(folder).files)
    (folder / "train.py").touch()
    assert pack(folder, travelling(folder).files) == first
    (folder / "train.py").write_text("changed")
    assert pack(folder, travelling(folder).files).sha256 != first.sha256
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        assert archive.namelist() == ["train.py"]


def test_code_over_the_limit_names_the_largest_files(folder: Path) -> None:
    for index in range(7):
        with (folder / f"big{index}.bin").open("wb") as file:
            file.truncate(16_000_000 + index)
    with pytest.raises(SpecError) as refusal:
        pack(folder, travelling(folder).files)
    lines = str(refusal.value).splitlines()
    assert "112 MB, over 100 MB" in lines[0]
    assert [line.split()[-1] for line in lines[1:6]] == [f"big{i}.bin" for i in (6, 5, 4, 3, 2)]
    assert ".gitignore" in lines[-1]


def test_git_state_tells_the_commit_and_changes(folder: Path) -> None:
    assert git_state(folder) is None
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    clean = git_state(folder)
    assert clean is not None
    assert (len(clean.commit), clean.dirty) == (40, False)
    (folder / "train.py").write_text("changed")
    assert git_state(folder) != clean


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kind: train\nname: a\nentrypoint: nowhere:loop\n", "there is no module nowhere"),
        ("kind: train\nname: a\nentrypoint: train:lop\n", "defines no function lop"),
        ("kind: train\nname: a\nentrypoint: train:two\n", "two takes 2 arguments"),
        ("kind: train\nname: a\nrun: gone.py --lr 1\n", "run: gone.py is not there"),
        (SPEC + "requirements: gone.txt\n", "there is no file"),
        (SPEC + "data: {train: gone.csv}\n", "data.train: there is nothing at"),
        (SPEC + f"config: {{x: {'y' * 9000}}}\n", "characters as it is stored, and MLflow keeps 8,000"),
    ],
)
def test_order_that_could_not_run_is_refused_before_it_is_written(
    folder: Path, spec: str, message: str
) -> None:
    with pytest.raises(SpecError) as refusal:
        order(folder, spec=spec)
    assert message in str(refusal.value)


def test_syntax_error_is_told_with_its_line(folder: Path) -> None:
    (folder / "train.py").write_text("def loop(config:\n")
    with pytest.raises(SpecError, match=r"train.py:1"):
        order(folder)


@pytest.mark.parametrize("line", ["torch==1.0", "ray<2", "mlflow>=99"])
def test_requirement_against_the_cluster_is_refused(folder: Path, line: str) -> None:
    (folder / "requirements.txt").write_text(f"# mine\nrich>=1\n{line}\n")
    with pytest.raises(SpecError, match="contradicts the cluster, which runs"):
        order(folder, "requirements: requirements.txt\n")


def test_requirement_the_cluster_meets_is_kept(folder: Path) -> None:
    (folder / "requirements.txt").write_text("torch>=2  # any\n\nsix==1.16.0\n")
    (folder / "train.yaml").write_text(SPEC + "requirements: requirements.txt\n")
    read = read_order(folder / "train.yaml", (), folder.parent / "home", "/runs")
    assert read.spec.requirements == ("torch>=2", "six==1.16.0")


def test_ignored_data_is_reported_and_data_in_the_code_travels(folder: Path, tmp_path: Path) -> None:
    (folder / "in.csv").write_text("1")
    (tmp_path / "out.csv").write_text("1")
    (folder / "train.yaml").write_text(SPEC + "data: {a: in.csv, b: ../out.csv, c: 's3://b/k'}\n")
    read = read_order(folder / "train.yaml", (), tmp_path / "home", "/runs")
    assert read.spec.data == {"a": "in.csv", "b": str(tmp_path / "out.csv"), "c": "s3://b/k"}
    (folder / ".gitignore").write_text("in.csv\n")
    with pytest.raises(SpecError, match="left out of the code by .gitignore"):
        order(folder, "data: {a: in.csv}\n")


def test_secret_must_be_set_and_its_file_closed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="journeyman secret set HF_TOKEN"):
        order(folder, "secrets: [HF_TOKEN]\n")
    write_secret(tmp_path / "home", "HF_TOKEN", "x")
    order(folder, "secrets: [HF_TOKEN]\n")
    secrets = tmp_path / "home" / "secrets.json"
    assert secrets.stat().st_mode & 0o777 == 0o600
    secrets.chmod(0o644)
    with pytest.raises(Exception, match="can be read by others"):
        order(folder, "secrets: [HF_TOKEN]\n")
