"""Scores under many weightings of the same examples at once: what the bootstrap needs. numpy only.

A bootstrap sample is a weighting: how often each example was drawn. Sorting once and summing by matrix products makes
a thousand samples cost about as much as fourteen calls of scikit-learn (2,000 examples, seven classes), with which
tests/training/test_metrics.py compares them.
"""

import numpy as np

CALIBRATION_BINS = 15
BLOCK = 100  # weightings at a time: bounds the memory


PROBABILITY_TOLERANCE = 1e-3


def check_predictions(y_true: np.ndarray, y_prob: np.ndarray) -> None:
    """Raises ValueError unless y_prob (n, k) holds rows that sum to 1 and y_true (n,) class ids below k."""
    if y_prob.ndim != 2 or len(y_true) != len(y_prob):
        raise ValueError(f"y_true {np.shape(y_true)} and y_prob {y_prob.shape} do not fit each other")
    if len(y_prob) and np.max(np.abs(y_prob.sum(1) - 1)) > PROBABILITY_TOLERANCE:
        raise ValueError("rows of y_prob do not sum to 1")
    if len(y_true) and (y_true.min() < 0 or y_true.max() >= y_prob.shape[1]):
        raise ValueError(f"y_true holds a class id outside 0..{y_prob.shape[1] - 1}")


def weighted_scores(y_true: np.ndarray, y_prob: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns score -> (draws,) values; the scores and what is undefined are those of `classification_scores`.

    Args:
        y_true: (n,) int class ids.
        y_prob: (n, num_classes) probabilities.
        weights: (draws, n) how often each example counts.

    Raises:
        ValueError: see `check_predictions`.
    """
    check_predictions(y_true, y_prob)
    total = np.maximum(weights.sum(1), 1e-300) if len(y_true) else np.full(len(weights), np.nan)
    hit = y_prob.argmax(1) == y_true
    chosen = y_prob[np.arange(len(y_true)), y_true]
    by_class = weighted_class_scores(y_true, y_prob, weights)
    present = np.isfinite(by_class["recall"])
    macro = {name: _mean_over(values, present) for name, values in by_class.items()}
    return {
        "accuracy": weights @ hit / total,
        "balanced_accuracy": macro["recall"],
        "precision_macro": _mean_over(np.nan_to_num(by_class["precision"]), present),  # never predicted: 0
        "recall_macro": macro["recall"],
        "f1_macro": macro["f1"],
        "roc_auc": macro["roc_auc"],
        "average_precision": macro["average_precision"],
        "expected_calibration_error": _calibration_error(y_prob.max(1), hit, weights) / total,
        "log_loss": weights @ -np.log(np.maximum(chosen, 1e-12)) / total,
    }


def weighted_class_scores(y_true: np.ndarray, y_prob: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns score -> (draws, num_classes) for precision, recall, f1, roc_auc, average_precision; NaN: undefined."""
    check_predictions(y_true, y_prob)
    classes = np.arange(y_prob.shape[1])
    true, predicted = y_true[:, None] == classes, y_prob.argmax(1)[:, None] == classes
    hits, support, claimed = weights @ (true & predicted), weights @ true, weights @ predicted
    ranking = np.stack([_ranking(true[:, k], y_prob[:, k], weights) for k in classes], axis=-1)  # (2, draws, k)
    return {
        "precision": ratio(hits, claimed),
        "recall": ratio(hits, support),
        "f1": np.where(support > 0, ratio(2 * hits, support + claimed), np.nan),
        "roc_auc": ranking[0],
        "average_precision": ranking[1],
    }


def _ranking(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns (2, draws): area under the ROC curve and average precision; NaN where only one kind has weight."""
    if not len(score):
        return np.full((2, len(weights)), np.nan)
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # the end of each run of equal scores
    blocks = [
        _areas(weights[start : start + BLOCK, order], positive[order], last) for start in range(0, len(weights), BLOCK)
    ]
    return np.concatenate(blocks, axis=1)


def _areas(weights: np.ndarray, positive: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The same for examples in descending order of score, read off at the thresholds `last`."""
    hits = np.cumsum(weights * positive, axis=1)[:, last]
    alarms = np.cumsum(weights * ~positive, axis=1)[:, last]
    hits_before = np.concatenate([np.zeros((len(hits), 1)), hits[:, :-1]], axis=1)
    new_alarms = np.diff(alarms, axis=1, prepend=0.0)
    all_hits, all_alarms = hits[:, -1], alarms[:, -1]
    defined = (all_hits > 0) & (all_alarms > 0)
    roc_auc = ratio((new_alarms * (hits + hits_before) / 2).sum(1), all_hits * all_alarms)
    precision = np.nan_to_num(ratio(hits, hits + alarms))
    average_precision = ratio(((hits - hits_before) * precision).sum(1), all_hits)
    return np.where(defined, np.stack([roc_auc, average_precision]), np.nan)


def confidence_bin(confidence: np.ndarray) -> np.ndarray:
    """Returns the number of the equal-width bin on [0, 1] that each confidence falls into, below CALIBRATION_BINS."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def _calibration_error(confidence: np.ndarray, hit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over confidence bins of |confidence - accuracy| times the weight in the bin, (draws,)."""
    excess = (confidence - hit)[:, None] * (confidence_bin(confidence)[:, None] == np.arange(CALIBRATION_BINS))
    return np.abs(weights @ excess).sum(1)


def _mean_over(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the chosen columns that are defined, row by row; NaN where there is none."""
    chosen = chosen & np.isfinite(values)
    return ratio(np.where(chosen, values, 0).sum(1), chosen.sum(1))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient as float64; NaN where the denominator is 0."""
    zero = denominator == 0
    return np.where(zero, np.nan, numerator / np.where(zero, 1, denominator).astype(float))
