"""What a driver sends to Ray Train's controller arrives there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem
from ray import cloudpickle

from journeyman.jobs.driver.keep import KeepCheckpoints
from journeyman.jobs.driver.trainer import build_trainer, run_config
from journeyman.jobs.spec import TrainSpec


# Importing Ray Data is what it takes to build a trainer.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("what", [{"run": "train.py"}, {"entrypoint": "train:loop"}])
def test_callbacks_of_a_trainer_can_be_sent_to_its_controller(tmp_path: Path, what: dict[str, str]) -> None:
    spec = TrainSpec.model_validate({"name": "digits", **what})
    config = run_config("f00", 1, str(tmp_path), 3)
    config.callbacks = [KeepCheckpoints(LocalFileSystem(), str(tmp_path), 3)]
    trainer = build_trainer(spec, config, workers=2)
    callbacks = trainer._create_default_callbacks()
    sent, own = cloudpickle.loads(cloudpickle.dumps((callbacks, config.callbacks)))
    names = {type(each).__name__ for each in sent}
    # Ray Train hands what a person's own callbacks are to one of its own.
    assert {"StartWatch", "ReadyMark", "UserCallbackHandler"} <= names
    assert [type(each) for each in own] == [KeepCheckpoints]
    assert ("StopWatch" in names) is ("run" in what)
