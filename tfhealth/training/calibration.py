"""One number that makes probabilities honest, and one that makes decisions even-handed; both fitted on validation."""

import numpy as np
from scipy.optimize import minimize_scalar

from tfhealth.training.weighted import check_predictions

TEMPERATURE_RANGE = (0.05, 20.0)  # beyond it a network's probabilities are all 0 or 1, or all alike
TAU_GRID = np.linspace(0.0, 2.0, 41)  # 0: as trained, 1: class shares divided out; more favours rare classes


def fit_temperature(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """Returns the temperature that minimises the log loss; above 1 means the model was too sure of itself.

    Args:
        y_true: (n,) int class ids of the validation split.
        y_prob: (n, num_classes) probabilities.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, sec. 4.2.
    """
    check_predictions(y_true, y_prob)

    def log_loss(log_temperature: float) -> float:
        chosen = apply_temperature(y_prob, np.exp(log_temperature))[np.arange(len(y_true)), y_true]
        return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))

    best = minimize_scalar(log_loss, bounds=tuple(np.log(TEMPERATURE_RANGE)), method="bounded")
    return float(np.exp(best.x))


def apply_temperature(y_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Returns softmax(logits / temperature) for probabilities that came from softmax(logits); same classes win."""
    return _renormalise(np.log(np.maximum(y_prob, 1e-12)) / temperature)


def fit_prior_shift(y_true: np.ndarray, y_prob: np.ndarray, class_shares: np.ndarray) -> float:
    """Returns the tau in TAU_GRID whose `apply_prior_shift` has the best balanced accuracy (the smallest of equals).

    Args:
        y_true: (n,) int class ids of the validation split.
        y_prob: (n, num_classes) probabilities.
        class_shares: (num_classes,) shares in the training split.
    """
    check_predictions(y_true, y_prob)
    scores = []
    for tau in TAU_GRID:
        hits = apply_prior_shift(y_prob, class_shares, tau).argmax(1) == y_true
        scores.append(np.mean([hits[y_true == label].mean() for label in np.unique(y_true)]))
    return float(TAU_GRID[int(np.argmax(scores))])


def apply_prior_shift(y_prob: np.ndarray, class_shares: np.ndarray, tau: float) -> np.ndarray:
    """Returns probabilities with the training split's class shares divided out to the power tau.

    tau = 1 is Bayes' rule for a clinic where every class is equally frequent: rare classes get their say.

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314, eq. 9.
    """
    return _renormalise(np.log(np.maximum(y_prob, 1e-12)) - tau * np.log(class_shares))


def _renormalise(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return (shifted / shifted.sum(1, keepdims=True)).astype(np.float32)
