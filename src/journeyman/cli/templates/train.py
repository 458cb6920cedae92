"""Learns to read handwritten digits: a Ray Train loop that resumes where it was and publishes its model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import journeyman

TEST_ROWS = 297


def train_loop(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32)
    y = torch.tensor(labels, dtype=torch.int64)
    train, test = TensorDataset(x[:-TEST_ROWS], y[:-TEST_ROWS]), (x[-TEST_ROWS:], y[-TEST_ROWS:])

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    first_epoch = 0
    if checkpoint := ray.train.get_checkpoint():  # there is one when an earlier attempt was cut short
        with checkpoint.as_directory() as folder:
            state = torch.load(Path(folder) / "state.pt", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first_epoch = state["epoch"] + 1

    network = ray.train.torch.prepare_model(model)
    loader = ray.train.torch.prepare_data_loader(DataLoader(train, config["batch_size"], shuffle=True))
    is_first = ray.train.get_context().get_world_rank() == 0

    for epoch in range(first_epoch, config["epochs"]):
        network.train()
        if hasattr(loader.sampler, "set_epoch"):  # several workers share the rows anew each epoch
            loader.sampler.set_epoch(epoch)
        losses = []
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(network(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

        network.eval()
        device = next(network.parameters()).device
        with torch.no_grad():
            guesses = network(test[0].to(device)).argmax(dim=1).cpu()
        metrics = {
            "epoch": epoch,
            "loss": sum(losses) / len(losses),
            "accuracy": (guesses == test[1]).float().mean().item(),
        }

        with tempfile.TemporaryDirectory() as folder:
            saved = None
            if is_first:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
                torch.save(state, Path(folder) / "state.pt")
                saved = ray.train.Checkpoint.from_directory(folder)
            ray.train.report(metrics, checkpoint=saved)

    # Every worker says so; it is published once. The example shows what a row looks like.
    journeyman.publish(model, test[0][:2].numpy())
