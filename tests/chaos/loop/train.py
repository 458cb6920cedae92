"""A training whose every number is known beforehand: nothing in it is random, and a checkpoint is whole."""

import tempfile
import time
from pathlib import Path

import ray.train
import torch
from ray.train.torch import prepare_model

import journeyman


def train_loop(config):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rank = ray.train.get_context().get_world_rank()
    inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(rank))
    targets = inputs.sum(dim=1, keepdim=True).sin()
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = 0
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            state = torch.load(Path(folder) / "state.pt", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"] + 1
    parallel = prepare_model(model)
    for epoch in range(first, config["epochs"]):
        for step in range(config["steps"]):
            loss = torch.nn.functional.mse_loss(parallel(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            journeyman.log({"loss": loss.item()}, step=epoch * config["steps"] + step)
            time.sleep(config["pause_s"])
        with tempfile.TemporaryDirectory() as folder:
            saved = None
            if rank == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
                torch.save(state, Path(folder) / "state.pt")
                saved = ray.train.Checkpoint.from_directory(folder)
            ray.train.report({"epoch": epoch, "epoch_loss": loss.item()}, checkpoint=saved)
    journeyman.publish(model, example=inputs[:2])
