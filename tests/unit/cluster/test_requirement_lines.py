"""Requirements as tools write them: what pip takes is taken."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from journeyman.cluster.requirement_lines import requirement_lines
from journeyman.errors import SpecError

TORCH = version("torch")


def read(folder: Path, content: str | bytes, encoding: str = "utf-8") -> tuple[str, ...]:
    text = content if isinstance(content, bytes) else content.encode(encoding)
    (folder / "requirements.txt").write_bytes(text)
    return requirement_lines("requirements.txt", folder)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"torch=={TORCH}\nray=={version('ray')}\n", (f"torch=={TORCH}", f"ray=={version('ray')}")),
        (f"torch=={TORCH.partition('+')[0]}\n", (f"torch=={TORCH.partition('+')[0]}",)),
        (
            "# pip-compile\ncolorama==0.4.6 \\\n    --hash=sha256:08 \\\n    --hash=sha256:4f\n    # via x\n",
            ("colorama==0.4.6 --hash=sha256:08 --hash=sha256:4f",),
        ),
        ("git+https://example.org/team/lib.git@v1.2#egg=lib  # ours\n", None),
        ("lib @ git+ssh://git@example.org/team/lib.git@main#subdirectory=python\n", None),
        ("lib[fast] @ https://example.org/lib-1.0-py3-none-any.whl ; python_version > '3'\n", None),
        ("https://example.org/lib-1.0-py3-none-any.whl\n", None),
        ("-e git+https://example.org/team/lib.git#egg=lib\n", None),
        ("--extra-index-url https://example.org/simple\n--pre\nsix\n", None),
        ("-f https://example.org/wheels.html\nsix\n", None),
        ("torch==1.0 ; python_version < '3.0'\n", None),
        ("six==1.16.0 ; python_version < '3.0'\nsix==1.17.0 ; python_version >= '3.0'\n", None),
        ("einops\r\nsix\r\n\r\n", ("einops", "six")),
        ("six # a comment\n#six\n", ("six",)),
    ],
)  # fmt: skip
def test_what_pip_takes_is_taken(tmp_path: Path, text: str, lines: tuple[str, ...] | None) -> None:
    read_lines = read(tmp_path, text)
    assert lines is None or read_lines == lines
    # What is stored is what pip reads: comments and the ends of lines aside, the same.
    assert all(line and not line.startswith("#") and "\\" not in line for line in read_lines)


def test_the_part_of_an_address_behind_its_hash_is_no_comment(tmp_path: Path) -> None:
    assert read(tmp_path, "git+https://example.org/lib.git#egg=lib # ours") == (
        "git+https://example.org/lib.git#egg=lib",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_of_editors_and_shells_are_read(tmp_path: Path, encoding: str) -> None:
    # `pip freeze > requirements.txt` in PowerShell writes UTF-16.
    assert read(tmp_path, "six==1.17.0\n# größe\n", encoding) == ("six==1.17.0",)


def test_a_coding_comment_is_followed(tmp_path: Path) -> None:
    assert read(tmp_path, "# -*- coding: latin-1 -*-\n# größe\nsix\n", "latin-1") == ("six",)
    with pytest.raises(SpecError, match="cannot be read"):
        read(tmp_path, "# größe\nsix\n", "latin-1")


def test_files_that_are_named_stand_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.txt").write_text("six\n-r more.txt\n-r ../requirements.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("einops\n")
    assert read(tmp_path, "-r sub/base.txt\nrich\n") == ("six", "einops", "rich")
    with pytest.raises(SpecError, match=r"gone.txt cannot be read"):
        read(tmp_path, "--requirement=gone.txt\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("torch==1.0", f"contradicts the cluster, which runs torch {TORCH}"),
        ("torch==2.0.0+cu117", f"contradicts the cluster, which runs torch {TORCH}"),
        ("-c constraints.txt", "names a file, which the cluster's pip would not find"),
        ("-e .", "names a file"),
        ("-e ../lib[all]", "names a file"),
        ("./wheels/lib-1.0-py3-none-any.whl", "is a file of this machine"),
        ("lib @ file:///home/ada/lib", "is a file of this machine"),
        ("file:///home/ada/lib", "is a file of this machine"),
        ("numpy = 2", "is no requirement"),
        ("conda install numpy", "is no requirement"),
    ],
)
def test_refusal_says_what_is_wrong_with_the_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(SpecError) as refusal:
        read(tmp_path, f"six\n{line}\n")
    assert told in str(refusal.value)


def test_two_pins_of_one_package_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no version of ruamel-yaml is both"):
        read(tmp_path, "ruamel.yaml==0.18\nruamel_yaml==0.17\n")
