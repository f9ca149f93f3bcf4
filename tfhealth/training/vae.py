"""The VAE's training step, its remedies against posterior collapse, and what one of images makes of a split."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfhealth.config_part3 import VAETraining
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.models.vae import decoder, encoder, kl_by_dimension
from tfhealth.training.generative import (
    image_inputs_and_samples,
    in_batches,
    make_images,
    one_hot,
    start_at_mean_colour,
    train_generative,
)
from tfhealth.training.record import TrainingRun
from tfhealth.training.replicas import joint_mean, joint_sum, own_rows, own_share

TERMS = ("loss", "reconstruction", "kl", "feature_distance", "class_loss")
WORSE_THAN_GREY = 4  # times the error of answering with mid-grey, which is worse than any start: training has broken
LARGEST_KL = 1e5  # nats; an image of 64 pixels a side has 1e4 values


class VAE(keras.Model):
    """Encoder and decoder, trained together on (images or records, one-hot classes).

    Args:
        parts: "encoder" and "decoder", see models.vae.
        config: the weights of the loss's terms.
        error: (examples, what the decoder makes of their z) to the reconstruction error, the mean over the batch.
        guide: a classifier, images to logits, whose blocks end in layers named "..._out"; None without its terms.
        validation: measured after each epoch. limit: of the reconstruction error.
        seed: of the noise.
    """

    watched = "val_reconstruction"

    def __init__(self, parts, config: VAETraining, error, guide, validation: "Validation", limit: float, seed: int):
        super().__init__(name="vae")
        self.encoder, self.decoder = parts["encoder"], parts["decoder"]
        self.parts, self.config, self.error = parts, config, error
        self.features = None if guide is None else _features(guide)
        self.beta = keras.Variable(0.0, trainable=False, name="beta")
        self.noise = keras.random.SeedGenerator(seed)
        self.means = [keras.metrics.Mean(name) for name in TERMS]
        rising = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.beta.assign(self._beta(epoch)))
        self.callbacks = [rising, validation]
        self.limits = {"reconstruction": limit, "val_reconstruction": limit, "kl": LARGEST_KL}
        self.built = True

    @property
    def metrics(self):
        return self.means

    def train_step(self, data):
        images, classes = data
        with tf.GradientTape() as tape:
            terms = self.terms(images, classes)
            loss = own_share(terms["loss"])
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for mean in self.means:
            mean.update_state(terms[mean.name])
        return {mean.name: mean.result() for mean in self.means} | {"beta": self.beta}

    def terms(self, images, classes) -> dict:
        """Returns the terms of the loss, each a scalar, the mean over the batch."""
        latent, seed = self.config.latent, self.noise
        noise = own_rows(lambda count: keras.random.normal((count, latent), seed=seed), ops.shape(images)[0])
        return self.terms_of(images, classes, noise)

    def terms_of(self, images, classes, noise) -> dict:
        """Returns the same for standard normal noise (batch, latent)."""
        mean, log_variance = self.encoder([images, classes], training=True)
        z = mean + ops.exp(log_variance / 2) * noise
        made = self.decoder([z, classes], training=True)
        reconstruction = self.error(images, made)
        kl = joint_mean(kl_by_dimension(mean, log_variance), axis=0)  # (latent,)
        paid = ops.sum(ops.maximum(kl, self.config.free_bits))
        loss = reconstruction + self.beta * paid
        distance = cross_entropy = ops.zeros(())
        if self.features is not None:
            distance, cross_entropy = self._guidance(images, made, classes)
            loss += self.config.feature_weight * distance + self.config.class_weight * cross_entropy
        return dict(zip(TERMS, (loss, reconstruction, ops.sum(kl), distance, cross_entropy), strict=True))

    def _guidance(self, images, made, classes):
        """Returns how far the guide's features of the two are apart, relative, and its cross-entropy on `made`."""
        *real, _ = self.features(images, training=False)
        *found, logits = self.features(made, training=False)
        pairs = [(joint_sum(ops.sum(ops.square(a - b))), a) for a, b in zip(real, found, strict=True)]
        distances = [squares / joint_sum(ops.sum(ops.square(a))) for squares, a in pairs]
        cross_entropy = keras.losses.categorical_crossentropy(classes, logits, from_logits=True)
        return sum(distances) / len(distances), ops.mean(cross_entropy)

    def _beta(self, epoch: int) -> float:
        rising = self.config.annealing * self.config.epochs
        return self.config.beta * min(1.0, epoch / rising if rising else 1.0)


