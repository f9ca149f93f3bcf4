"""Augmentation that gradients pass through: the discriminator sees real and made images changed alike.

So it cannot learn the few training images by heart, and the generator does not learn the changes.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738, sec. 4.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfhealth.training.replicas import own_rows

SHIFT = 1 / 8  # of the side, at most
HOLE = 1 / 2  # side of the square that is cut out, of the image's


def augment(images: tf.Tensor, policies: Sequence[str], seed: keras.random.SeedGenerator, copies: int = 1) -> tf.Tensor:
    """Returns the images (n, s, s, 3) in [0, 255] after each policy, an own draw for each image.

    Args:
        copies: batches that stand one behind the other in `images`, see replicas.own_rows.
    """

    def uniform(count, *rest):
        return own_rows(lambda rows: keras.random.uniform((rows, *rest), seed=seed), count, copies)

    for policy in policies:
        images = POLICIES[policy](images, uniform)
    return images


def _colour(images, uniform):
    """Brightness by up to a quarter of the range, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    count = tf.shape(images)[0]
    images = images + 255 * (uniform(count, 1, 1, 1) - 0.5) / 2
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * 2 * uniform(count, 1, 1, 1)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (0.5 + uniform(count, 1, 1, 1))


def _translation(images, uniform):
    """Shifts by up to SHIFT in each direction; what comes in is grey."""
    count, side = tf.shape(images)[0], images.shape[1]
    most = max(1, round(side * SHIFT))
    padded = tf.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=127.5)
    for axis in (1, 2):
        start = tf.cast(uniform(count, 1) * (2 * most + 1), tf.int32)
        padded = tf.gather(padded, start + tf.range(side), axis=axis, batch_dims=1)
    return padded


def _cutout(images, uniform):
    """Makes a square of side HOLE grey, anywhere, also partly outside."""
    count, side = tf.shape(images)[0], images.shape[1]
    places = tf.range(side, dtype=tf.float32)
    rows, columns = (tf.abs(places - side * uniform(count, 1)) < side * HOLE / 2 for _ in range(2))
    inside = tf.cast(rows[:, :, None] & columns[:, None, :], images.dtype)[..., None]
    return images * (1 - inside) + 127.5 * inside


POLICIES = {"colour": _colour, "translation": _translation, "cutout": _cutout}
