"""Knowledge distillation: a small network learns from the answers of a large one, on the same augmented images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfhealth.config import DistillationTraining
from tfhealth.console import progress_bar
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.data.pipeline import steps_per_epoch
from tfhealth.training.fit import class_shares, train
from tfhealth.training.losses import LogitAdjustedCrossentropy
from tfhealth.training.record import TrainingRun
from tfhealth.tuning.trials import OBJECTIVE


@dataclass(frozen=True)
class Distillation:
    """A finished student.

    Attributes:
        run: its training.
        config: with the temperature and mixing weight that were chosen.
        trials: one row a pair that was tried: temperature, mixing, validation_log_loss, validation_accuracy.
    """

    run: TrainingRun
    config: DistillationTraining
    trials: list[dict]


@keras.saving.register_keras_serializable("tfhealth")
class DistillationLoss(keras.losses.Loss):
    """(1 - mixing) * cross-entropy with the labels + mixing * T^2 * KL(teacher at T || student at T), in nats.

    T^2 keeps the second term's gradients as large as the first's, whatever T is.

    Args:
        class_shares, tau, label_smoothing: of the first term; see LogitAdjustedCrossentropy.
        temperature: T, above 0; logits are divided by it, so that the classes which the teacher finds unlikely count.
        mixing: weight of the teacher, in [0, 1].

    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, sec. 2.
    """

    def __init__(self, class_shares, temperature, mixing, tau=0.0, label_smoothing=0.0, name="distillation", **kwargs):
        super().__init__(name=name, **kwargs)
        if temperature <= 0 or not 0 <= mixing <= 1:
            raise ValueError(f"temperature {temperature} must be above 0, mixing {mixing} within [0, 1]")
        self.hard = LogitAdjustedCrossentropy(class_shares, tau, label_smoothing)
        self.temperature, self.mixing = float(temperature), float(mixing)

    def call(self, y_true, y_pred):
        """y_true (batch, 2 * num_classes): labels, then the teacher's logits; y_pred (batch, num_classes) logits."""
        labels, teacher = ops.split(y_true, 2, axis=-1)
        known, learned = (ops.log_softmax(logits / self.temperature) for logits in (teacher, y_pred))
        soft = ops.sum(ops.exp(known) * (known - learned), axis=-1)
        return (1 - self.mixing) * self.hard.call(labels, y_pred) + self.mixing * self.temperature**2 * soft

    def get_config(self):
        own = {"temperature": self.temperature, "mixing": self.mixing, "class_shares": self.hard.class_shares}
        own |= {"tau": self.hard.tau, "label_smoothing": self.hard.label_smoothing}
        return {**super().get_config(), **own}


@dataclass(frozen=True)
class TeacherFeed:
    """Feed whose training labels are (batch, 2 * num_classes): those of `feed`, then the teacher's logits.

    The teacher sees the very image that the student sees, augmentation and all, and the student goes through many
    epochs (Beyer et al. 2022, arXiv:2106.05237). As a teacher costs more than a student's step, it answers `distinct`
    epochs once; those after them repeat their images and answers in turn. It sees them at full size, whatever the size
    of `feed`.

    Attributes:
        feed: of images of one size.
        distinct: epochs whose images differ.
        answers: epoch -> logits (steps, batch, num_classes), filled as they are needed; for one split, batch size and
            seed.
    """

    feed: ImageFeed
    teacher: keras.Model
    distinct: int
    answers: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        if self.distinct < 1 or self.feed.last_phase:
            raise ValueError(f"at least 1 epoch (not {self.distinct}) has images of its own, and all have one size")

    @property
    def last_phase(self) -> int:
        return self.feed.last_phase

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: Sequence[int]) -> tf.data.Dataset:
        order = [epoch % self.distinct for epoch in epochs]
        options = {"batch_size": batch_size, "seed": seed}
        known = sorted(set(order))
        self._ask([epoch for epoch in known if epoch not in self.answers], split, options)
        table = tf.constant(np.stack([self.answers[epoch] for epoch in known]))
        at = [(known.index(epoch), step) for epoch in order for step in range(table.shape[1])]
        each = tf.data.Dataset.from_tensor_slices(at)
        batches = tf.data.Dataset.zip(self.feed.training(split, epochs=order, **options), each)
        return batches.map(lambda batch, at: (batch[0], tf.concat([batch[1], tf.gather_nd(table, at)], axis=-1)))

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None) -> Iterator[np.ndarray]:
        return self.feed.evaluation(split, batch_size, epoch)

    def _ask(self, epochs: Sequence[int], split: Split, options: Mapping[str, int]) -> None:
        if not epochs:
            return
        steps = steps_per_epoch(split, options["batch_size"])
        answer = tf.function(partial(self.teacher, training=False))
        with progress_bar("the teacher's answers", steps * len(epochs)) as bar:
            for epoch in epochs:
                found = []
                for rows, _ in replace(self.feed, sides=()).training(split, epochs=[epoch], **options):
                    found.append(answer(rows).numpy())
                    bar.advance()
                self.answers[epoch] = np.stack(found)


