"""Images on request: from a class, through the latent space and the decoder, to the candidate that fits the class."""

from dataclasses import dataclass

import keras
import numpy as np

from tfhealth.training.generative import in_batches, make_images, one_hot
from tfhealth.training.latents import ClassLatents

BLOCK = 256  # images whose candidates are held at once


@dataclass(frozen=True)
class Generator:
    """Makes images of classes.

    Attributes:
        decoder: [z, classes] to images.
        latents: where z is drawn for each class.
        guide: images to logits; None takes the first candidate.
        candidates: tries for each image: the first that the guide takes for the class is kept, and if there is none,
            the one that comes nearest (rejection sampling).
    """

    decoder: keras.Model
    latents: ClassLatents
    guide: keras.Model | None = None
    candidates: int = 1

    def make(self, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns images (n, s, s, 3) uint8 and their z (n, latent), one for each class id in `labels` (n,)."""
        rng = np.random.default_rng(seed)
        blocks = [self._block(labels[start : start + BLOCK], rng) for start in range(0, len(labels), BLOCK)]
        images, z = zip(*blocks, strict=True)
        return np.concatenate(images), np.concatenate(z)

    def _block(self, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        tries = 1 if self.guide is None else self.candidates
        asked = np.repeat(labels, tries)
        z = self.latents.sample(asked, rng)
        images = make_images(self.decoder, z, one_hot(asked, len(self.latents.means)))
        if tries == 1:
            return images, z
        (logits,) = in_batches(self.guide, [images.astype(np.float32)])
        kept = np.arange(len(labels)) * tries + first_fitting(logits.reshape(len(labels), tries, -1), labels)
        return images[kept], z[kept]


def first_fitting(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns (n,) which try to keep: the first whose class is the label, else the one that comes nearest.

    Args:
        logits: (n, tries, num_classes). labels: (n,) class ids.
    """
    wanted = np.take_along_axis(logits, labels[:, None, None], axis=2)[..., 0]  # (n, tries)
    margin = wanted - logits.max(2)  # 0 where the label wins
    fits = margin == 0
    return np.where(fits.any(1), fits.argmax(1), margin.argmax(1))


def interpolate(generator: Generator, z: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
    """Returns (n, steps, s, s, 3) uint8 images on the straight lines between pairs of points and of classes.

    Args:
        generator: whose decoder is used.
        z: (n, 2, latent) ends. labels: (n, 2) their classes.
        steps: images of a line, both ends among them.
    """
    share = np.linspace(0, 1, steps)[None, :, None]
    classes = one_hot(labels, len(generator.latents.means))
    points, between = (ends[:, :1] * (1 - share) + ends[:, 1:] * share for ends in (z, classes))
    images = make_images(generator.decoder, *(rows.reshape(-1, rows.shape[-1]) for rows in (points, between)))
    return images.reshape(len(z), steps, *images.shape[1:])
