"""Knowledge distillation: a small network learns from the answers of a large one, on the same augmented images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryFile

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfhealth.config import DistillationTraining
from tfhealth.console import progress_bar
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.image_pipeline import ImageFeed, reduce_images
from tfhealth.data.orientations import ORIENTATIONS, mean_over_orientations, oriented
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
    epochs (Beyer et al. 2022, arXiv:2106.05237). Its answer is the mean over the image's eight orientations: better
    than one view's, and as good for each of them. So the images of `distinct` epochs are answered once, at full size
    whatever the size of `feed`, and come again in other batches and in the next orientation.

    Attributes:
        feed: of square images of one size, which have no up or down.
        distinct: epochs whose images differ by more than their orientation.
        lessons: number -> images (n, side, side, channels) uint8, in a temporary file, and labels; made when needed,
            for one split, batch size and seed.
    """

    feed: ImageFeed
    teacher: keras.Model
    distinct: int
    lessons: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self):
        if self.distinct < 1 or self.feed.last_phase:
            raise ValueError(f"at least 1 epoch (not {self.distinct}) has images of its own, and all have one size")

    @property
    def last_phase(self) -> int:
        return self.feed.last_phase

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: Sequence[int]) -> tf.data.Dataset:
        missing = sorted({epoch % self.distinct for epoch in epochs} - self.lessons.keys())
        self._prepare(missing, split, batch_size, seed)
        steps, side = steps_per_epoch(split, batch_size), self.feed.sides[0] if self.feed.sides else None

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for epoch in epochs:
                images, labels = self.lessons[epoch % self.distinct]
                orientation = epoch // self.distinct % ORIENTATIONS
                for chosen in np.random.default_rng((seed, epoch)).permutation(len(labels)).reshape(steps, -1):
                    yield oriented(images[chosen], orientation), labels[chosen]

        images, labels = self.lessons[epochs[0] % self.distinct]
        signature = (
            tf.TensorSpec((len(labels) // steps, *images.shape[1:]), tf.uint8),
            tf.TensorSpec((len(labels) // steps, labels.shape[1]), tf.float32),
        )
        made = tf.data.Dataset.from_generator(batches, output_signature=signature)
        made = made.map(lambda images, labels: (reduce_images(tf.cast(images, tf.float32), side), labels))
        return made.apply(tf.data.experimental.assert_cardinality(steps * len(epochs))).prefetch(2)

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None) -> Iterator[np.ndarray]:
        return self.feed.evaluation(split, batch_size, epoch)

    def _prepare(self, numbers: Sequence[int], split: Split, batch_size: int, seed: int) -> None:
        if not numbers:
            return
        steps = steps_per_epoch(split, batch_size)
        answer = tf.function(lambda images: self.teacher(tf.cast(images, tf.float32), training=False))
        full_size = replace(self.feed, sides=())
        with progress_bar("the teacher's answers", steps * len(numbers)) as bar:
            for number in numbers:
                labels = []
                with TemporaryFile() as file:
                    for rows, known in full_size.training(split, batch_size=batch_size, seed=seed, epochs=[number]):
                        images = np.rint(rows).astype(np.uint8)
                        file.write(images.tobytes())
                        labels.append(np.concatenate([known, mean_over_orientations(answer, images)], axis=1))
                        bar.advance()
                    file.flush()
                    shape = (steps * len(images), *images.shape[1:])
                    self.lessons[number] = np.memmap(file, np.uint8, "r", shape=shape), np.concatenate(labels)


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
    lessons: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # the same to all

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
            TeacherFeed(feed_of(settings), teacher, config.distinct, lessons),
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
