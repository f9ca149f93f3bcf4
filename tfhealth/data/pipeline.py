"""Split -> tf.data: batches whose order and augmentation depend only on (seed, epoch, step), so a run can resume."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from itertools import groupby

import keras
import numpy as np
import tensorflow as tf

from tfhealth.data.dataset import Split


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


def training_batches(
    split: Split,
    *,
    batch_size: int,
    num_classes: int,
    seed: int,
    epochs: range,
    augmentation: Augmentation | None,
    resolutions: Mapping[int, int | None] | None = None,
) -> tf.data.Dataset:
    """Returns the batches of `epochs`, one epoch after the other, whole batches only; a smaller split is one batch.

    Args:
        split: the training split; its rows are read batch by batch, so memory does not grow with it.
        epochs: which epochs to deliver; range(5, 20) continues a run that stopped after five.
        augmentation: None delivers the images unchanged.
        resolutions: epoch -> image side to reduce to, None for full size; epochs of one size are contiguous.

    Returns:
        Dataset of ((batch, height, width, channels) float32 in [0, 255], (batch, num_classes) float32 labels).
    """
    steps = steps_per_epoch(split, batch_size)
    batch_size = min(batch_size, len(split))
    resolution_of = resolutions or {}
    phases = [list(phase) for _, phase in groupby(epochs, key=resolution_of.get)]

    def rows(phase: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for epoch in phase:
            order = np.random.default_rng((seed, epoch)).permutation(len(split))
            for step in range(steps):
                chosen = np.sort(order[step * batch_size : (step + 1) * batch_size])  # sorted: rows lie in file order
                yield split.x.take(chosen), split.y[chosen], np.array([seed, epoch * steps + step], np.int64)

    def prepare(images, labels, key, resolution):
        images, labels = reduce_images(tf.cast(images, tf.float32), resolution), tf.one_hot(labels, num_classes)
        return (images, labels) if augmentation is None else augment(images, labels, key, augmentation)

    signature = (
        tf.TensorSpec((batch_size, *split.x.shape[1:]), tf.uint8),
        tf.TensorSpec((batch_size,), tf.int32),
        tf.TensorSpec((2,), tf.int64),
    )
    parts = []
    for phase in phases:
        part = tf.data.Dataset.from_generator(partial(rows, phase), output_signature=signature)
        parts.append(part.map(partial(prepare, resolution=resolution_of.get(phase[0])), num_parallel_calls=1))
    batches = reduce(tf.data.Dataset.concatenate, parts)
    return batches.apply(tf.data.experimental.assert_cardinality(steps * len(epochs))).prefetch(2)


def reduce_images(images, resolution: int | None):
    """Returns (batch, resolution, resolution, channels) images, each pixel the mean of those it covers."""
    if resolution is None or images.shape[1] == resolution:
        return images
    return tf.image.resize(images, (resolution, resolution), method="area")


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of whole batches in the split; at least 1."""
    return max(1, len(split) // batch_size)


def evaluation_batches(split: Split, batch_size: int, resolution: int | None = None) -> Iterator[np.ndarray]:
    """Yields the images of the split in order: (batch, height, width, channels) float32 in [0, 255].

    Args:
        resolution: image side to reduce to; None keeps the full size.
    """
    for start in range(0, len(split), batch_size):
        images = split.x.take(slice(start, start + batch_size)).astype(np.float32)
        yield np.asarray(reduce_images(images, resolution))


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
