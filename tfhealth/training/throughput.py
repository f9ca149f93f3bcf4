"""Training speed through data.pipeline against a bare `model.fit` on an array in memory."""

import time
from collections.abc import Callable

import keras
import numpy as np

from tfhealth.config import ImageTraining
from tfhealth.data.dataset import Split
from tfhealth.data.image_pipeline import Augmentation, ImageFeed
from tfhealth.data.pipeline import steps_per_epoch
from tfhealth.training.fit import compile_model

ROUNDS, EPOCHS = 8, 2  # turns, the first of which traces and is not counted; epochs in one turn


def compare_throughput(
    build: Callable[[], keras.Model], split: Split, config: ImageTraining, num_classes: int
) -> list[dict]:
    """Returns one row per way to feed the same model: images per second, and the ratio to the bare array.

    The ways take turns within one process, one `fit` each, so that a busy machine slows all alike. The fastest
    turn of each counts, as in Python's timeit.
    """
    images = split.x.take(slice(None)).astype(np.float32)
    labels = keras.utils.to_categorical(split.y, num_classes)
    model = build()
    compile_model(model, config, split, num_classes)

    def bare() -> None:
        model.fit(images, labels, batch_size=config.batch_size, epochs=EPOCHS, verbose=0)

    def piped(augmentation: Augmentation | None) -> Callable[[], None]:
        def fit() -> None:
            feed = ImageFeed(num_classes, augmentation)
            batches = feed.training(split, batch_size=config.batch_size, seed=0, epochs=range(EPOCHS))
            steps = steps_per_epoch(split, config.batch_size)
            model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, shuffle=False)

        return fit

    ways = {"bare array": bare, "pipeline": piped(None), "pipeline, augmented": piped(Augmentation())}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, fit in ways.items():
            start = time.perf_counter()
            fit()
            seconds[name].append(time.perf_counter() - start)
    fastest = {name: min(times[1:]) for name, times in seconds.items()}
    return [
        {
            "feed": name,
            "images_per_second": EPOCHS * len(split) / best,
            "ratio_to_bare": fastest["bare array"] / best,
        }
        for name, best in fastest.items()
    ]
