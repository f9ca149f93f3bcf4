"""The learning rate over a training: linear warm-up, then half a cosine."""

import keras
import numpy as np

FIRST_SHARE = 0.01  # of the peak: where warm-up begins


def learning_rates(peak: float, *, steps: int, warmup_steps: int, final_share: float) -> np.ndarray:
    """Returns the (steps,) rates: from FIRST_SHARE * peak up to peak in a line, then down to final_share * peak
    along a cosine.

    The values of keras.optimizers.schedules.CosineDecay with a warm-up.

    Source: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, eq. 5; warm-up: Goyal et al. 2017, arXiv:1706.02677.
    """
    step = np.arange(steps)
    rising = step / max(warmup_steps, 1)
    falling = (1 + np.cos(np.pi * (step - warmup_steps) / max(steps - warmup_steps, 1))) / 2
    return peak * np.where(
        step < warmup_steps,
        FIRST_SHARE + (1 - FIRST_SHARE) * rising,
        final_share + (1 - final_share) * falling,
    )


class LearningRate(keras.callbacks.Callback):
    """Sets the optimizer's learning rate before every step.

    A schedule object inside the optimizer would be computed anew for every weight that AdamW decays, each step (Keras
    3.15), and takes a third of the time to trace the train step of a small network.

    Args:
        rates: (epochs * steps_per_epoch,) the rate of every step.
        steps_per_epoch: finds the step of a training that goes on in a later epoch.
    """

    def __init__(self, rates: np.ndarray, steps_per_epoch: int):
        super().__init__()
        self.rates = rates
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = self.rates[self._epoch * self.steps_per_epoch + batch]
