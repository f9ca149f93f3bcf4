"""What Part 3 starts from: the images, Part 2's classifier that judges, and a classifier of its own that guides."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config import Capacity, ImageTraining
from tfhealth.config_part3 import Part3Config
from tfhealth.data.dataset import DatasetBundle, Rows, Split
from tfhealth.data.image_pipeline import ImageFeed, pixel_statistics
from tfhealth.models.resnet import BUILDERS
from tfhealth.paths import Workspace
from tfhealth.training.fit import train
from tfhealth.training.predict import predict_logits, softmax
from tfhealth.training.record import TrainingRun


@dataclass(frozen=True)
class Judge:
    """Part 2's classifier, which no generator sees in training.

    Attributes:
        features: images to the features in front of its last layer. last: that layer, features to logits.
    """

    label: str
    features: keras.Model
    last: keras.layers.Layer

    @classmethod
    def of(cls, model: keras.Model, label: str) -> "Judge":
        return cls(label, keras.Model(model.inputs[0], model.get_layer("pool").output), model.get_layer("logits"))

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns features (n, d) and probabilities (n, k) of (n, s, s, 3) uint8 images."""
        found = predict_logits(self.features, ImageFeed(1), split_of(images, np.zeros(len(images), np.int32)))
        kernel, bias = (np.asarray(weight) for weight in self.last.get_weights())
        return found, softmax(found @ kernel + bias)


@dataclass(frozen=True)
class Part3:
    """What the stages share. model: "vae" or "gan"; folder: exports/<run>/part3, of the GAN part3_gan."""

    workspace: Workspace
    folder: Path
    config: Part3Config
    seed: int
    model: str
    bundle: DatasetBundle
    judge: Judge

    def logs(self, name: str) -> Path:
        """Returns the folder of the TensorBoard files of a training or of another thing of this part."""
        return self.workspace.logs(self.folder.name, name)

    def classifier(
        self, name: str, capacity: Capacity, split: Split, config: ImageTraining, *, seed: int | None = None
    ) -> TrainingRun:
        """Trains a classifier of Part 2's kind on a split, or loads the run that stands there."""
        return train(
            name,
            partial(self._build, capacity),
            split,
            self.bundle.validation,
            config,
            ImageFeed.of(config, self.bundle.num_classes),
            num_classes=self.bundle.num_classes,
            seed=self.seed if seed is None else seed,
            folder=self.folder / name,
            log_dir=self.logs(name),
        )

    def _build(self, capacity: Capacity, config: ImageTraining) -> keras.Model:
        return BUILDERS[capacity.builder](
            (None, None, 3),
            self.bundle.num_classes,
            width=capacity.width,
            stem=capacity.stem,
            dropout=config.dropout,
            l2=config.l2,
            pixel_statistics=pixel_statistics(self.bundle.train),
        )


def split_of(images: np.ndarray, labels: np.ndarray) -> Split:
    """Returns images in memory as a split, each image its own group."""
    ids = np.array([f"synthetic-{i}" for i in range(len(images))])
    return Split(Rows(images), labels.astype(np.int32), ids, ids)


def joined(real: Split, made: Split) -> Split:
    """Returns both splits as one, in memory."""
    rows = np.concatenate([real.x.take(slice(None)), made.x.take(slice(None))])
    columns = (np.concatenate([getattr(real, name), getattr(made, name)]) for name in ("y", "group_ids", "example_ids"))
    return Split(Rows(rows), *columns)
