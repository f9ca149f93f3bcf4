"""Averaged weights: evaluated, stopped on and kept instead of the last step's, whose noise they lack.

An exponential moving average over the steps of AdamW does what a falling learning rate does, and more of it: it also
averages over the many good solutions that a high rate visits.

Source: Polyak and Juditsky 1992; Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima", arXiv:1803.05407
(batch statistics: sec. 3.2); Morales-Brotons et al. 2024, arXiv:2411.18704.
"""

from collections.abc import Callable, Iterable

import keras
import numpy as np


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Puts the averaged weights into the model at the end of every epoch, and the last step's back at the next start.

    Give it to `fit` before whatever looks at the model at the end of an epoch. The optimizer must have `use_ema`.

    Args:
        batches: epoch -> batches of training examples that the averaged model's batch statistics are measured on.
        resumed: the model comes from a checkpoint, which is written while the averaged weights are in it.
    """

    def __init__(self, batches: Callable[[int], Iterable[np.ndarray]], *, resumed: bool):
        super().__init__(swap_on_epoch=True)
        self.batches = batches
        self._ema_weights_in_model = resumed

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        measure_batch_statistics(self.model, self.batches(epoch))


def measure_batch_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Sets the moving mean and variance of every BatchNormalization to their averages over the batches.

    The statistics that training left belong to other weights than the averaged ones.

    Args:
        model: its BatchNormalization layers are its own, not a nested model's.
        batches: of training examples, without labels.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta, seen = [layer.momentum for layer in norms], 0
    for batch in batches:
        for layer in norms:
            layer.momentum = seen / (seen + len(batch))  # the moving average becomes the plain one
        model(batch, training=True)
        seen += len(batch)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
