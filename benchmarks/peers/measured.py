"""The two models that are served side by side: a tiny MLP and a convolutional net of eight layers."""

from __future__ import annotations

import torch
from torch import nn

SHAPES = {"mlp": (64,), "conv": (3, 32, 32)}
"""Of one row."""


def build(name: str) -> nn.Module:
    """Untrained, with the same weights in every process."""
    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)).eval()
    layers: list[nn.Module] = []
    channels = 3
    for _ in range(8):
        layers += [nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU()]
        channels = 32
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)).eval()
