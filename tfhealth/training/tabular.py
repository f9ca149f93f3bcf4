"""The training of a tabular VAE, by the image VAE's training step, and what a trained one makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from scipy.special import log_softmax

from tfhealth.config_part3 import VAETraining
from tfhealth.data.dataset import Rows, Split
from tfhealth.data.pipeline import shuffled_batches
from tfhealth.data.tabular import Records
from tfhealth.data.tabular_encoding import Encoding
from tfhealth.models.tabular_vae import decoder, encoder
from tfhealth.training.generative import in_batches, one_hot, train_generative
from tfhealth.training.latents import ClassLatents, fit_latents, prior_latents
from tfhealth.training.private import PoissonFeed, Privacy, PrivateVAE
from tfhealth.training.record import TrainingRun
from tfhealth.training.replicas import joint_mean, joint_sum
from tfhealth.training.vae import VAE, Validation

PRIVATE_SPREAD = 0.5  # of every number of a private model, whose columns are 6 wide (data.tabular_encoding.Ranges)
SMALLEST_SPREAD = 0.05  # standard deviation of a number's Gaussian, in normal scores: none shrinks onto the records
LARGEST_ERROR = 20.0  # nats for each number or category of a record; a training beyond has broken


@dataclass(frozen=True)
class RecordFeed:
    """Feed of encoded records, as they are."""

    num_classes: int
    last_phase: int = 0

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: range) -> tf.data.Dataset:
        def prepare(rows, labels, key):
            return rows, tf.one_hot(labels, self.num_classes)

        return shuffled_batches(split, batch_size=batch_size, seed=seed, phases=[(epochs, prepare)])

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None):
        return (split.x.take(slice(start, start + batch_size)) for start in range(0, len(split), batch_size))


@dataclass(frozen=True)
class RecordError:
    """Negative log-likelihood of records in nats, up to a constant: a Gaussian each number, a softmax each group.

    The Gaussians of a column share the standard deviation that fits the batch best, so the error of a number is the
    logarithm of its root mean square (Rybkin et al. 2021, arXiv:2006.13202, eq. 7); missing numbers count nothing.

    Attributes:
        encoding: of the records.
        spread: a standard deviation for all numbers instead, so that no record's error depends on the others'; None:
            that of the batch.
    """

    encoding: Encoding
    spread: float | None = None

    def __call__(self, records, made):
        """Returns the mean over the batch, of records and of what a decoder made, both (n, width)."""
        numbers, total = len(self.encoding.numeric), 0.0
        if numbers:
            known = 1 - ops.matmul(records, missing_places(self.encoding))
            squares = joint_sum(ops.sum(known * ops.square(records - made)[:, :numbers], axis=0))
            if self.spread is None:
                spread = squares / ops.maximum(joint_sum(ops.sum(known, axis=0)), 1.0)
                shares = joint_mean(known, axis=0)
                total += ops.sum(shares * (ops.log(ops.maximum(spread, SMALLEST_SPREAD**2)) + 1)) / 2
            else:
                total += ops.sum(squares) / (2 * self.spread**2 * ops.cast(ops.shape(records)[0], "float32"))
        for start, stop in group_places(self.encoding):
            logits = ops.log_softmax(made[:, start:stop])
            total -= ops.mean(ops.sum(records[:, start:stop] * logits, axis=1))
        return total


@dataclass(frozen=True)
class RecordGenerator:
    """Makes records of classes.

    Attributes:
        decoder: [z, classes] to means and logits.
        latents: where z is drawn for each class.
        encoding: of the records.
        spread: (numbers,) standard deviation of each number about its mean, in normal scores.
    """

    decoder: keras.Model
    latents: ClassLatents
    encoding: Encoding
    spread: np.ndarray

    def make(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """Returns records (n, columns), one for each class id in `labels` (n,)."""
        rng = np.random.default_rng(seed)
        z = self.latents.sample(labels, rng)
        (made,) = in_batches(self.decoder, [z, one_hot(labels, len(self.latents.means))])
        numbers = made[:, : len(self.spread)]
        scores = numbers + self.spread * rng.standard_normal(numbers.shape)
        # The largest of logits plus Gumbel noise is a draw from their softmax.
        groups = [made[:, start:stop] for start, stop in group_places(self.encoding)]
        codes = [(logits + rng.gumbel(size=logits.shape)).argmax(1) for logits in groups]
        return self.encoding.decode(scores, np.array(codes, int).reshape(len(groups), len(labels)).T)


def group_places(encoding: Encoding) -> list[tuple[int, int]]:
    """Returns (start, stop) of each one-hot group in an encoded record."""
    ends = len(encoding.numeric) + np.cumsum([0, *(width for _, width in encoding.groups)])
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def missing_places(encoding: Encoding) -> np.ndarray:
    """Returns (width, numbers), 1 from the place in a group that says a number is missing to that number."""
    found = np.zeros((encoding.width, len(encoding.numeric)), np.float32)
    for (position, _), (_, stop) in zip(encoding.groups, group_places(encoding), strict=True):
        if position in encoding.numeric:
            found[stop - 1, encoding.numeric.index(position)] = 1
    return found


def train_tabular_vae(
    name: str,
    records: Records,
    config: VAETraining,
    *,
    seed: int,
    folder: Path,
    log_dir: Path,
    privacy: Privacy | None = None,
) -> TrainingRun:
    """Trains a VAE on the training records; see generative.train_generative. The config's guide takes no part.

    Args:
        privacy: what it has to grant each record; None: nothing.
    """
    encoding = encoding_of(records, private=privacy is not None)
    return train_generative(
        name,
        partial(_build, records, encoding, config, seed, privacy),
        encoded(records.bundle.train, encoding),
        config,
        feed=(RecordFeed if privacy is None else PoissonFeed)(records.bundle.num_classes),
        draw=None,
        seed=seed,
        folder=folder,
        log_dir=log_dir,
    )


def encoding_of(records: Records, *, private: bool) -> Encoding:
    """Returns the encoding of the training records; of a private model one that knows their columns' ranges alone."""
    return Encoding.fit(records.bundle.train.x.take(slice(None)), records.columns, ranges_only=private)


