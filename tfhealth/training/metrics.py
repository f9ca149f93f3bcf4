"""Scores as pure functions of (y_true, y_prob), and their intervals. numpy and scikit-learn only."""

import numpy as np
from sklearn import metrics as sk

from tfhealth.training.weighted import CALIBRATION_BINS, confidence_bin, weighted_class_scores, weighted_scores

Scores = dict[str, float]

COVERAGE = 0.95  # of every interval that says nothing else


def classification_scores(y_true: np.ndarray, y_prob: np.ndarray) -> Scores:
    """Returns the summary scores by name; a score that the data cannot define is NaN.

    accuracy, balanced_accuracy (mean recall of the classes that occur), precision_macro, recall_macro, f1_macro,
    roc_auc (one-vs-rest, macro over the classes that occur), average_precision (macro, same classes),
    expected_calibration_error, log_loss (nats).

    Args:
        y_true: (n,) int class ids.
        y_prob: (n, num_classes) probabilities.

    Raises:
        ValueError: see `check_predictions`.
    """
    found = weighted_scores(y_true, y_prob, np.ones((1, len(y_true))))
    return {name: float(values[0]) for name, values in found.items()}


def class_scores(y_true: np.ndarray, y_prob: np.ndarray, class_names) -> list[dict]:
    """Returns one row a class: name, support, precision, recall, f1, roc_auc, average_precision (NaN: undefined).

    A class without test examples has no recall, F1, AUC or average precision; one never predicted, no precision.
    """
    found = weighted_class_scores(y_true, y_prob, np.ones((1, len(y_true))))
    rows = []
    for label, name in enumerate(class_names):
        scores = {score: float(values[0, label]) for score, values in found.items()}
        rows.append({"name": name, "support": int(np.sum(y_true == label)), **scores})
    return rows


def expected_calibration_error(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over CALIBRATION_BINS equal-width bins, weighted by bin size.

    Args:
        y_true: (n,) int class ids.
        y_prob: (n, num_classes) probabilities, rows summing to 1.

    Returns:
        float in [0, 1]; NaN when n == 0.

    Raises:
        ValueError: rows do not sum to 1 within 1e-3, or a label is out of range.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, eq. 5.
    """
    return classification_scores(y_true, y_prob)["expected_calibration_error"]


def reliability(y_true: np.ndarray, y_prob: np.ndarray):
    """Returns (mean confidence, accuracy, count) by confidence bin, each (bins,); empty bins are NaN, NaN, 0."""
    confidence, correct = y_prob.max(1), y_prob.argmax(1) == y_true
    which = confidence_bin(confidence)
    count = np.bincount(which, minlength=CALIBRATION_BINS).astype(float)
    filled = np.where(count > 0, count, np.nan)
    sums = (np.bincount(which, weights=values, minlength=CALIBRATION_BINS) for values in (confidence, correct))
    return (*(total / filled for total in sums), count)


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns (num_classes, num_classes) counts; rows are true classes, columns predicted ones."""
    return sk.confusion_matrix(y_true, y_pred, labels=np.arange(num_classes))


def curves(y_true: np.ndarray, y_prob: np.ndarray, class_names) -> list[dict]:
    """Returns one-vs-rest ROC and precision-recall curves of every class that occurs, with its areas and prevalence."""
    rows = []
    for label, name in enumerate(class_names):
        positive, score = y_true == label, y_prob[:, label]
        if positive.all() or not positive.any():
            continue
        areas = {
            "roc_auc": float(sk.roc_auc_score(positive, score)),
            "average_precision": float(sk.average_precision_score(positive, score)),
            "prevalence": float(positive.mean()),
        }
        fpr, tpr, _ = sk.roc_curve(positive, score)
        precision, recall, _ = sk.precision_recall_curve(positive, score)
        rows.append({"name": name, "fpr": fpr, "tpr": tpr, "recall": recall, "precision": precision, **areas})
    return rows


def cluster_weights(group_ids: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Returns (draws, n) how often each example stands in each bootstrap sample; whole groups are drawn.

    Images of one lesion or patient are not independent: drawing them one by one would make intervals too narrow.

    Source: Efron and Tibshirani 1993, ch. 8 (cluster bootstrap).
    """
    _, group_of = np.unique(group_ids, return_inverse=True)
    groups = group_of.max() + 1
    counts = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    return counts[:, group_of].astype(float)


def bootstrap_intervals(
    y_true: np.ndarray, y_prob: np.ndarray, group_ids: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Returns the 95 % percentile interval (low, high) of every score of `classification_scores`."""
    weights = cluster_weights(group_ids, draws=draws, seed=seed)
    return {name: interval(values) for name, values in weighted_scores(y_true, y_prob, weights).items()}


def interval(values, coverage: float = COVERAGE) -> tuple[float, float]:
    """Returns the percentiles that hold the middle `coverage` of the defined values; (NaN, NaN) when none is."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    ends = [50 * (1 - coverage), 50 * (1 + coverage)]
    return tuple(np.percentile(values, ends).tolist()) if len(values) else (np.nan, np.nan)


def groups_of(group_ids: np.ndarray) -> list[np.ndarray]:
    """Returns the positions of each group's examples."""
    order = np.argsort(group_ids, kind="stable")
    _, starts = np.unique(np.asarray(group_ids)[order], return_index=True)
    return np.split(order, starts[1:])
