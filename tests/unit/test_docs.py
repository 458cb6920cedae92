"""Links and paths in the documents lead to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("cluster", "jobs", "models", "serve", "tracking", "src", "tests", "benchmarks", "examples", "docs")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md"))
)
# They tell of files as they were on their day.
OF_THEIR_DAY = ("CHANGELOG.md", "benchmarks/results/")


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def prose_of(document: str) -> str:
    return re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", prose_of(document.relative_to(ROOT).as_posix()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(document)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if not d.startswith(OF_THEIR_DAY)])
def test_paths_are_those_of_the_tree(document: str) -> None:
    told = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)`", prose_of(document))
    assert [path for path in told if not (ROOT / path).exists()] == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, further = set(), {ROOT / "README.md"}
    while further:
        document = further.pop()
        reached.add(document)
        for path in re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", document.read_text()):
            target = (document.parent / path).resolve()
            if target.exists() and target not in reached:
                further.add(target)
    docs = set((ROOT / "docs").rglob("*.md"))
    assert sorted(str(path.relative_to(ROOT)) for path in docs - reached) == []


def test_architecture_is_read_in_ten_minutes() -> None:
    assert len(text_of("docs/architecture.md").splitlines()) <= 200
