"""A training that breaks is stopped at once, before the broken weights replace the last good ones."""

from collections.abc import Mapping
from math import isfinite

import keras


class DivergedError(Exception):
    """Ends `fit`; its text says in which epoch, and why."""


class StopOnDivergence(keras.callbacks.Callback):
    """Raises DivergedError after a step or an epoch whose logs are broken. Give it to `fit` before the checkpoint.

    Args:
        limits: log name -> a value above which, or below minus which, the training cannot be mended by going on.
    """

    def __init__(self, limits: Mapping[str, float]):
        super().__init__()
        self.limits = limits

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, f"epoch {self._epoch}, step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, f"epoch {epoch + 1}")

    def _check(self, logs, where: str) -> None:
        if cause := cause_of_divergence(logs or {}, self.limits):
            raise DivergedError(f"{where}: {cause}")


def cause_of_divergence(logs: Mapping[str, float], limits: Mapping[str, float]) -> str | None:
    """Returns what is wrong with the logs, None if nothing: a value that is not a number, or one beyond its limit."""
    for name, value in logs.items():
        if not isfinite(value):
            return f"{name.replace('_', ' ')} is not a finite number"
        if abs(value) > limits.get(name, float("inf")):
            return f"{name.replace('_', ' ')} is {value:.4g}, beyond {limits[name]:.4g}"
    return None
