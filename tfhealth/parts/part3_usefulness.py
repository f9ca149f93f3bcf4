"""What synthetic images are good for: classifiers trained with, on and without them, over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np

from tfhealth.data.dataset import Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.parts.part3_judging import Made
from tfhealth.parts.part3_sources import Part3, joined, split_of
from tfhealth.training.diagnosis import ScoreDraws, balanced_accuracy_draws
from tfhealth.training.metrics import interval
from tfhealth.training.predict import predict_logits
from tfhealth.training.record import TrainingRun


@dataclass(frozen=True)
class Setting:
    """One kind of training data, and its classifiers' answers: run by seed, y_pred (n,) on a split by seed."""

    runs: tuple[TrainingRun, ...]
    answers: tuple[np.ndarray, ...]


def usefulness(part: Part3, made: Made) -> dict:
    """Trains on real, on synthetic and on augmented images with every seed, and returns what each reaches.

    Train on synthetic, test on real: "synthetic". Train on real, test on synthetic: "real_on_synthetic". Rare-class
    augmentation: "augmented", whose change to "real" is paired by seed and by test image.
    """
    added = rare_labels(part.bundle.train.y, part.bundle.num_classes, part.config.most_added)
    extra, _ = made.generator.make(added, part.seed + 2)
    count = len(part.bundle.train)
    alike = made.generator.make(part.bundle.train.y, part.seed + 3)[0]
    splits = {
        "real": part.bundle.train,
        "synthetic": split_of(alike, part.bundle.train.y),
        "augmented": joined(part.bundle.train, split_of(extra, added)),
    }
    settings = {name: _train(part, name, split) for name, split in splits.items()}
    test, synthetic = part.bundle.test, split_of(made.images, made.labels)
    on_synthetic = [_answers(part, run, synthetic) for run in settings["real"].runs]
    scored = {name: _scores(part, setting.answers, test) for name, setting in settings.items()}
    return {
        "seeds": part.config.seeds,
        "trained_on": {name: len(split) for name, split in splits.items()},
        "real_images": count,
        "added": {name: int(n) for name, n in zip(part.bundle.card.class_names, _counts(part, added), strict=True)},
        "balanced_accuracy": {
            **{name: over_seeds(draws) for name, draws in scored.items()},
            "real_on_synthetic": over_seeds(_scores(part, on_synthetic, synthetic)),
        },
        "change": {name: over_seeds(paired(scored[name], scored["real"])) for name in ("augmented", "synthetic")},
        "classes": class_rows(part, settings),
    }


def rare_labels(y: np.ndarray, num_classes: int, most_added: int) -> np.ndarray:
    """Returns the class ids of the images to add: up to an even share for each class below it.

    Args:
        y: (n,) of the real training images. most_added: for each real one, at most.
    """
    counts = np.bincount(y, minlength=num_classes)
    missing = np.clip(len(y) // num_classes - counts, 0, most_added * counts)
    return np.repeat(np.arange(num_classes), missing)


def class_rows(part: Part3, settings: Mapping[str, Setting]) -> list[dict]:
    """Returns one row a class and setting: recall on test, mean over the seeds, and each seed's."""
    test, rows = part.bundle.test, []
    for label, name in enumerate(part.bundle.card.class_names):
        own = test.y == label
        for setting, found in settings.items():
            recalls = [float(np.mean(y_pred[own] == label)) if own.any() else np.nan for y_pred in found.answers]
            by_seed = {f"seed_{seed}": recall for seed, recall in enumerate(recalls)}
            rows.append({"class": name, "trained_on": setting, "recall": float(np.mean(recalls)), **by_seed})
    return rows


def _train(part: Part3, name: str, split: Split) -> Setting:
    epochs = part.config.useful.epochs * len(part.bundle.train) / len(split)  # the same number of steps for all
    config = replace(part.config.useful, epochs=max(1, round(epochs)))
    runs = tuple(
        part.classifier(f"useful/{name}_{seed}", part.config.guide, split, config, seed=seed)
        for seed in range(part.config.seeds)
    )
    return Setting(runs, tuple(_answers(part, run, part.bundle.test) for run in runs))


def _answers(part: Part3, run: TrainingRun, split: Split) -> np.ndarray:
    model = keras.saving.load_model(run.model_path, compile=False)
    feed = ImageFeed.of(part.config.useful, part.bundle.num_classes)
    return predict_logits(model, feed, split, epoch=part.config.useful.epochs - 1).argmax(1)


def _scores(part: Part3, answers, split: Split) -> list[ScoreDraws]:
    settings = {"draws": part.config.bootstrap_draws, "seed": part.seed}
    return [balanced_accuracy_draws(split.y, y_pred, split.group_ids, **settings) for y_pred in answers]


def paired(first: list[ScoreDraws], second: list[ScoreDraws]) -> list[ScoreDraws]:
    """Returns first less second, seed by seed and draw by draw."""
    return [ScoreDraws(a.score - b.score, a.draws - b.draws) for a, b in zip(first, second, strict=True)]


def over_seeds(found: list[ScoreDraws]) -> dict:
    """Returns the mean over the seeds, its interval (test groups resampled, seeds too), and each seed's."""
    drawn = np.array([seed.draws for seed in found])  # (seeds, draws)
    chosen = np.random.default_rng(0).integers(len(found), size=drawn.shape)
    low, high = interval(np.take_along_axis(drawn, chosen, axis=0).mean(0))
    by_seed = [seed.score for seed in found]
    return {"value": float(np.mean(by_seed)), "low": low, "high": high, "by_seed": by_seed}


def _counts(part: Part3, labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels, minlength=part.bundle.num_classes)
