"""One training of a VAE or a GAN, of images or of records, from fresh models to a TrainingRun.

A killed training goes on from its last epoch.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config_part3 import GenerativeTraining
from tfhealth.console import progress_bar, say
from tfhealth.data.dataset import Split
from tfhealth.data.image_pipeline import Augmentation, ImageFeed, pixel_statistics
from tfhealth.data.pipeline import Feed, steps_per_epoch
from tfhealth.errors import UserError
from tfhealth.paths import atomic_path
from tfhealth.training import replicas
from tfhealth.training.averaging import AveragedWeights
from tfhealth.training.checkpoint import Checkpoint
from tfhealth.training.divergence import DivergedError, StopOnDivergence
from tfhealth.training.fit import LIBRARIES
from tfhealth.training.record import TrainingRun
from tfhealth.training.schedule import LearningRate, learning_rates
from tfhealth.training.tracking import EpochLogger, SampleLogger, write_graph

BATCH_SIZE = 128  # of everything but training
SAMPLES_LOGGED = 8  # of each class, every epoch
TURNS = Augmentation(strength=0.0)  # quarter turns and mirror images: as likely, and the data are eight times as many


def train_generative(
    name: str,
    build: Callable[[], keras.Model],
    split: Split,
    config: GenerativeTraining,
    *,
    feed: Feed,
    draw: Callable[[keras.Model], np.ndarray] | None,
    seed: int,
    folder: Path,
    log_dir: Path,
) -> TrainingRun:
    """Returns the finished run in `folder`, training it first, or what is left of it, if need be.

    All epochs are trained and the last weights kept. If the loss stops being a number, or passes the model's limits,
    training ends with the weights of the last good epoch, and the run says where and why in `diverged`.

    Args:
        name: of the run, shown to the user.
        build: makes the model, not compiled: a keras.Model with a train_step for (examples, one-hot labels), and
            `parts`, name -> functional model, the last of which makes examples of [z, classes]; `callbacks`, put before
            the others; `watched` and `limits`, see divergence.StopOnDivergence.
        split: the training split.
        config: all hyperparameters; not looked at when `folder` holds a finished run.
        feed: how the split reaches the model.
        draw: makes a picture of samples of what makes them, for every epoch; None: there is none.
        seed: of weights, order and noise.
        folder: gets <part>.keras, run.json, and state.npz while training goes on.
        log_dir: gets TensorBoard event files: curves, and the samples.

    Raises:
        UserError: the training broke in its first epoch, so there are no good weights.
    """
    if (folder / "run.json").exists():
        return TrainingRun.load(folder, "the same command")
    keras.utils.set_random_seed(seed)
    with replicas.scope():
        model = build()
        optimizer = adam(config)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, jit_compile=False)  # see training.fit.compile_model
    replicas.replicate(model)
    stopping = keras.callbacks.EarlyStopping(model.watched, mode="min", patience=config.epochs)  # that is, never
    checkpoint = Checkpoint(folder / "state.npz", stopping)
    checkpoint.restore(model)
    diverged = None
    if checkpoint.epochs_done < config.epochs:
        callbacks = [*model.callbacks, *_averaging(config, checkpoint), *replicas.callbacks(), EpochLogger(log_dir)]
        if draw is not None:
            callbacks.append(SampleLogger(log_dir / "samples", partial(draw, list(model.parts.values())[-1])))
        callbacks += [StopOnDivergence(model.limits), stopping, checkpoint]
        try:
            _fit(name, model, split, config, feed, seed, checkpoint.epochs_done, callbacks)
        except DivergedError as error:
            diverged = _last_good(name, model, checkpoint, error)
        for part, layers in model.parts.items():
            write_graph(log_dir / part, layers)
    run = _finish(name, model, config, seed, folder, checkpoint, diverged)
    checkpoint.path.unlink(missing_ok=True)
    return run


def adam(config: GenerativeTraining) -> keras.optimizers.Optimizer:
    """Returns Adam at the peak rate, which keeps averaged weights if the config asks for them."""
    return keras.optimizers.Adam(
        config.learning_rate,
        beta_1=config.momentum,
        global_clipnorm=config.clip_norm or None,
        use_ema=config.weight_average > 0,
        ema_momentum=config.weight_average,
    )


def make_images(decoder: keras.Model, z: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns (n, s, s, 3) uint8 images.

    Args:
        decoder: [z, classes] to images in [0, 255].
        z: (n, latent). classes: (n, k) one-hot, or between two classes.
    """
    (images,) = in_batches(decoder, [z.astype(np.float32), classes.astype(np.float32)])
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def in_batches(model: keras.Model, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the model's outputs for the (n, ...) arrays, in batches of one shape, so that it is traced once."""
    found = []
    for start in range(0, len(arrays[0]), BATCH_SIZE):
        rows = [array[start : start + BATCH_SIZE] for array in arrays]
        count = len(rows[0])
        rows = [np.pad(row, [(0, BATCH_SIZE - count)] + [(0, 0)] * (row.ndim - 1), mode="edge") for row in rows]
        outputs = model.predict_on_batch(rows if len(rows) > 1 else rows[0])
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        found.append([np.asarray(output)[:count] for output in outputs])
    return [np.concatenate(output) for output in zip(*found, strict=True)]


def one_hot(labels: np.ndarray, num_classes: int) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[labels]


def image_inputs_and_samples(latent: int, num_classes: int, seed: int) -> dict:
    """Returns `feed` and `draw` of `train_generative` for images.

    They are fed in all turns; drawn are the same z of each class, a line each, as the decoder makes them now.
    """
    z = np.tile(np.random.default_rng(seed).standard_normal((SAMPLES_LOGGED, latent)), (num_classes, 1))
    classes = one_hot(np.repeat(np.arange(num_classes), SAMPLES_LOGGED), num_classes)
    return {
        "feed": ImageFeed(num_classes, TURNS),
        "draw": lambda decoder: tiled(make_images(decoder, z, classes), SAMPLES_LOGGED),
    }


def tiled(images: np.ndarray, columns: int) -> np.ndarray:
    """Returns one picture of (n, h, w, 3) images, n a multiple of `columns`."""
    count, height, width, _ = images.shape
    rows = images.reshape(count // columns, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return rows.reshape(count // columns * height, columns * width, 3)


def start_at_mean_colour(decoder: keras.Model, split: Split) -> None:
    """Lets a fresh decoder answer with the training images' mean colour, which it would need epochs to find."""
    mean = np.array(pixel_statistics(split)[0]) / 255
    decoder.get_layer("colours").bias.assign(np.log(mean / (1 - mean)))


def _averaging(config: GenerativeTraining, checkpoint: Checkpoint) -> list:
    if not config.weight_average:
        return []
    return [AveragedWeights(lambda epoch: (), resumed=checkpoint.epochs_done > 0)]  # no layer has batch statistics


def _fit(name, model, split, config, feed, seed, epochs_done, callbacks) -> None:
    steps = steps_per_epoch(split, config.batch_size)
    warmup = min(config.warmup_epochs, max(config.epochs - 1, 0)) * steps
    rates = learning_rates(
        config.learning_rate, steps=config.epochs * steps, warmup_steps=warmup, final_share=config.final_rate
    )
    epochs = range(epochs_done, config.epochs)
    batches = feed.training(split, batch_size=config.batch_size, seed=seed, epochs=epochs)
    with progress_bar(name, steps * len(epochs)) as bar:
        advance = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: bar.advance(),
            on_epoch_end=lambda epoch, logs: bar.advance(0, f"{epoch + 1}/{config.epochs} {_note(logs)}"),
        )
        model.fit(
            replicas.shares(batches, min(config.batch_size, len(split))),
            initial_epoch=epochs_done,
            epochs=config.epochs,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,  # the batches come shuffled
            callbacks=[LearningRate(rates, steps), *callbacks, advance],
        )


def _note(logs: Mapping[str, float]) -> str:
    return " ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in list(logs.items())[:2])


def _last_good(name: str, model: keras.Model, checkpoint: Checkpoint, error: DivergedError) -> str:
    if not checkpoint.epochs_done:
        raise UserError(
            f"{name}: training broke in {error}; there are no good weights to keep. Try another --seed, or give this "
            "run a lower learning rate in config_part3.py"
        )
    checkpoint.restore(model)
    say(f"{name}: training broke in {error}; the weights of epoch {checkpoint.epochs_done} are kept")
    return str(error)


def _finish(name, model, config, seed, folder, checkpoint, diverged) -> TrainingRun:
    """Writes the models, and run.json last, as the seal."""
    for part, layers in model.parts.items():
        with atomic_path(folder / f"{part}.keras") as temporary:
            layers.save(temporary)
    run = TrainingRun(
        name=name,
        config=dataclasses.asdict(config),
        seed=seed,
        history=checkpoint.history,
        metrics={score: values[-1] for score, values in checkpoint.history.items()},
        model_path=folder / f"{list(model.parts)[-1]}.keras",
        seconds=checkpoint.seconds,
        versions={library: importlib.metadata.version(library) for library in LIBRARIES},
        parameters=sum(layers.count_params() for layers in model.parts.values()),
        best_epoch=checkpoint.epochs_done,
        diverged=diverged,
    )
    run.save(folder)
    return TrainingRun.load(folder, "the same command")  # as a later start will find it
