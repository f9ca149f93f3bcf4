"""Images on their way to a model: reduced, turned, moved, recoloured and mixed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import keras
import numpy as np
import tensorflow as tf

from tfhealth.config import ImageTraining
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import shuffled_batches


@dataclass(frozen=True)
class Augmentation:
    """Random changes that leave a dermoscopic diagnosis as it is; strength 0 leaves only flips and quarter turns.

    A lesion has no up or down: any rotation and mirror image is as likely (Perez et al. 2018, arXiv:1809.01442).

    Attributes:
        strength: scales the ranges below; 1 is the usual amount.
        zoom: log range of the scale at strength 1.
        shift: largest shift at strength 1, as a fraction of the image side.
        colour: largest relative change of brightness, contrast, saturation and colour balance at strength 1.
        mixup: the partner image's share is drawn from [0, mixup / 2]; 0 mixes nothing (Zhang et al. 2018,
            arXiv:1710.09412).
    """

    strength: float = 1.0
    zoom: float = 0.2
    shift: float = 0.1
    colour: float = 0.15
    mixup: float = 0.0


@dataclass(frozen=True)
class ImageFeed:
    """Feed of images: (batch, height, width, channels) float32 in [0, 255].

    Attributes:
        num_classes: width of the labels.
        augmentation: None delivers the images unchanged.
        sides: the side that images are reduced to in each epoch, None for full size; also full size are later epochs.
            Epochs of one side follow each other.
    """

    num_classes: int
    augmentation: Augmentation | None = None
    sides: tuple[int | None, ...] = ()

    @classmethod
    def of(cls, config: ImageTraining, num_classes: int) -> "ImageFeed":
        sides = tuple(resolution_at(config, epoch) for epoch in range(config.epochs))
        return cls(num_classes, Augmentation(config.augmentation, mixup=config.mixup), sides)

    @property
    def last_phase(self) -> int:
        return self.sides.index(self.sides[-1]) if self.sides else 0

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: Sequence[int]) -> tf.data.Dataset:
        phases = [(list(phase), partial(self._prepare, side=side)) for side, phase in groupby(epochs, key=self._side)]
        return shuffled_batches(split, batch_size=batch_size, seed=seed, phases=phases)

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None) -> Iterator[np.ndarray]:
        side = None if epoch is None else self._side(epoch)
        for start in range(0, len(split), batch_size):
            images = split.x.take(slice(start, start + batch_size)).astype(np.float32)
            yield np.asarray(reduce_images(images, side))

    def _side(self, epoch: int) -> int | None:
        return self.sides[epoch] if epoch < len(self.sides) else None

    def _prepare(self, images, labels, key, *, side: int | None):
        images = reduce_images(tf.cast(images, tf.float32), side)
        labels = tf.one_hot(labels, self.num_classes)
        return (images, labels) if self.augmentation is None else augment(images, labels, key, self.augmentation)


def resolution_at(config: ImageTraining, epoch: int) -> int | None:
    """Returns the reduced image side of an epoch, None for full size."""
    end = 0.0
    for side, share in config.resolutions:
        end += share
        if epoch < round(config.epochs * end):
            return side
    return None


def reduce_images(images, resolution: int | None):
    """Returns (batch, resolution, resolution, channels) images, each pixel the mean of those it covers."""
    if resolution is None or images.shape[1] == resolution:
        return images
    return tf.image.resize(images, (resolution, resolution), method="area")


def pixel_statistics(split: Split, sample: int = 2000) -> tuple[list[float], list[float]]:
    """Returns (mean, standard deviation) per channel, in [0, 255], of at most `sample` evenly spaced images."""
    positions = np.unique(np.linspace(0, len(split) - 1, min(sample, len(split))).astype(int))
    pixels = split.x.take(positions).reshape(-1, split.x.shape[-1]).astype(np.float32)
    return pixels.mean(0, dtype=np.float64).tolist(), (pixels.std(0, dtype=np.float64) + 1e-6).tolist()


def augment(images, labels, key, augmentation: Augmentation):
    """Returns images and labels changed at random, the same way whenever `key` is the same.

    Args:
        images: (batch, height, width, 3) float32 in [0, 255].
        labels: (batch, num_classes) float32.
        key: (2,) int64, the seed of tf.random.stateless_uniform.
    """
    draws = iter(range(1000))

    def uniform(shape, low, high):
        # A stream of its own for each draw: far from the seeds that users choose, which are the key's first half.
        stream = tf.constant([next(draws) * 1_000_003, 0], tf.int64)
        return tf.random.stateless_uniform(shape, key + stream, low, high)

    images = _move(images, uniform, augmentation)
    images = tf.clip_by_value(_recolour(images, uniform, augmentation), 0.0, 255.0)
    if augmentation.mixup:
        share = uniform((images.shape[0], 1), 0.0, augmentation.mixup / 2)
        images = images + share[:, :, None, None] * (images[::-1] - images)
        labels = labels + share * (labels[::-1] - labels)
    return images, labels


def _move(images, uniform, augmentation: Augmentation):
    """Flips, rotates, zooms and shifts each image about its centre, in one resampling."""
    batch, side_y, side_x, _ = images.shape
    strength = augmentation.strength
    quarter = np.pi / 2 * tf.floor(uniform((batch,), 0.0, 4.0))
    angle = quarter if not strength else uniform((batch,), -np.pi, np.pi)
    flip = tf.sign(uniform((batch,), -1.0, 1.0))
    scale = tf.exp(uniform((batch,), -1.0, 1.0) * augmentation.zoom * strength)
    shift_x = uniform((batch,), -1.0, 1.0) * augmentation.shift * strength * side_x
    shift_y = uniform((batch,), -1.0, 1.0) * augmentation.shift * strength * side_y
    a, b = tf.cos(angle) * scale * flip, -tf.sin(angle) * scale
    c, d = tf.sin(angle) * scale * flip, tf.cos(angle) * scale
    centre_x, centre_y = (side_x - 1) / 2, (side_y - 1) / 2
    move_x = centre_x - a * centre_x - b * centre_y + shift_x
    move_y = centre_y - c * centre_x - d * centre_y + shift_y
    zero = tf.zeros_like(a)
    transform = tf.stack([a, b, move_x, c, d, move_y, zero, zero], axis=1)
    return keras.ops.image.affine_transform(images, transform, interpolation="bilinear", fill_mode="reflect")


def _recolour(images, uniform, augmentation: Augmentation):
    """Jitters brightness, contrast, saturation and colour balance of each image: one colour matrix, one pass."""
    batch, height, width, _ = images.shape
    amount = augmentation.colour * augmentation.strength
    if not amount:
        return images
    mean = tf.reduce_mean(images, axis=(1, 2))  # (batch, 3)
    contrast = uniform((batch, 1), 1 - amount, 1 + amount)
    brightness = 255 * uniform((batch, 1), -amount, amount)
    balance = uniform((batch, 3), 1 - amount / 2, 1 + amount / 2)
    saturation = uniform((batch, 1, 1), 1 - amount, 1 + amount)
    towards_grey = saturation * tf.eye(3, batch_shape=[1]) + (1 - saturation) / 3  # (batch, 3, 3)
    matrix = (contrast * balance)[:, :, None] * towards_grey
    offset = ((mean * (1 - contrast) + brightness) * balance)[:, None] @ towards_grey
    return tf.reshape(tf.reshape(images, (batch, height * width, 3)) @ matrix + offset, images.shape)
