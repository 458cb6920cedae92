"""The train spec: what is taken, what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeyman.cluster.spec_file import override, parse, parse_bytes, parse_seconds, read_yaml
from journeyman.errors import SpecError
from journeyman.jobs.spec import TrainSpec, gang

GOOD: dict[str, Any] = {"kind": "train", "name": "digits", "entrypoint": "train:train_loop"}


def test_full_spec_is_read_in_its_units() -> None:
    spec = parse(
        TrainSpec,
        GOOD
        | {
            "workers": "2..8",
            "resources": {"cpus": 2, "gpus": 1, "memory": "4GiB", "accelerator": "H100"},
            "max_duration": "12h",
            "publish": {"model": "digits", "alias": "champion"},
        },
        "train.yaml",
    )
    assert (spec.workers.least, spec.workers.most, spec.max_duration) == (2, 8, 43200)
    assert len(gang(spec)) == 2
    assert gang(spec)[0] == {
        "CPU": 2,
        "GPU": 1,
        "memory": 4 * 1024**3,
        "accelerator_type:H100": 0.001,
    }


def test_spec_survives_its_record() -> None:
    spec = parse(TrainSpec, GOOD | {"workers": "2..4", "max_duration": "90s"}, "train.yaml")
    assert TrainSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wrokers": 2}, "unknown key 'wrokers'; did you mean 'workers'?"),
        ({"resources": {"cpu": 1}}, "unknown key 'resources.cpu'; did you mean 'cpus'?"),
        ({"workers": "many"}, "workers: 'many' is not a count such as 2 or a range such as 2..8"),
        ({"workers": "8..2"}, "begins above its end"),
        ({"workers": 0}, "workers: at least 1"),
        ({"max_duration": "12 parsecs"}, "is not a duration such as 60s"),
        ({"resources": {"memory": "4 potatoes"}}, "is not a size such as 512MiB"),
        ({"name": "Digits!"}, "name: 'Digits!' must be lower-case letters"),
        ({"entrypoint": "train.py"}, "'train.py' is not module:function"),
        ({"run": "train.py"}, "both `entrypoint` and `run`"),
        ({"entrypoint": None}, "neither `entrypoint` nor `run`"),
        ({"entrypoint": None, "run": "t.py", "config": {"lr": 1}}, "`config` goes to an entrypoint"),
        ({"resources": {"accelerator": "H100"}}, "an accelerator is named but no gpus"),
        ({"kind": "service"}, "Give it to `journeyman deploy`"),
        ({"kind": "trian"}, "is of kind 'trian'; 'train' is needed here"),
    ],
)
def test_mistake_is_named_with_what_would_be_right(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse(TrainSpec, GOOD | change, "train.yaml")
    assert message in str(refusal.value)
    assert "train.yaml" in str(refusal.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SpecError) as refusal:
        parse(TrainSpec, GOOD | {"wrokers": 2, "max_duration": "x"}, "train.yaml")
    assert "wrokers" in str(refusal.value)
    assert "max_duration" in str(refusal.value)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("kind: train\nname: [digits\n")
    with pytest.raises(SpecError, match=r"train.yaml:3:1: not YAML"):
        read_yaml(tmp_path / "train.yaml")


def test_override_reaches_into_the_spec_and_leaves_the_original() -> None:
    loaded = GOOD | {"config": {"lr": 1.0}}
    changed = override(loaded, ["config.lr=0.01", "config.deep.er=[1, 2]", "workers=4"])
    assert changed["config"] == {"lr": 0.01, "deep": {"er": [1, 2]}}
    assert changed["workers"] == 4
    assert loaded["config"] == {"lr": 1.0}


@pytest.mark.parametrize("assignment", ["lr", "=1", "name.x=1"])
def test_override_that_says_nothing_is_refused(assignment: str) -> None:
    with pytest.raises(SpecError, match="--set"):
        override(dict(GOOD), [assignment])


@given(st.floats(0.001, 1e6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_any_duration_is_read(number: float, unit: str) -> None:
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert parse_seconds(f"{number:.3f}{unit}") == pytest.approx(float(f"{number:.3f}") * scale)


@given(st.text())
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for parser in (parse_seconds, parse_bytes):
        try:
            assert parser(text) >= 0
        except ValueError as error:
            assert "is not a" in str(error)
