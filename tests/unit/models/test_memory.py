"""What is left of a container's memory, whichever control groups it has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from journeyman.models.memory import available_bytes

GIB = 1024**3


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GIB))


def group(folder: Path, limit: str, used: int, cached: int, version: int) -> None:
    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    word = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{word} {cached}\nactive_file 7\n")


def belongs(root: Path, text: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)


def test_without_groups_it_is_the_machines(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) == 100 * GIB


def test_container_of_version_2_sees_its_group_as_the_root(tmp_path: Path) -> None:
    belongs(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", str(4 * GIB), 3 * GIB, GIB // 2, 2)
    assert available_bytes(tmp_path) == GIB + GIB // 2


def test_least_of_the_groups_around_counts_and_one_without_a_limit_does_not(tmp_path: Path) -> None:
    belongs(tmp_path, "0::/kubepods/pod/box\n")
    group(tmp_path / "sys/fs/cgroup/kubepods/pod/box", "max", 3 * GIB, 0, 2)
    group(tmp_path / "sys/fs/cgroup/kubepods/pod", str(8 * GIB), 6 * GIB, 0, 2)
    group(tmp_path / "sys/fs/cgroup/kubepods", str(64 * GIB), 6 * GIB, 0, 2)
    assert available_bytes(tmp_path) == 2 * GIB


def test_version_1_names_its_files_otherwise(tmp_path: Path) -> None:
    belongs(tmp_path, "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n")
    group(tmp_path / "sys/fs/cgroup/memory", str(2 * GIB), GIB, GIB // 4, 1)
    assert available_bytes(tmp_path) == GIB + GIB // 4


def test_group_that_is_full_or_over_has_nothing_left(tmp_path: Path) -> None:
    belongs(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", str(GIB), GIB + 5, 0, 2)
    assert available_bytes(tmp_path) == 0


def test_what_is_no_number_or_leads_elsewhere_is_left_out(tmp_path: Path) -> None:
    belongs(tmp_path, "0::/../../other\nnonsense\n")
    group(tmp_path / "sys/fs/cgroup", "a lot", 5, 0, 2)
    assert available_bytes(tmp_path) == 100 * GIB
