"""The eight ways to lay a square image: four quarter turns, each also mirrored.

A lesion has no up or down, so all eight are the same picture to a dermatologist (Perez et al. 2018, arXiv:1809.01442).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tfhealth.data.dataset import Rows, Split

ORIENTATIONS = 8


def oriented(images: np.ndarray, orientation: int) -> np.ndarray:
    """Returns (n, side, side, channels) images, from 4 on mirrored, then turned by orientation % 4 quarters."""
    mirrored, turns = divmod(orientation, 4)
    return np.rot90(images[:, :, ::-1] if mirrored else images, turns, (1, 2))


def mean_over_orientations(answer: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Returns the mean (n, k) of the answers (n, k) to (n, side, side, channels) images in all eight orientations."""
    return np.mean([answer(oriented(images, orientation)) for orientation in range(ORIENTATIONS)], axis=0)


def in_all_orientations(split: Split) -> Split:
    """Returns 8 n examples: the n images as they are, then in each other orientation; without masks and boxes."""
    copies = split.subset(np.tile(np.arange(len(split)), ORIENTATIONS))
    images = OrientedRows(copies.x, np.repeat(np.arange(ORIENTATIONS), len(split)))
    return replace(copies, x=images, masks=None, boxes=None)


class OrientedRows(Rows):
    """Rows of square images (n, side, side, channels), row i in orientation orientations[i]."""

    def __init__(self, rows: Rows, orientations: np.ndarray):
        super().__init__(rows.array, rows.indices)
        self.orientations = orientations

    def take(self, positions: np.ndarray | slice) -> np.ndarray:
        pairs = zip(super().take(positions), self.orientations[positions], strict=True)
        return np.concatenate([oriented(image[None], orientation) for image, orientation in pairs])

    def subset(self, positions: np.ndarray) -> "OrientedRows":
        return OrientedRows(super().subset(positions), self.orientations[positions])

    def __reduce__(self):
        return OrientedRows, (Rows(self.array, self.indices), self.orientations)
