"""Where a job's processes may start warm, and where they start as Ray starts them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeyman.cluster.warm.command import warm_python
from journeyman.jobs.control.controller import entrypoint
from journeyman.jobs.spec import TrainSpec

from ..harness.world import SETTINGS

PLAIN = "python -m journeyman.jobs.driver"


@pytest.mark.parametrize(
    ("attached", "requirements", "command"),
    [
        (False, (), warm_python("-m", "journeyman.jobs.driver")),
        (False, ("rich>=14",), PLAIN),
        (True, (), PLAIN),
    ],
)
def test_driver_starts_warm_where_nodes_have_this_interpreter(
    attached: bool, requirements: tuple[str, ...], command: str
) -> None:
    spec = TrainSpec(name="a", entrypoint="a:b", requirements=requirements)
    assert entrypoint(spec, replace(SETTINGS, attached=attached)) == command
