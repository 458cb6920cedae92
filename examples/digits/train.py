"""A Ray Train loop, data-parallel: a small convolutional network learns handwritten digits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import ray.train
import torch
from data import Digits, load
from ray.train import Checkpoint
from ray.train.torch import prepare_data_loader, prepare_model
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import journeyman


class DigitNet(nn.Module):
    """Images (N, 64) of pixels from 0 to 16, float32, to logits (N, 10), float32."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images.view(-1, 1, 8, 8) / 16))
        return logits


def train_loop(config: dict[str, Any]) -> None:
    torch.manual_seed(config["seed"])
    context = ray.train.get_context()
    digits = load()
    if context.get_world_rank() == 0:
        log_datasets(digits)
    images, labels = torch.from_numpy(digits.train_images), torch.from_numpy(digits.train_labels)
    loader = prepare_data_loader(
        DataLoader(TensorDataset(images, labels), batch_size=config["batch_size"], shuffle=True)
    )
    model = DigitNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"])
    first_epoch = resume(model, optimizer)
    parallel = prepare_model(model)

    for epoch in range(first_epoch, config["epochs"]):
        if context.get_world_size() > 1:
            loader.sampler.set_epoch(epoch)
        parallel.train()
        for batch, (inputs, targets) in enumerate(loader):
            loss = nn.functional.cross_entropy(parallel(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            journeyman.log({"loss": loss.item()}, step=epoch * len(loader) + batch)
        epochs_done = epoch + 1
        if epochs_done % config["report_every"] == 0 or epochs_done == config["epochs"]:
            metrics = {"epoch": epochs_done, **evaluate(model, digits)}
            report(metrics, model, optimizer)

    journeyman.publish(model, example=digits.test_images[:4])


def log_datasets(digits: Digits) -> None:
    train = mlflow.data.from_numpy(digits.train_images, targets=digits.train_labels, name="digits-train")
    test = mlflow.data.from_numpy(digits.test_images, targets=digits.test_labels, name="digits-test")
    mlflow.log_input(train, context="train")
    mlflow.log_input(test, context="test")


def evaluate(model: nn.Module, digits: Digits) -> dict[str, float]:
    """On every worker the same: the weights are, and 360 images are not worth the talk."""
    model.eval()
    # Where prepare_model() has put it: a GPU, if the job asks for one.
    device = next(model.parameters()).device
    with torch.no_grad():
        logits = model(torch.from_numpy(digits.test_images).to(device))
    labels = torch.from_numpy(digits.test_labels).to(device)
    return {
        "test_loss": nn.functional.cross_entropy(logits, labels).item(),
        "test_accuracy": (logits.argmax(dim=1) == labels).float().mean().item(),
    }


def resume(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The epoch to go on with: 0, or the one after the last checkpoint, whose state is then loaded."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return 0
    with checkpoint.as_directory() as folder:
        state = torch.load(Path(folder) / "state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epochs_done"])


def report(metrics: dict[str, float], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Every worker reports, since Ray Train waits for all of them; the first brings the checkpoint."""
    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epochs_done": metrics["epoch"],
        }
        torch.save(state, Path(folder) / "state.pt")
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))
