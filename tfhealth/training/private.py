"""Training with differential privacy (DP-SGD): what the accountant grants, the batches that it assumes, and the step.

Each record's gradient is clipped to one length and Gaussian noise is added to their sum, so that no record moves the
weights by more than the noise hides. Epsilon and delta bound how much likelier any outcome of the training, and so
anything made with its weights, becomes when one record is added or left out.

Source: Abadi et al. 2016, "Deep Learning with Differential Privacy", arXiv:1607.00133, alg. 1; the accountant is by
privacy loss distributions, which is tighter: Koskela et al. 2020, arXiv:1906.03049, in Google's library dp_accounting.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from keras import ops
from scipy.stats import binom

from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import steps_per_epoch
from tfhealth.training.vae import VAE

OVERFULL = 1e-12  # chance that a batch draws more records than it has places; those beyond are left out
TINY = 1e-12  # a gradient's length at least: what is divided by
PLACES = 1000  # of noise in a step: more than a model has variables
COARSE = 1e-3  # steps of the privacy loss in the search for the noise: ten times faster, and errs to the safe side
LEAST_NOISE = 0.2  # multiplier that the search for the right one starts above


@dataclass(frozen=True)
class Privacy:
    """What a training with DP-SGD grants each record, and by what means.

    Attributes:
        epsilon, delta: the guarantee.
        clip: longest gradient of a record. noise: standard deviation of what is added to their sum, in clips.
        batch_size: expected number of records in a batch. rate: chance that a record is in it. steps: batches.
    """

    epsilon: float
    delta: float
    clip: float
    noise: float
    batch_size: int
    rate: float
    steps: int

    @classmethod
    def calibrated(
        cls, epsilon: float, delta: float, *, clip: float, records: int, batch_size: int, epochs: int
    ) -> "Privacy":
        """Returns the settings with the least noise that grants at most epsilon at delta.

        Args:
            records: in training. batch_size: expected number of records in a batch, at most `records`.
        """
        from dp_accounting import LowerEndpointAndGuess, calibrate_dp_mechanism  # takes a second to import
        from dp_accounting.pld import PLDAccountant

        rate, steps = batch_size / records, epochs * (records // batch_size)
        noise = calibrate_dp_mechanism(
            lambda: PLDAccountant(value_discretization_interval=COARSE),
            lambda noise: _event(noise, rate, steps),
            epsilon,
            delta,
            LowerEndpointAndGuess(LEAST_NOISE, 1.0),
        )
        spent = PLDAccountant().compose(_event(noise, rate, steps)).get_epsilon(delta)
        return cls(float(spent), delta, clip, float(noise), batch_size, rate, steps)


@dataclass(frozen=True)
class PoissonFeed:
    """Feed of encoded records for DP-SGD: each record is in a batch with the same chance, whoever else is.

    The accountant counts on that. A batch has places for more than are ever drawn; those left empty have weight 0.
    """

    num_classes: int
    last_phase: int = 0

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: range) -> tf.data.Dataset:
        """Returns batches (rows, one-hot classes, weights 0 or 1), as many an epoch as `steps_per_epoch`."""
        rate, steps = batch_size / len(split), steps_per_epoch(split, batch_size)
        places = int(min(binom.isf(OVERFULL, len(split), rate), len(split)))

        def batches() -> Iterator[tuple[np.ndarray, ...]]:
            for step in range(epochs.start * steps, epochs.stop * steps):
                drawn = np.flatnonzero(np.random.default_rng((seed, step)).random(len(split)) < rate)[:places]
                rows = np.zeros((places, *split.x.shape[1:]), np.float32)
                labels, weights = np.zeros(places, np.int32), np.zeros(places, np.float32)
                rows[: len(drawn)], labels[: len(drawn)], weights[: len(drawn)] = split.x.take(drawn), split.y[drawn], 1
                yield rows, np.eye(self.num_classes, dtype=np.float32)[labels], weights

        signature = tuple(
            tf.TensorSpec((places, *shape), tf.float32) for shape in (split.x.shape[1:], (self.num_classes,), ())
        )
        total = tf.data.experimental.assert_cardinality(steps * len(epochs))
        return tf.data.Dataset.from_generator(batches, output_signature=signature).apply(total).prefetch(2)


class PrivateVAE(VAE):
    """A VAE trained with DP-SGD; its `error` of a record must not depend on the other records of a batch.

    All noise depends on the seed and the step alone, so that a run can resume. So whoever knows the seed knows the
    noise, and it hides nothing from them.

    Args:
        privacy: the guarantee to keep.
        seed: of the noise.
        more: as the other arguments of VAE; without a guide.
    """

    def __init__(self, *more, seed: int, privacy: Privacy):
        super().__init__(*more, seed)
        self.privacy, self.seed = privacy, seed

    def train_step(self, data):
        records, classes, weights = data
        noise = self._normal(0, (records.shape[0], self.config.latent))
        gradients, terms = tf.vectorized_map(self._gradient, (records, classes, noise))
        squares = [tf.reduce_sum(tf.reshape(one, (weights.shape[0], -1)) ** 2, axis=1) for one in gradients]
        clipped = weights * tf.minimum(1.0, self.privacy.clip / tf.maximum(tf.sqrt(sum(squares)), TINY))
        sums = [tf.tensordot(clipped, gradient, 1) for gradient in gradients]
        spread = self.privacy.noise * self.privacy.clip
        noisy = [one + spread * self._normal(place, one.shape) for place, one in enumerate(sums, start=1)]
        self.optimizer.apply([one / self.privacy.batch_size for one in noisy], self.trainable_variables)
        for mean in self.means:
            mean.update_state(terms[mean.name], sample_weight=weights)
        return {mean.name: mean.result() for mean in self.means} | {"beta": self.beta}

    def _gradient(self, example):
        """One record's gradients, and the terms of its loss."""
        record, classes, noise = (part[None] for part in example)
        with tf.GradientTape() as tape:
            terms = self.terms_of(record, classes, noise)
        return tape.gradient(terms["loss"], self.trainable_variables), terms

    def _normal(self, place: int, shape):
        """Returns standard normal noise, another for each place in a step."""
        key = tf.constant(self.seed * PLACES + place, "int64"), ops.cast(self.optimizer.iterations, "int64")
        return tf.random.stateless_normal(shape, tf.stack(key))


def _event(noise: float, rate: float, steps: int):
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    return SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps)