class Validation(keras.callbacks.Callback):
    """Adds val_reconstruction and val_kl to each epoch's logs, as the terms of the same name, with noise of its own.

    Args:
        encode: the encoder to mean and log variance of the validation examples.
        error: (decoder, z) to their mean reconstruction error.
        seed: of the noise.
    """

    def __init__(self, encode: Callable, error: Callable, seed: int):
        super().__init__()
        self.encode, self.error, self.seed = encode, error, seed

    def on_epoch_end(self, epoch, logs=None):
        mean, log_variance = self.encode(self.model.encoder)
        noise = np.random.default_rng((self.seed, epoch)).standard_normal(mean.shape)
        logs["val_reconstruction"] = float(self.error(self.model.decoder, mean + np.exp(log_variance / 2) * noise))
        logs["val_kl"] = float(((mean**2 + np.exp(log_variance) - 1 - log_variance) / 2).sum(1).mean())


def train_vae(
    name: str,
    bundle: DatasetBundle,
    config: VAETraining,
    guide: keras.Model | None,
    *,
    seed: int,
    folder: Path,
    log_dir: Path,
) -> TrainingRun:
    """Trains a VAE on the training split; see generative.train_generative.

    Args:
        guide: lends its features to the loss where the config weighs them; it is not changed.
    """
    guided = guide if config.feature_weight or config.class_weight else None
    build = partial(_build, bundle, config, guided, seed)
    return train_generative(
        name,
        build,
        bundle.train,
        config,
        **image_inputs_and_samples(config.latent, bundle.num_classes, seed),
        seed=seed,
        folder=folder,
        log_dir=log_dir,
    )


def image_error(images, made):
    """Returns half the squared error of all values in [0, 1], the mean over the batch."""
    return ops.mean(ops.sum(ops.square((images - made) / 255.0), axis=(1, 2, 3))) / 2


def encode(model: keras.Model, split: Split, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and log variance of the split's posteriors, each (n, latent)."""
    found, start = [], 0
    for images in ImageFeed(num_classes).evaluation(split, 1024):
        classes = one_hot(split.y[start : start + len(images)], num_classes)
        found.append(in_batches(model, [images, classes]))
        start += len(images)
    mean, log_variance = (np.concatenate(part) for part in zip(*found, strict=True))
    return mean, log_variance


def squared_errors(split: Split, made: np.ndarray) -> np.ndarray:
    """Returns (n,) the sum over an image's values, in [0, 1], of the squared difference to `made` (n, s, s, 3)."""
    found = []
    for start in range(0, len(split), 1024):
        real = split.x.take(slice(start, start + 1024)).astype(np.float32)
        found.append((((real - made[start : start + 1024]) / 255) ** 2).sum((1, 2, 3), dtype=np.float64))
    return np.concatenate(found)


def signal_to_noise(split: Split, made: np.ndarray) -> np.ndarray:
    """Returns (n,) PSNR of each reconstruction in dB: 10 log10(1 / mean squared error)."""
    error = squared_errors(split, made) / np.prod(made.shape[1:])
    return 10 * np.log10(1 / np.maximum(error, 1e-10))


def _build(bundle: DatasetBundle, config: VAETraining, guide: keras.Model | None, seed: int) -> VAE:
    size = {"width": config.width, "latent": config.latent}
    shape = (bundle.train.x.shape[1], bundle.num_classes)
    parts = {"encoder": encoder(*shape, **size), "decoder": decoder(*shape, **size)}
    start_at_mean_colour(parts["decoder"], bundle.train)
    grey = np.full((len(bundle.validation), *bundle.validation.x.shape[1:]), 127.5, np.float32)
    limit = WORSE_THAN_GREY * squared_errors(bundle.validation, grey).mean() / 2
    held_out, k = bundle.validation, bundle.num_classes

    def error(decoder: keras.Model, z: np.ndarray) -> float:
        return squared_errors(held_out, make_images(decoder, z, one_hot(held_out.y, k))).mean() / 2

    validation = Validation(partial(encode, split=held_out, num_classes=k), error, seed)
    return VAE(parts, config, image_error, guide, validation, limit, seed)


def _features(guide: keras.Model) -> keras.Model:
    """Returns the guide with the outputs of its blocks, then its logits; its weights stay as they are."""
    blocks = [layer.output for layer in guide.layers if layer.name.endswith("_out")]
    features = keras.Model(guide.inputs[0], [*blocks, guide.outputs[0]])
    features.trainable = False
    return features