def private_generator_of(parts: Mapping[str, keras.Model], records: Records) -> RecordGenerator:
    """Returns the generator of an encoder and decoder trained with DP-SGD; nothing is fitted on the records besides."""
    decoder, encoding = parts["decoder"], encoding_of(records, private=True)
    latents = prior_latents(decoder.inputs[0].shape[1], records.bundle.num_classes)
    return RecordGenerator(decoder, latents, encoding, np.full(len(encoding.numeric), PRIVATE_SPREAD))


def generator_of(parts: Mapping[str, keras.Model], records: Records, seed: int) -> RecordGenerator:
    """Returns the generator of a trained encoder and decoder; the rest is fitted on the training records.

    z is drawn from where the training records of the class lie, see training.latents.
    """
    train, k = records.bundle.train, records.bundle.num_classes
    encoding = encoding_of(records, private=False)
    split = encoded(train, encoding)
    mean, log_variance = posteriors(parts["encoder"], split, k)
    z = mean + np.exp(log_variance / 2) * np.random.default_rng(seed).standard_normal(mean.shape)
    (made,) = in_batches(parts["decoder"], [z.astype(np.float32), one_hot(train.y, k)])
    numeric = encoding.numeric
    known = ~np.isnan(train.x.take(slice(None))[:, numeric])
    squares = (split.x.take(slice(None)) - made)[:, : len(numeric)] ** 2
    spread = np.sqrt((known * squares).sum(0) / known.sum(0))
    latents = fit_latents(mean, log_variance, train.y, k)
    return RecordGenerator(parts["decoder"], latents, encoding, np.maximum(spread, SMALLEST_SPREAD))


def posteriors(model: keras.Model, split: Split, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and log variance, each (n, latent), of a split of encoded records."""
    mean, log_variance = in_batches(model, [split.x.take(slice(None)), one_hot(split.y, num_classes)])
    return mean, log_variance


def record_errors(parts: Mapping[str, keras.Model], generator: RecordGenerator, split: Split) -> np.ndarray:
    """Returns (n,) the negative log-likelihood of each encoded record given its mean z, up to a constant, in nats."""
    encoding, k = generator.encoding, len(generator.latents.means)
    rows = split.x.take(slice(None))
    mean, _ = posteriors(parts["encoder"], split, k)
    (made,) = in_batches(parts["decoder"], [mean, one_hot(split.y, k)])
    known = 1 - rows @ missing_places(encoding)
    squares = (rows - made)[:, : len(generator.spread)] ** 2
    found = (known * squares / (2 * generator.spread**2)).sum(1)
    for start, stop in group_places(encoding):
        found -= (rows[:, start:stop] * log_softmax(made[:, start:stop], axis=1)).sum(1)
    return found


def encoded(split: Split, encoding: Encoding) -> Split:
    """Returns a split of records as the network takes them."""
    return Split(Rows(encoding.encode(split.x.take(slice(None)))), split.y, split.group_ids, split.example_ids)


def _build(records: Records, encoding: Encoding, config: VAETraining, seed: int, privacy: Privacy | None) -> VAE:
    k, size = records.bundle.num_classes, {"width": config.width, "latent": config.latent}
    parts = {"encoder": encoder(encoding.width, k, **size), "decoder": decoder(encoding.width, k, **size)}
    held_out = encoded(records.bundle.validation, encoding)
    error = RecordError(encoding, None if privacy is None else PRIVATE_SPREAD)
    rows, classes = held_out.x.take(slice(None)), one_hot(held_out.y, k)

    def validation_error(decoder: keras.Model, z: np.ndarray) -> float:
        (made,) = in_batches(decoder, [z.astype(np.float32), classes])
        return error(rows, made)

    validation = Validation(partial(posteriors, split=held_out, num_classes=k), validation_error, seed)
    settings = parts, config, error, None, validation, LARGEST_ERROR * len(records.columns)
    return VAE(*settings, seed) if privacy is None else PrivateVAE(*settings, seed=seed, privacy=privacy)
