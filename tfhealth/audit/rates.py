"""Every rate of a view under many weightings of its examples at once. numpy only.

A bootstrap sample, or a group of permuted labels, is a weighting: a thousand of them are one matrix product. Values
equal those of audit/fairness.py, which takes them one by one from Fairlearn's MetricFrame.
"""

import numpy as np

from tfhealth.audit.statistics import weighted_auc
from tfhealth.audit.views import View
from tfhealth.training.weighted import CALIBRATION_BINS, confidence_bin, ratio

# Of each question of a view, in the order of the tables.
RATES = (
    "accuracy",
    "balanced_accuracy",
    "recall",
    "specificity",
    "precision",
    "f1",
    "selection_rate",
    "roc_auc",
    "expected_calibration_error",
    "calibration_in_the_large",
)
ALL_CLASSES = "all classes"

Rates = dict[str, np.ndarray]


def question_rates(view: View, weights: np.ndarray, *, ranking: bool = True) -> Rates:
    """Returns rate -> (draws, k), NaN where undefined; what each is stands in audit/fairness.py.

    Args:
        view: of n examples and k questions.
        weights: (draws, n) how often each example counts; float32 is enough.
        ranking: False leaves roc_auc out, the dearest.
    """
    columns = np.concatenate([view.positive & view.decided, view.positive, view.decided], axis=1)
    hits, positives, selected = np.split(weights @ columns.astype(weights.dtype), 3, axis=1)
    total = weights.sum(1, keepdims=True)
    negatives = total - positives
    rejected = negatives - (selected - hits)  # true negatives
    recall, specificity = ratio(hits, positives), ratio(rejected, negatives)
    rates = {
        "accuracy": ratio(hits + rejected, total),
        "balanced_accuracy": (recall + specificity) / 2,
        "recall": recall,
        "specificity": specificity,
        "precision": ratio(hits, selected),
        "f1": np.where(positives > 0, ratio(2 * hits, positives + selected), np.nan),
        "selection_rate": ratio(selected, total),
    }
    if ranking:
        questions = zip(view.positive.T, view.score.T, strict=True)
        rates["roc_auc"] = np.stack([weighted_auc(*question, weights) for question in questions], axis=1)
    return rates


def calibration_rates(view: View, weights: np.ndarray) -> Rates:
    """Returns the two calibration rates of every question, (draws, k)."""
    pairs = [
        calibration(score, positive, weights) for score, positive in zip(view.score.T, view.positive.T, strict=True)
    ]
    names = ("expected_calibration_error", "calibration_in_the_large")
    return {name: np.stack(values, axis=1) for name, values in zip(names, zip(*pairs, strict=True), strict=True)}


def calibration(confidence: np.ndarray, outcome: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (draws,) expected calibration error and (draws,) mean confidence minus the outcome's share.

    The first has an upward bias that grows as groups shrink (each bin's chance deviation counts as error), so that
    groups of different sizes must not be compared by it; the second has none.
    """
    which = confidence_bin(np.clip(confidence, 0, 1))[:, None] == np.arange(CALIBRATION_BINS)
    excess = weights @ ((confidence - outcome)[:, None] * which).astype(weights.dtype)  # (draws, bins)
    total = weights.sum(1)
    return ratio(np.abs(excess).sum(1), total), ratio(excess.sum(1), total)


def view_rates(view: View, weights: np.ndarray) -> Rates:
    """Returns rate -> (draws, k), or (draws, 1 + k) with "all classes" first where k > 1.

    Of all classes together: accuracy is the share of right answers, balanced_accuracy and recall the mean recall,
    the others means over the classes where they are defined, calibration that of the most probable class; a
    selection rate does not exist.
    """
    rates = {**question_rates(view, weights), **calibration_rates(view, weights)}
    if len(view.classes) == 1:
        return rates
    together = {name: mean_over(values) for name, values in rates.items()}
    together["accuracy"] = ratio(weights @ view.correct.astype(weights.dtype), weights.sum(1))
    together["balanced_accuracy"] = together["recall"]
    together["selection_rate"] = np.full(len(weights), np.nan)
    error, excess = calibration(view.confidence, view.outcome, weights)
    together |= {"expected_calibration_error": error, "calibration_in_the_large": excess}
    return {name: np.concatenate([together[name][:, None], values], axis=1) for name, values in rates.items()}


def mean_over(values: np.ndarray) -> np.ndarray:
    """Returns the mean of the defined values of each row; NaN where there is none."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1))
