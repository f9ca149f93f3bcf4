"""The test split's one use: a finished run's predictions, as trained, averaged over views, calibrated, balanced."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.pipeline import Feed
from tfhealth.training.calibration import apply_prior_shift, apply_temperature, fit_prior_shift, fit_temperature
from tfhealth.training.metrics import (
    bootstrap_intervals,
    class_scores,
    classification_scores,
    cluster_weights,
    confusion_counts,
    expected_calibration_error,
    interval,
    reliability,
)
from tfhealth.training.predict import mirrored_logits, predict_logits, predictions_of
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.training.weighted import weighted_class_scores


@dataclass(frozen=True)
class Evaluation:
    """The final model on the test split.

    Attributes:
        variants: name -> predictions: "single_view", "averaged_views" (when asked for), "calibrated", "class_balanced".
        headline: the variant the report leads with: before calibration, which changes no decision.
        temperature: fitted on validation, used in "calibrated".
        tau: fitted on validation, used in "class_balanced".
    """

    variants: dict[str, Predictions]
    headline: str
    temperature: float
    tau: float


def evaluate(run: TrainingRun, model: keras.Model, feed: Feed, bundle: DatasetBundle, *, views: int) -> Evaluation:
    """Returns the evaluation; predictions are computed once and saved beside the model as predictions_<name>.npz.

    Args:
        views: 8 also averages the eight rotations and mirror images of each image; 1 does not.
    """
    folder = run.model_path.parent
    headline = "averaged_views" if views > 1 else "single_view"
    variants = {"single_view": _predict(folder, model, feed, bundle.test, "test", views=1)}
    variants[headline] = _predict(folder, model, feed, bundle.test, "test", views=views)
    validation = _predict(folder, model, feed, bundle.validation, "validation", views=views)
    shares = np.bincount(bundle.train.y, minlength=bundle.num_classes) / len(bundle.train)
    temperature = fit_temperature(validation.y_true, validation.y_prob)
    tau = fit_prior_shift(validation.y_true, validation.y_prob, shares)
    test = variants[headline]
    variants["calibrated"] = replace(test, y_prob=apply_temperature(test.y_prob, temperature))
    variants["class_balanced"] = replace(test, y_prob=apply_prior_shift(test.y_prob, shares, tau))
    for name in ("calibrated", "class_balanced"):
        variants[name].save(folder / f"predictions_test_{name}.npz")
    return Evaluation(variants, headline, temperature, tau)


def scores_with_intervals(predictions: Predictions, *, draws: int, seed: int) -> dict[str, dict[str, float]]:
    """Returns score -> {"value", "low", "high"}; 95 % intervals by resampling groups."""
    arrays = (predictions.y_true, predictions.y_prob)
    intervals = bootstrap_intervals(*arrays, predictions.group_ids, draws=draws, seed=seed)
    values = classification_scores(*arrays)
    return {name: {"value": values[name], "low": low, "high": high} for name, (low, high) in intervals.items()}


def log_loss_change(before: Predictions, after: Predictions, *, draws: int, seed: int) -> tuple[float, np.ndarray]:
    """Returns by how many nats the mean log loss on one split changes, and its (draws,) bootstrap values.

    Paired: both are scored on the same samples of groups, so the difficulty that they share cancels out.
    """
    before_losses, after_losses = (
        -np.log(np.maximum(p.y_prob[np.arange(len(p.y_true)), p.y_true], 1e-12)) for p in (before, after)
    )
    weights = cluster_weights(before.group_ids, draws=draws, seed=seed)
    difference = after_losses - before_losses
    return float(difference.mean()), weights @ difference / weights.sum(1)


def class_scores_with_intervals(predictions: Predictions, class_names, *, draws: int, seed: int) -> list[dict]:
    """Returns one row a class as `class_scores` does, with <score>_low and <score>_high added."""
    arrays = (predictions.y_true, predictions.y_prob)
    weights = cluster_weights(predictions.group_ids, draws=draws, seed=seed)
    rows = class_scores(*arrays, class_names)
    for score, values in weighted_class_scores(*arrays, weights).items():
        for row, drawn in zip(rows, values.T, strict=True):
            row[f"{score}_low"], row[f"{score}_high"] = interval(drawn)
    return rows


def summary(evaluation: Evaluation, class_names, *, draws: int, seed: int) -> dict:
    """Returns what findings.json keeps of an evaluation: scores with intervals by variant, classes, confusion, bins."""
    test = evaluation.variants[evaluation.headline]
    scores = {
        name: scores_with_intervals(predictions, draws=draws, seed=seed)
        for name, predictions in evaluation.variants.items()
    }
    calibrated = evaluation.variants["calibrated"]
    return {
        **scores,
        "headline": evaluation.headline,
        "final": scores[evaluation.headline],
        "temperature": evaluation.temperature,
        "tau": evaluation.tau,
        "classes": class_scores_with_intervals(test, class_names, draws=draws, seed=seed),
        "confusion": confusion_counts(test.y_true, test.y_pred, len(class_names)),
        "reliability": {"before": _bins(test), "after": {**_bins(calibrated), "temperature": evaluation.temperature}},
    }


def _bins(predictions: Predictions) -> dict:
    confidence, accuracy, count = reliability(predictions.y_true, predictions.y_prob)
    error = expected_calibration_error(predictions.y_true, predictions.y_prob)
    return {"confidence": confidence, "accuracy": accuracy, "count": count, "error": error}


def _predict(folder: Path, model: keras.Model, feed: Feed, split: Split, split_name: str, *, views: int) -> Predictions:
    path = folder / f"predictions_{split_name}{'_averaged_views' if views > 1 else ''}.npz"
    if not path.exists():
        logits = (mirrored_logits if views > 1 else predict_logits)(model, feed, split)
        predictions_of(split, logits).save(path)
    return Predictions.load(path, "the same command")
