"""One short training of every model of Parts 1 to 3, on toy data: the same steps in one process and over replicas."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config import ImageTraining, TextTraining
from tfhealth.config_part3 import GANTraining, VAETraining
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.data.tabular import RecordOptions, load_records
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.models.resnet import resnet8
from tfhealth.models.text import lstm, transformer
from tfhealth.training.fit import train
from tfhealth.training.gan import train_gan
from tfhealth.training.record import TrainingRun
from tfhealth.training.tabular import train_tabular_vae
from tfhealth.training.vae import train_vae

WORDS, STEPS, SIDE = 50, 12, 16
CARD = DatasetCard("discs", "discs", "image", ("pale", "dark"), "none", "none")
TEXT = TextTraining(epochs=3, batch_size=16, learning_rate=5e-3, clip_norm=0.1, l2=1e-4, token_dropout=0.2)
IMAGES = ImageTraining(
    epochs=3, batch_size=16, clip_norm=0.5, l2=1e-4, mixup=0.2, weight_average=0.9, resolutions=((8, 0.5),)
)
SIZE = {"epochs": 3, "width": 4, "latent": 6, "batch_size": 16}
VAE = VAETraining(**SIZE, beta=0.1, annealing=0.5, free_bits=0.05, feature_weight=1.0, class_weight=0.1, clip_norm=1.0)
GAN = GANTraining(**SIZE)


def as_split(x: np.ndarray, y: np.ndarray) -> Split:
    ids = np.arange(len(y)).astype(str)
    return Split(Rows(x), y.astype(np.int32), ids, ids)


def images(count: int, seed: int) -> Split:
    """Two classes told apart by brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    return as_split((rng.integers(0, 120, (count, SIDE, SIDE, 3)) + 90 * y[:, None, None, None]).astype(np.uint8), y)


def texts(count: int, seed: int) -> Split:
    """Two classes told apart by which half of the words they prefer; ids from 2 on, padding (0) behind some."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    words = rng.integers(2, WORDS // 2, (count, STEPS)) + (WORDS // 2) * y[:, None] * rng.integers(0, 2, (count, STEPS))
    words[::3, STEPS // 2 :] = 0
    return as_split(words.astype(np.int32), y)


def named(split: Split, name: str) -> Split:
    ids = np.char.add(name, split.group_ids)
    return replace(split, group_ids=ids, example_ids=ids)


def classify(build, splits, config, feed, *, folder: Path, log_dir: Path, **more) -> TrainingRun:
    given = {"num_classes": 2, "seed": 3, "folder": folder, "log_dir": log_dir, "gradients": True}
    return train("toy", build, *splits, config, feed, **(given | more))


def build_lstm(config):
    return lstm(WORDS, 2, width=4, skip=True, dropout=config.dropout, l2=config.l2)


def build_transformer(config):
    return transformer(WORDS, STEPS, 2, width=8, num_heads=2, context=3, dropout=config.dropout, l2=config.l2)


def build_resnet(config):
    statistics = ([100.0] * 3, [60.0] * 3)
    return resnet8((None, None, 3), 2, width=4, dropout=config.dropout, l2=config.l2, pixel_statistics=statistics)


def train_lstm(**more) -> TrainingRun:
    config = replace(TEXT, consistency=1.0)
    return classify(build_lstm, (texts(64, 1), texts(32, 2)), config, TextFeed.of(config, 2), **more)


def train_transformer(config=TEXT, **more) -> TrainingRun:
    return classify(build_transformer, (texts(64, 1), texts(32, 2)), config, TextFeed.of(config, 2), **more)


def train_resnet(config=IMAGES, **more) -> TrainingRun:
    return classify(build_resnet, (images(64, 1), images(32, 2)), config, ImageFeed.of(config, 2), **more)


def bundle() -> DatasetBundle:
    return DatasetBundle(
        CARD, *(named(images(*size), name) for *size, name in ((64, 1, "a"), (24, 2, "b"), (8, 3, "c")))
    )


def train_image_vae(**more) -> TrainingRun:
    keras.utils.set_random_seed(5)
    return train_vae("toy", bundle(), VAE, resnet8((None, None, 3), 2, width=2), seed=3, **more)


def train_image_gan(**more) -> TrainingRun:
    return train_gan("toy", bundle(), GAN, seed=3, **more)


def train_record_vae(**more) -> TrainingRun:
    config = VAETraining(**SIZE | {"epochs": 2}, free_bits=0.05, annealing=0.3)
    return train_tabular_vae("toy", load_records("breast_cancer", RecordOptions(seed=0)), config, seed=3, **more)


TRAININGS = {
    "LSTM": train_lstm,
    "Transformer": train_transformer,
    "ResNet": train_resnet,
    "long ResNet": partial(train_resnet, replace(IMAGES, epochs=10, patience=10, dropout=0.2)),
    "VAE": train_image_vae,
    "GAN": train_image_gan,
    "tabular VAE": train_record_vae,
}


def weights(run: TrainingRun) -> list[np.ndarray]:
    """Returns the weights that a finished training left, of all its models."""
    paths = sorted(run.model_path.parent.glob("*.keras"))
    return [weight for path in paths for weight in keras.saving.load_model(path, compile=False).get_weights()]


def largest_difference(first: TrainingRun, second: TrainingRun) -> float:
    """Of two trainings' weights; of weights above 1 (moving variances) in relation to their size."""
    pairs = zip(weights(first), weights(second), strict=True)
    return max(float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()) for a, b in pairs)


def start(name: str, folder: Path, **more) -> TrainingRun:
    return TRAININGS[name](folder=folder, log_dir=folder / "logs", **more)
