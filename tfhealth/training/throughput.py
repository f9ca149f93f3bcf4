"""Training speed through data.pipeline against a bare `model.fit` on an array in memory."""

import time
from collections.abc import Callable

import keras
import numpy as np

from tfhealth.config import TrainingConfig
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import Augmentation, training_batches
from tfhealth.training.fit import compile_model

ROUNDS = 5  # in turns; the first traces and is not counted


def compare_throughput(
    build: Callable[[], keras.Model], split: Split, config: TrainingConfig, num_classes: int
) -> list[dict]:
    """Returns one row per way to feed the same model: images per second, and the ratio to the bare array.

    The ways take turns within one process, one epoch each, so that a busy machine slows all alike; medians count.
    """
    images = split.x.take(slice(None)).astype(np.float32)
    labels = keras.utils.to_categorical(split.y, num_classes)
    model = build()
    compile_model(model, config, split, num_classes)

    def bare(epoch: int) -> None:
        model.fit(images, labels, batch_size=config.batch_size, verbose=0)

    def piped(augmentation: Augmentation | None) -> Callable[[int], None]:
        def fit(epoch: int) -> None:
            batches = training_batches(
                split,
                batch_size=config.batch_size,
                num_classes=num_classes,
                seed=0,
                epochs=range(epoch, epoch + 1),
                augmentation=augmentation,
            )
            model.fit(batches, verbose=0, shuffle=False)

        return fit

    ways = {"bare array": bare, "pipeline": piped(None), "pipeline, augmented": piped(Augmentation())}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(ROUNDS):
        for name, fit in ways.items():
            start = time.perf_counter()
            fit(epoch)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(times[1:])) for name, times in seconds.items()}
    return [
        {
            "feed": name,
            "model": model.name,
            "images_per_second": len(split) / median,
            "ratio_to_bare": medians["bare array"] / median,
        }
        for name, median in medians.items()
    ]
