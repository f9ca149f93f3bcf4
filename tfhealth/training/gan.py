"""The GAN's training step: hinge loss, both networks at once, every image augmented before the discriminator."""

from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from keras import ops

from tfhealth.config_part3 import GANTraining
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.models.gan import discriminator, generator, hinge_losses
from tfhealth.training.diffaugment import augment
from tfhealth.training.generative import (
    image_inputs_and_samples,
    in_batches,
    one_hot,
    start_at_mean_colour,
    train_generative,
)
from tfhealth.training.record import TrainingRun
from tfhealth.training.replicas import own_rows, own_share

TERMS = ("discriminator_loss", "generator_loss", "real_score", "fake_score")
# The hinge loss stops caring at a realness of 1; with weights of norm 1 this is out of reach of a sound training.
LARGEST_LOSS = 100.0


class GAN(keras.Model):
    """Generator and discriminator, trained at the same time on (images, one-hot classes).

    One forward pass serves both losses, and each network follows its own (Mescheder et al. 2017, "The Numerics of
    GANs", arXiv:1705.10461, eq. 3: simultaneous gradients).

    Args:
        parts: "discriminator" and "generator", see models.gan.
        config: augmentation and size of z.
        seed: of z and of the augmentation.
    """

    watched = "generator_loss"
    callbacks = ()

    def __init__(self, parts, config: GANTraining, seed: int):
        super().__init__(name="gan")
        self.discriminator, self.generator = parts["discriminator"], parts["generator"]
        self.parts, self.config = parts, config
        self.noise = keras.random.SeedGenerator(seed)
        self.means = [keras.metrics.Mean(name) for name in TERMS]
        self.limits = dict.fromkeys(("discriminator_loss", "generator_loss"), LARGEST_LOSS)
        self.built = True

    @property
    def metrics(self):
        return self.means

    def train_step(self, data):
        images, classes = data
        size = self.config.latent
        z = own_rows(lambda count: keras.random.normal((count, size), seed=self.noise), ops.shape(images)[0])
        with tf.GradientTape(persistent=True) as tape:
            made = self.generator([z, classes], training=True)
            seen = augment(ops.concatenate([images, made]), self.config.augmentation, self.noise, copies=2)
            scores = self.discriminator([seen, ops.concatenate([classes, classes])], training=True)
            real, fake = ops.split(scores, 2)
            against, towards = hinge_losses(real, fake)
            losses = own_share(against), own_share(towards)
        gradients = {}
        for network, loss in zip((self.discriminator, self.generator), losses, strict=True):
            own = network.trainable_variables
            gradients |= dict(zip([v.path for v in own], tape.gradient(loss, own), strict=True))
        variables = self.trainable_variables
        self.optimizer.apply_gradients([(gradients[variable.path], variable) for variable in variables])
        for mean, value in zip(self.means, (against, towards, ops.mean(real), ops.mean(fake)), strict=True):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.means}


def train_gan(
    name: str, bundle: DatasetBundle, config: GANTraining, *, seed: int, folder: Path, log_dir: Path
) -> TrainingRun:
    """Trains a GAN on the training split; see generative.train_generative."""
    return train_generative(
        name,
        partial(_build, bundle, config, seed),
        bundle.train,
        config,
        **image_inputs_and_samples(config.latent, bundle.num_classes, seed),
        seed=seed,
        folder=folder,
        log_dir=log_dir,
    )


def realness(model: keras.Model, split: Split, num_classes: int):
    """Returns (n,) the discriminator's score of each image with its class; higher: more like what it was trained on."""
    images = split.x.take(slice(None)).astype("float32")
    (scores,) = in_batches(model, [images, one_hot(split.y, num_classes)])
    return scores[:, 0]


def _build(bundle: DatasetBundle, config: GANTraining, seed: int) -> GAN:
    shape = (bundle.train.x.shape[1], bundle.num_classes)
    parts = {
        "discriminator": discriminator(*shape, width=config.width),
        "generator": generator(*shape, width=config.width, latent=config.latent),
    }
    start_at_mean_colour(parts["generator"], bundle.train)
    return GAN(parts, config, seed)
