"""Each process as docs/architecture.md tells it, and each name that outlives one, as docs/records.md does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROCESS_FOLDERS = {
    "cluster.local",
    "jobs.control",
    "jobs.driver",
    "jobs.submit",
    "jobs.worker",
    "serve.benchmark",
    "serve.control",
    "serve.proxy",
    "serve.replica",
}
"""Folders whose name is a process, or what belongs to one alone."""
SHARED = {
    # What a part's heartbeat file is called, control is told where the parts are.
    "journeyman.control": {"cluster.local"},
    # The function that it hands on.
    "journeyman.jobs.driver.main": {"jobs.worker"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A row of the table."""

    name: str
    entry: str
    folders: frozenset[str]
    never: frozenset[str]


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the document's table whose head has this beginning."""
    text = (ROOT / "docs" / document).read_text()
    table = text.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def processes() -> list[Process]:
    found = []
    for name, entry, folder, never in rows("architecture.md", "Process"):
        folders = frozenset(path.replace("/", ".") for path in re.findall(r"`([^`]+)`", folder))
        frameworks = frozenset(filter(None, never.split(", ")))
        found.append(Process(name=name, entry=entry.strip("`"), folders=folders, never=frameworks))
    return found


def loaded_by(entry: str) -> set[str]:
    """Every module that is imported where the entry is, in a process of its own."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {entry}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times = re.findall(r"^import time: .*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    return set(times)


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.name)
def test_process_imports_its_own_folder_and_what_is_shared(process: Process) -> None:
    modules = loaded_by(process.entry)
    assert process.entry in modules
    assert process.never & modules == set()
    others = PROCESS_FOLDERS - process.folders - SHARED.get(process.entry, set())
    strangers = {m for m in modules for folder in others if m.startswith(f"journeyman.{folder}.")}
    assert strangers == set()


def test_every_folder_of_a_process_has_its_row() -> None:
    told = {folder for process in processes() for folder in process.folders}
    assert told >= PROCESS_FOLDERS


FIND = """
import json, sys
from importlib import import_module
found = {}
for name in sys.argv[1:]:
    module, _, attribute = name.partition(":")
    there = getattr(import_module(module), attribute)
    found[name] = f"{there.__module__}.{there.__qualname__}"
print(json.dumps(found))
"""


def test_names_that_outlive_a_process_are_found_and_those_of_before_lead_to_the_same() -> None:
    told = [(now.strip("`"), before.strip("`")) for now, _, before in rows("records.md", "Name")]
    pairs = [(now, before if ":" in before else now) for now, before in told]
    # In a process of its own: this one may not load what they load.
    command = [sys.executable, "-c", FIND, *(name for pair in pairs for name in pair)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert [now for now, before in pairs if found[now] != found[before]] == []
    assert len(pairs) == len(dict(pairs)) >= 17
