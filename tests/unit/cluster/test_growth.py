"""What a person says a cluster may grow by."""

from __future__ import annotations

import json

import pytest

from journeyman.cluster.capacity import Growth
from journeyman.cluster.growth import describe_growth, parse_growth, written_growth
from journeyman.cluster.settings import read_growth


def test_growth_is_read_and_kept() -> None:
    growth = parse_growth(["4:CPU=8", "2:CPU=16, GPU=2,memory=64GiB,accelerator_type:A100=1"])
    assert growth == (
        Growth(nodes=4, total={"CPU": 8.0}),
        Growth(
            nodes=2,
            total={"CPU": 16.0, "GPU": 2.0, "memory": 64.0 * 1024**3, "accelerator_type:A100": 1.0},
        ),
    )
    for said in (growth, parse_growth(["none"]), parse_growth([])):
        assert read_growth(json.loads(json.dumps({"growth": written_growth(said)}))) == said
    # Contexts of before have no word of it.
    assert (read_growth({}), parse_growth([]), parse_growth(["none"])) == (None, None, ())


def test_growth_is_told_in_words() -> None:
    assert describe_growth(parse_growth(["4:CPU=8,GPU=1"])) == "up to 4 × 8 CPUs and 1 GPU"
    assert [describe_growth(said) for said in (None, ())] == ["not said", "none"]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["CPU=8"], "is not COUNT:NAME=AMOUNT"),
        (["x:CPU=8"], "is not COUNT:NAME=AMOUNT"),
        (["0:CPU=8"], "a count of nodes is between 1 and 10,000"),
        (["4:"], "'' is not NAME=AMOUNT"),
        (["4:CPU"], "'CPU' is not NAME=AMOUNT"),
        (["4:TPU=8"], "'TPU=8' is not NAME=AMOUNT, the name being CPU, GPU, memory or accelerator_type:NAME"),
        (["4:CPU=eight"], "'eight' is no amount of CPU"),
        (["4:CPU=-1"], "'-1' is no amount of CPU"),
        (["4:CPU=nan"], "'nan' is no amount of CPU"),
        (["4:CPU=8,memory=64"], "'64' is not a size such as 512MiB or 4GiB"),
        (["4:CPU=8,CPU=9"], "names CPU twice"),
        (["4:memory=64GiB"], "has neither CPUs nor GPUs"),
        (["none", "4:CPU=8"], "`none` says that nothing is added"),
    ],
    ids=str,
)
def test_growth_that_cannot_be_read_says_why(texts: list[str], why: str) -> None:
    with pytest.raises(ValueError, match="^") as caught:
        parse_growth(texts)
    assert why in str(caught.value)
