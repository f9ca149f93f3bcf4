"""One training, from an uncompiled model to a TrainingRun; a killed one goes on from its last epoch."""

import dataclasses
import importlib.metadata
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config import TrainingConfig
from tfhealth.console import progress_bar
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import Feed, steps_per_epoch
from tfhealth.paths import atomic_path, write_json
from tfhealth.training import replicas
from tfhealth.training.averaging import AveragedWeights
from tfhealth.training.checkpoint import Checkpoint
from tfhealth.training.losses import LogitAdjustedCrossentropy
from tfhealth.training.metrics import classification_scores
from tfhealth.training.predict import predict_logits, predictions_of, softmax
from tfhealth.training.record import TrainingRun
from tfhealth.training.schedule import LearningRate, learning_rates
from tfhealth.training.tracking import tracking_callbacks

LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn")
# After each epoch the train scores are measured on this many training examples; at the end on all of them.
TRAIN_SAMPLE = 500
STATISTICS_SAMPLE, STATISTICS_BATCH = 1000, 64  # training examples that averaged weights get batch statistics from

Build = Callable[[TrainingConfig], keras.Model]


def train(
    name: str,
    build: Build,
    train_split: Split,
    validation: Split,
    config: TrainingConfig,
    feed: Feed,
    *,
    num_classes: int,
    seed: int,
    folder: Path,
    log_dir: Path,
    gradients: bool = False,
    start_from: Path | None = None,
    go_on_from: Path | None = None,
    keep_state: bool = False,
    loss: keras.losses.Loss | None = None,
) -> TrainingRun:
    """Returns the finished run in `folder`, training it first, or what is left of it, if need be.

    Args:
        name: of the run, shown to the user.
        build: makes the uncompiled model for a config: a batch of the feed to logits (n, num_classes).
        config: all hyperparameters; not looked at when `folder` holds a finished run (paths.keep_settings guards that).
        feed: how the splits reach the model.
        folder: gets model.keras, run.json, predictions_<split>.npz, and state.npz while training goes on.
        log_dir: gets TensorBoard event files.
        gradients: also track gradient norms and histograms.
        start_from: a saved model of the same architecture whose weights training starts with; None: random ones.
        go_on_from: the state.npz of another run with the same config but for early stopping; training goes on from
            there, as it would have without stopping.
        keep_state: leave state.npz behind for a later `go_on_from`.
        loss: of the feed's labels and the logits; None: the (logit-adjusted) cross-entropy that `config` describes.

    Raises:
        UserError: `folder` holds a broken run.
    """
    if (folder / "run.json").exists():
        return TrainingRun.load(folder, "the same command")
    keras.utils.set_random_seed(seed)
    with replicas.scope():
        model = build(config)
        if start_from is not None:
            model.set_weights(keras.saving.load_model(start_from, compile=False).get_weights())
        compile_model(model, config, train_split, num_classes, loss)
    replicas.replicate(model)
    stopping = keras.callbacks.EarlyStopping(
        config.stop_by,
        mode="max" if config.stop_by == "val_accuracy" else "min",
        patience=config.patience if config.early_stopping else config.epochs,
        restore_best_weights=config.early_stopping,
        start_from_epoch=feed.last_phase,
    )
    tracking = tracking_callbacks(log_dir, gradients=gradients)
    journal = tracking[-1].history if gradients else []
    checkpoint = Checkpoint(folder / "state.npz", stopping, journal)
    if go_on_from is not None and not checkpoint.path.exists():
        with atomic_path(checkpoint.path) as temporary:
            shutil.copyfile(go_on_from, temporary)
    checkpoint.restore(model)
    if not checkpoint.finished and checkpoint.epochs_done < config.epochs:
        evaluation, rates = Evaluation(feed, train_split, validation, seed), _learning_rates(train_split, config)
        callbacks = [rates, *averaging_callbacks(feed, train_split, config, seed, checkpoint), evaluation]
        callbacks += [*replicas.callbacks(), *tracking, stopping, checkpoint]
        _fit(name, model, feed, train_split, config, seed, checkpoint.epochs_done, callbacks)
    elif checkpoint.best_weights:
        model.set_weights(checkpoint.best_weights)
    run = _finish(name, model, feed, train_split, validation, config, seed, folder, checkpoint)
    if not keep_state:
        checkpoint.path.unlink(missing_ok=True)
    return run


def averaging_callbacks(
    feed: Feed, train_split: Split, config: TrainingConfig, seed: int, checkpoint: Checkpoint
) -> list:
    """Returns what puts averaged weights into the model at the end of an epoch; nothing if none are kept."""
    if not config.weight_average:
        return []
    sample = mixed_sample(train_split, STATISTICS_SAMPLE, seed)
    return [AveragedWeights(partial(feed.evaluation, sample, STATISTICS_BATCH), resumed=checkpoint.epochs_done > 0)]


def mixed_sample(split: Split, count: int, seed: int) -> Split:
    """Returns `count` examples of the split drawn at random, or all, in random order.

    Data sets often come in the order of their classes, and a batch of one class has other statistics than the mixed
    batches of training: on HAM10000 (validation, seed 0) averaged weights had a log loss of 0.626 with batches in file
    order, and of 0.541 with mixed ones three epochs later, in which the training itself had moved by 0.002.
    """
    return split.subset(np.random.default_rng(seed).permutation(len(split))[:count])


