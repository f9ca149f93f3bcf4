"""Scores as pure functions of (y_true, y_prob), and their intervals. numpy and scikit-learn only."""

from collections.abc import Callable

import numpy as np
from sklearn import metrics as sk

PROBABILITY_TOLERANCE = 1e-3
Scores = dict[str, float]


def check_predictions(y_true: np.ndarray, y_prob: np.ndarray) -> None:
    """Raises ValueError unless y_prob (n, k) holds rows that sum to 1 and y_true (n,) class ids below k."""
    if y_prob.ndim != 2 or len(y_true) != len(y_prob):
        raise ValueError(f"y_true {np.shape(y_true)} and y_prob {y_prob.shape} do not fit each other")
    if len(y_prob) and np.max(np.abs(y_prob.sum(1) - 1)) > PROBABILITY_TOLERANCE:
        raise ValueError("rows of y_prob do not sum to 1")
    if len(y_true) and (y_true.min() < 0 or y_true.max() >= y_prob.shape[1]):
        raise ValueError(f"y_true holds a class id outside 0..{y_prob.shape[1] - 1}")


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
    check_predictions(y_true, y_prob)
    y_pred = y_prob.argmax(1)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        y_true, y_pred, labels=np.arange(y_prob.shape[1]), zero_division=0.0
    )
    present = support > 0
    ranking = [_ranking_scores(y_true == label, y_prob[:, label]) for label in np.flatnonzero(present)]
    roc_auc, average_precision = np.mean(ranking, axis=0) if ranking else (np.nan, np.nan)
    chosen = y_prob[np.arange(len(y_true)), y_true]
    return {
        "accuracy": _mean(y_true == y_pred),
        "balanced_accuracy": _mean(recall[present]),
        "precision_macro": _mean(precision[present]),
        "recall_macro": _mean(recall[present]),
        "f1_macro": _mean(f1[present]),
        "roc_auc": float(roc_auc),
        "average_precision": float(average_precision),
        "expected_calibration_error": expected_calibration_error(y_true, y_prob),
        "log_loss": _mean(-np.log(np.maximum(chosen, 1e-12))),
    }


def class_scores(y_true: np.ndarray, y_prob: np.ndarray, class_names) -> list[dict]:
    """Returns one row a class: name, support, precision, recall, f1, roc_auc, average_precision (NaN: undefined).

    A class without test examples has no recall, F1, AUC or average precision; one never predicted, no precision.
    """
    check_predictions(y_true, y_prob)
    y_pred, rows = y_prob.argmax(1), []
    for label, name in enumerate(class_names):
        positive, predicted = y_true == label, y_pred == label
        hits, support = int(np.sum(positive & predicted)), int(positive.sum())
        roc_auc, average_precision = _ranking_scores(positive, y_prob[:, label])
        rows.append(
            {
                "name": name,
                "support": support,
                "precision": hits / predicted.sum() if predicted.any() else np.nan,
                "recall": hits / support if support else np.nan,
                "f1": 2 * hits / (support + predicted.sum()) if support else np.nan,
                "roc_auc": roc_auc,
                "average_precision": average_precision,
            }
        )
    return rows


def expected_calibration_error(y_true: np.ndarray, y_prob: np.ndarray, *, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, weighted by bin size.

    Args:
        y_true: (n,) int class ids.
        y_prob: (n, num_classes) probabilities, rows summing to 1.
        bins: number of equal-width confidence bins on [0, 1].

    Returns:
        float in [0, 1]; NaN when n == 0.

    Raises:
        ValueError: rows do not sum to 1 within 1e-3, or a label is out of range.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, eq. 5.
    """
    check_predictions(y_true, y_prob)
    if not len(y_true):
        return float("nan")
    confidence, correct, count = reliability(y_true, y_prob, bins=bins)
    return float(np.nansum(np.abs(confidence - correct) * count) / len(y_true))


def reliability(y_true: np.ndarray, y_prob: np.ndarray, *, bins: int = 15):
    """Returns (mean confidence, accuracy, count) by confidence bin, each (bins,); empty bins are NaN, NaN, 0."""
    confidence, correct = y_prob.max(1), y_prob.argmax(1) == y_true
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins).astype(float)
    filled = np.where(count > 0, count, np.nan)
    sums = (np.bincount(which, weights=values, minlength=bins) for values in (confidence, correct))
    return (*(total / filled for total in sums), count)


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns (num_classes, num_classes) counts; rows are true classes, columns predicted ones."""
    return sk.confusion_matrix(y_true, y_pred, labels=np.arange(num_classes))


def curves(y_true: np.ndarray, y_prob: np.ndarray, class_names) -> list[dict]:
    """Returns one-vs-rest ROC and precision-recall curves of every class that occurs, with its areas and prevalence."""
    rows = []
    for label, name in enumerate(class_names):
        positive, score = y_true == label, y_prob[:, label]
        roc_auc, average_precision = _ranking_scores(positive, score)
        if np.isnan(roc_auc):
            continue
        fpr, tpr, _ = sk.roc_curve(positive, score)
        precision, recall, _ = sk.precision_recall_curve(positive, score)
        areas = {"roc_auc": roc_auc, "average_precision": average_precision, "prevalence": float(positive.mean())}
        rows.append({"name": name, "fpr": fpr, "tpr": tpr, "recall": recall, "precision": precision, **areas})
    return rows


def bootstrap_intervals(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group_ids: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray], Scores] = classification_scores,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Returns 95 % percentile intervals (low, high) of every score; whole groups are drawn, not single images.

    Images of one lesion or patient are not independent: drawing them one by one would make intervals too narrow.

    Args:
        group_ids: (n,) ids; the groups are drawn with replacement.
        draws: number of bootstrap samples.

    Source: Efron and Tibshirani 1993, ch. 8 and 13 (cluster bootstrap, percentile interval).
    """
    members = groups_of(group_ids)
    rng = np.random.default_rng(seed)
    samples: list[Scores] = []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        samples.append(score(y_true[rows], y_prob[rows]))
    return {name: interval([sample[name] for sample in samples]) for name in samples[0]}


def interval(values) -> tuple[float, float]:
    """Returns the 2.5th and 97.5th percentile of the defined values; (NaN, NaN) when none is."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return tuple(np.percentile(values, [2.5, 97.5]).tolist()) if len(values) else (np.nan, np.nan)


def groups_of(group_ids: np.ndarray) -> list[np.ndarray]:
    """Returns the positions of each group's examples."""
    order = np.argsort(group_ids, kind="stable")
    _, starts = np.unique(np.asarray(group_ids)[order], return_index=True)
    return np.split(order, starts[1:])


def _ranking_scores(positive: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Returns (ROC AUC, average precision); NaN, NaN when only one of the two classes occurs."""
    if positive.all() or not positive.any():
        return np.nan, np.nan
    return float(sk.roc_auc_score(positive, score)), float(sk.average_precision_score(positive, score))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
