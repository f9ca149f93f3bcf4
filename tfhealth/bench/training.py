"""Bench: a training epoch through data.pipeline against a bare `model.fit`, and with its gradients tracked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.bench.ratio import Ratio, in_turns
from tfhealth.config import PART2
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_pipeline import Augmentation, ImageFeed
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.pipeline import steps_per_epoch
from tfhealth.models.resnet import BUILDERS
from tfhealth.training.fit import compile_model
from tfhealth.training.overhead import epoch_seconds, seconds_of, time_tracking

CONFIG = PART2["full"]
IMAGES = 1500  # of the phantom, 1050 to train on
ROUNDS, EPOCHS = 7, 2  # epochs in one turn


def measure_throughput(_scratch: Path) -> list[Ratio]:
    """Returns what an epoch costs by two ways to feed the model, relative to an array in memory.

    The lightest model shows a slow pipeline best. One `fit` a turn.
    """
    bundle = _phantom()
    split, classes, config = bundle.train, bundle.num_classes, CONFIG.study
    images = split.x.take(slice(None)).astype(np.float32)
    labels = keras.utils.to_categorical(split.y, classes)
    model = _model(bundle)
    compile_model(model, config, split, classes)

    def bare() -> None:
        model.fit(images, labels, batch_size=config.batch_size, epochs=EPOCHS, verbose=0)

    def piped(augmentation: Augmentation | None) -> None:
        feed = ImageFeed(classes, augmentation)
        batches = feed.training(split, batch_size=config.batch_size, seed=0, epochs=range(EPOCHS))
        steps = steps_per_epoch(split, config.batch_size)
        model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, shuffle=False)

    ways = {"bare": bare, "pipeline": partial(piped, None), "augmented pipeline": partial(piped, Augmentation())}
    seconds = in_turns({name: partial(seconds_of, way) for name, way in ways.items()}, ROUNDS)
    epoch = {name: [turn / EPOCHS for turn in turns] for name, turns in seconds.items()}
    return [
        Ratio.of(f"training epoch, {name} / bare Keras fit", "s", epoch[name], epoch["bare"])
        for name in ("pipeline", "augmented pipeline")
    ]


def measure_tracking(_scratch: Path) -> list[Ratio]:
    """Returns what an epoch with tracked gradients costs, relative to one without; see training.overhead."""
    bundle, config = _phantom(), CONFIG.study
    timed = time_tracking(
        partial(_model, bundle), ImageFeed(bundle.num_classes), bundle.train, config, bundle.num_classes
    )
    steps = steps_per_epoch(bundle.train, config.batch_size)
    rounds = [epoch_seconds(*times, steps=steps) for times in zip(*timed.values(), strict=True)]
    plain, tracked = zip(*rounds, strict=True)
    return [Ratio.of("training epoch, gradients tracked / not", "s", tracked, plain)]


def _phantom() -> DatasetBundle:
    return load_image_dataset("phantom", ImageOptions(image_size=CONFIG.image_size, phantom_size=IMAGES))


def _model(bundle: DatasetBundle) -> keras.Model:
    capacity = CONFIG.capacities[0]
    build: Callable[..., keras.Model] = BUILDERS[capacity.builder]
    return build(bundle.train.x.shape[1:], bundle.num_classes, width=capacity.width, stem=capacity.stem)