def sample_of(split: Split, count: int, seed: int) -> Split:
    """Returns `count` examples of the split drawn at random, or all, in their order."""
    chosen = np.random.default_rng(seed).choice(len(split), min(count, len(split)), replace=False)
    return split.subset(np.sort(chosen))


def compile_model(
    model: keras.Model,
    config: TrainingConfig,
    train_split: Split,
    num_classes: int,
    loss: keras.losses.Loss | None = None,
) -> None:
    """Compiles with AdamW at the peak learning rate and the loss; None: the (logit-adjusted) cross-entropy.

    Without XLA, which would bypass oneDNN's kernels (see startup.py) and takes longer to trace.
    """
    optimizer = keras.optimizers.AdamW(
        config.learning_rate,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
        use_ema=config.weight_average > 0,
        ema_momentum=config.weight_average,
    )
    # Biases and normalisation scales are not capacity; decaying them only hurts (Goyal et al. 2017, sec. 5.3).
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if loss is None:
        shares = class_shares(train_split, num_classes)
        loss = LogitAdjustedCrossentropy(shares, config.balance, config.label_smoothing, config.consistency)
    optimizer.build(model.trainable_variables)  # a train step that creates variables is traced twice
    model.compile(optimizer, loss, jit_compile=False)


def class_shares(split: Split, num_classes: int) -> np.ndarray:
    """Returns (num_classes,) the share of the split that each class has."""
    return np.bincount(split.y, minlength=num_classes) / len(split)


class Evaluation(keras.callbacks.Callback):
    """Adds train_... and val_... loss (nats), accuracy and balanced accuracy to each epoch's logs.

    Both are measured the same way: as in use, without augmentation, dropout, penalties, smoothing or weighting. So
    their difference is the generalisation gap and nothing else.
    """

    def __init__(self, feed: Feed, train_split: Split, validation: Split, seed: int):
        super().__init__()
        self.splits = {"train": sample_of(train_split, TRAIN_SAMPLE, seed), "val": validation}
        self.feed = feed

    def on_epoch_end(self, epoch, logs=None):
        for prefix, split in self.splits.items():
            logits = predict_logits(self.model, self.feed, split, epoch=epoch)
            scores = classification_scores(split.y, softmax(logits))
            for log, score in (("loss", "log_loss"), ("accuracy",) * 2, ("balanced_accuracy",) * 2):
                logs[f"{prefix}_{log}"] = scores[score]


class _ProgressBar(keras.callbacks.Callback):
    """Advances the bar once a step; the note shows the last epoch's accuracies."""

    def __init__(self, bar, epochs: int):
        super().__init__()
        self.bar, self.epochs = bar, epochs

    def on_train_batch_end(self, batch, logs=None):
        self.bar.advance()

    def on_epoch_end(self, epoch, logs=None):
        scores = f"train {logs['train_accuracy']:.2f} validation {logs['val_accuracy']:.2f}"
        self.bar.advance(0, f"{epoch + 1}/{self.epochs} {scores}")


def _learning_rates(train_split: Split, config: TrainingConfig) -> LearningRate:
    steps = steps_per_epoch(train_split, config.batch_size)
    warmup = min(config.warmup_epochs, max(config.epochs - 1, 0)) * steps
    rates = learning_rates(
        config.learning_rate, steps=config.epochs * steps, warmup_steps=warmup, final_share=config.final_rate
    )
    return LearningRate(rates, steps)


def _fit(name, model, feed, train_split, config, seed, epochs_done, callbacks) -> None:
    steps = steps_per_epoch(train_split, config.batch_size)
    epochs = range(epochs_done, config.epochs)
    batches = feed.training(train_split, batch_size=config.batch_size, seed=seed, epochs=epochs)
    with progress_bar(name, steps * len(epochs)) as bar:
        model.fit(
            replicas.shares(batches, min(config.batch_size, len(train_split))),
            initial_epoch=epochs_done,
            epochs=config.epochs,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,  # the batches come shuffled
            callbacks=[*callbacks, _ProgressBar(bar, config.epochs)],
        )


def _finish(name, model, feed, train_split, validation, config, seed, folder, checkpoint) -> TrainingRun:
    """Scores the restored weights on train and validation and writes everything; run.json last, as the seal."""
    metrics, saved = {}, {}
    for split_name, split in (("train", train_split), ("validation", validation)):
        logits = predict_logits(model, feed, split, epoch=config.epochs - 1)
        predictions = predictions_of(split, logits)
        scores = classification_scores(predictions.y_true, predictions.y_prob)
        metrics |= {f"{split_name}_{score}": value for score, value in scores.items()}
        saved[split_name] = folder / f"predictions_{split_name}.npz"
        predictions.save(saved[split_name])
    save_model(model, folder / "model.keras")
    run = TrainingRun(
        name=name,
        config={**dataclasses.asdict(config), "train_examples": len(train_split)},
        seed=seed,
        history=checkpoint.history,
        metrics=metrics,
        model_path=folder / "model.keras",
        seconds=checkpoint.seconds,
        versions={library: importlib.metadata.version(library) for library in LIBRARIES},
        parameters=model.count_params(),
        best_epoch=checkpoint.best_epoch,
        predictions=saved,
    )
    if checkpoint.journal:
        write_json(folder / "gradients.json", checkpoint.journal)
    run.save(folder)
    return TrainingRun.load(folder, "the same command")  # as a later start will find it


def save_model(model: keras.Model, path: Path) -> None:
    """Writes the model without its optimizer, whose slots would triple the file."""
    bare = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    with atomic_path(path) as temporary:
        bare.save(temporary)
