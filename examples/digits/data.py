"""The handwritten digits that come with scikit-learn, and which of them are held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HELD_OUT = 360
SPLIT_SEED = 0
"""Fixed, and not the training's own: whatever the seed of a job, no held-out image was trained on."""


class Digits(NamedTuple):
    """1,797 images of 8 by 8 pixels in rows of 64, each from 0 (paper) to 16 (ink), and what they show."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def load() -> Digits:
    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images.astype(np.float32),
        labels.astype(np.int64),
        test_size=HELD_OUT,
        random_state=SPLIT_SEED,
        stratify=labels,
    )
    return Digits(train_images, train_labels, test_images, test_labels)
