"""What of a node's cache of versions is removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.models.unneeded import (
    FRESH_S,
    MOST_BYTES,
    MOST_COMPILER_BYTES,
    UNUSED_S,
    Cached,
    KeptFile,
    orphaned,
    outdated,
    unneeded,
    version_of,
)

NOW = 1_800_000_000.0


def cached(version: str, *, unused_s: float, size_bytes: int = 1, model: str = "digits") -> Cached:
    return Cached(
        model=model,
        version=version,
        folder=f"{version}-1764000000000",
        size_bytes=size_bytes,
        used_s=NOW - unused_s,
    )


def removed(*versions: Cached, named: frozenset[tuple[str, str]] = frozenset()) -> list[str]:
    return [each.version for each in unneeded(versions, named, NOW)]


def test_version_that_was_not_used_for_long_is_removed() -> None:
    assert removed(cached("1", unused_s=UNUSED_S + 1), cached("2", unused_s=UNUSED_S)) == ["1"]


def test_version_that_a_record_names_is_kept_however_old_and_large() -> None:
    old = cached("1", unused_s=10 * UNUSED_S, size_bytes=2 * MOST_BYTES)
    assert removed(old, named=frozenset({("digits", "1")})) == []
    assert removed(old, named=frozenset({("faces", "1"), ("digits", "2")})) == ["1"]


def test_cache_that_is_too_large_loses_what_was_used_least_lately() -> None:
    half = MOST_BYTES // 2
    versions = [cached(str(n), unused_s=n * FRESH_S, size_bytes=half) for n in (2, 4, 3)]
    assert removed(*versions) == ["4"]
    assert removed(*versions, named=frozenset({("digits", "4")})) == ["3"]


def test_version_that_was_just_used_is_kept_however_large() -> None:
    assert removed(cached("1", unused_s=FRESH_S, size_bytes=2 * MOST_BYTES)) == []
    assert removed(cached("1", unused_s=-UNUSED_S, size_bytes=2 * MOST_BYTES)) == []


CACHED = st.builds(
    cached,
    version=st.sampled_from("12345"),
    model=st.sampled_from(["digits", "faces"]),
    unused_s=st.floats(-UNUSED_S, 3 * UNUSED_S),
    size_bytes=st.integers(0, MOST_BYTES),
)
NAMED = st.frozensets(st.tuples(st.sampled_from(["digits", "faces"]), st.sampled_from("12345")))


@given(st.lists(CACHED, max_size=12), NAMED)
def test_what_a_record_names_and_what_is_fresh_is_never_removed(
    versions: list[Cached], named: frozenset[tuple[str, str]]
) -> None:
    gone = unneeded(versions, named, NOW)
    for each in gone:
        assert each in versions
        assert (each.model, each.version) not in named
        assert NOW - each.used_s > FRESH_S


@given(st.lists(CACHED, max_size=12, unique_by=lambda each: (each.model, each.version)), NAMED)
def test_cache_is_within_its_size_unless_nothing_more_may_go(
    versions: list[Cached], named: frozenset[tuple[str, str]]
) -> None:
    gone = unneeded(versions, named, NOW)
    kept = [each for each in versions if each not in gone]
    may_go = [
        each for each in kept if (each.model, each.version) not in named and NOW - each.used_s > FRESH_S
    ]
    assert not may_go or sum(each.size_bytes for each in kept) <= MOST_BYTES


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("digits.3-1764000000000.0a1b2c3d4e5f.pt2", ("digits", "3-1764000000000")),
        ("digits.v2.3-1764000000000.0a1b2c3d4e5f.lock", ("digits.v2", "3-1764000000000")),
        ("inductor", None),
        ("notes.txt", None),
    ],
)
def test_file_of_machine_code_tells_its_version(name: str, version: tuple[str, str] | None) -> None:
    assert version_of(name) == version


def test_machine_code_without_its_version_is_orphaned() -> None:
    code = ["digits.3-1.aa.pt2", "digits.3-1.aa.lock", "digits.4-1.aa.pt2", "inductor"]
    assert orphaned(code, {("digits", "4-1")}) == ["digits.3-1.aa.lock", "digits.3-1.aa.pt2"]


@given(st.sets(st.tuples(st.sampled_from(["digits", "a.b"]), st.sampled_from(["1-1", "2-1", "3-7"]))))
def test_machine_code_of_a_version_that_is_there_is_never_orphaned(versions: set[tuple[str, str]]) -> None:
    code = [f"{model}.{folder}.{'0' * 12}.pt2" for model in ("digits", "a.b") for folder in ("1-1", "2-1")]
    for name in orphaned(code, versions):
        assert version_of(name) not in versions


def kept(path: str, size_bytes: int, unused_s: float) -> KeptFile:
    return KeptFile(path=path, size_bytes=size_bytes, used_s=NOW - unused_s)


def test_compiler_keeps_what_it_used_lately_and_no_more_than_its_share() -> None:
    half = MOST_COMPILER_BYTES // 2 + 1
    files = [
        kept("fresh", half, FRESH_S / 2),
        kept("today", half, 2 * FRESH_S),
        kept("old", 1, UNUSED_S + 1),
        kept("small", 1, 3 * FRESH_S),
    ]
    assert [each.path for each in outdated(files, NOW)] == ["old", "small", "today"]
    assert [each.path for each in outdated(files[1:], NOW)] == ["old"]
    # Whatever is fresh stays, however much it is.
    assert outdated([kept("fresh", 9 * half, 0), kept("ahead", 9 * half, -10 * UNUSED_S)], NOW) == []
