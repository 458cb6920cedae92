"""A script as torchrun runs it, with its own process group and its own MLflow calls.

torchrun --nproc-per-node=2 train.py --steps 20
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import nullcontext
from pathlib import Path

import mlflow
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=32, help="images per worker and step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--losses", type=Path, help="a file to write every step's loss to, as JSON")
    return parser.parse_args()


def make_loader(batch_size: int, seed: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    images, labels = load_digits(return_X_y=True)
    dataset = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
    return DataLoader(dataset, batch_size, sampler=DistributedSampler(dataset, seed=seed), drop_last=True)


def train(arguments: argparse.Namespace, *, logs: bool) -> list[float]:
    """The loss of every step, the mean over all workers."""
    torch.manual_seed(arguments.seed)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)))
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr, momentum=0.9)
    loader = make_loader(arguments.batch_size, arguments.seed)
    losses: list[float] = []
    epoch = 0
    while len(losses) < arguments.steps:
        loader.sampler.set_epoch(epoch)
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean = loss.detach()
            dist.all_reduce(mean)
            mean /= dist.get_world_size()
            losses.append(mean.item())
            if dist.get_rank() == 0:
                print(f"step {len(losses)} loss {losses[-1]:.6f}", flush=True)
            if logs:
                mlflow.log_metric("loss", losses[-1], step=len(losses))
            if len(losses) == arguments.steps:
                break
        epoch += 1
    return losses


def main() -> None:
    arguments = parse_arguments()
    dist.init_process_group("gloo")
    first = dist.get_rank() == 0
    logs = first and "MLFLOW_TRACKING_URI" in os.environ
    with mlflow.start_run() if logs else nullcontext():
        if logs:
            mlflow.log_params({"steps": arguments.steps, "lr": arguments.lr, "seed": arguments.seed})
        losses = train(arguments, logs=logs)
    if first and arguments.losses:
        arguments.losses.write_text(json.dumps(losses))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