def distill(
    teacher: keras.Model,
    build: Callable[[DistillationTraining], keras.Model],
    bundle: DatasetBundle,
    feed_of: Callable[[DistillationTraining], ImageFeed],
    config: DistillationTraining,
    *,
    temperatures: Sequence[float],
    mixings: Sequence[float],
    trial: DistillationTraining,
    seed: int,
    folder: Path,
    log_dir: Path,
) -> Distillation:
    """Returns the student, trained with the pair of temperature and mixing weight that is best on validation.

    Every pair has a short training; the student goes on from the weights of the best. What is finished in
    `folder` is loaded, and a killed training goes on from its last epoch.

    Args:
        teacher: inputs to logits (n, num_classes); it is not changed.
        build: makes the uncompiled student.
        bundle: train and validation are used, test is not.
        feed_of: how the splits reach both models under a config; temperature and mixing change nothing of it.
        config: of the final training. trial: of the short ones, with as large a batch. Temperature and mixing of both
            are replaced.
        temperatures, mixings: the grid.
        folder: gets trials/<pair>/ and student/, each as `train` leaves it.
        log_dir: gets TensorBoard event files in the same subfolders.
    """
    if not temperatures or not mixings:
        raise ValueError("the grid needs at least one temperature and one mixing weight")
    if trial.batch_size != config.batch_size:
        raise ValueError(f"the teacher answers batches of one size, not of {trial.batch_size} and {config.batch_size}")
    answers: dict[int, np.ndarray] = {}  # the same to all

    def run(name: str, settings: DistillationTraining, start_from: Path | None = None) -> TrainingRun:
        loss = DistillationLoss(
            class_shares(bundle.train, bundle.num_classes),
            settings.temperature,
            settings.mixing,
            settings.balance,
            settings.label_smoothing,
        )
        return train(
            name,
            build,
            bundle.train,
            bundle.validation,
            settings,
            TeacherFeed(feed_of(settings), teacher, config.distinct, answers),
            num_classes=bundle.num_classes,
            seed=seed,
            folder=folder / name,
            log_dir=log_dir / name,
            start_from=start_from,
            loss=loss,
        )

    tried = []
    for temperature, mixing in product(temperatures, mixings):
        settings = replace(trial, temperature=temperature, mixing=mixing)
        tried.append((settings, run(f"trials/temperature{temperature:g}_mixing{mixing:g}", settings)))
    best, start = min(tried, key=lambda pair: pair[1].metrics[OBJECTIVE])
    chosen = replace(config, temperature=best.temperature, mixing=best.mixing)
    trials = [
        {
            "temperature": settings.temperature,
            "mixing": settings.mixing,
            **{name: done.metrics[name] for name in (OBJECTIVE, "validation_accuracy")},
        }
        for settings, done in tried
    ]
    return Distillation(run("student", chosen, start.model_path), chosen, trials)
