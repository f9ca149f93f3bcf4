"""High bias or high variance, by a stated rule. numpy only."""

from dataclasses import dataclass

import numpy as np

from tfhealth.training.metrics import cluster_weights, interval

RULE = (
    "High bias: even the upper end of the 95 % interval of the training score lies below the desired score. "
    "High variance: even the lower end of the 95 % interval of the gap (training minus validation score) "
    "lies above the tolerated gap."
)


@dataclass(frozen=True)
class Diagnosis:
    """Scores in [0, 1] with 95 % intervals (low, high), and the verdict of RULE.

    verdict: "high bias", "high variance", "high bias and high variance" or "neither".
    """

    train_score: float
    train_interval: tuple[float, float]
    validation_score: float
    validation_interval: tuple[float, float]
    gap: float
    gap_interval: tuple[float, float]
    desired_score: float
    tolerated_gap: float
    high_bias: bool
    high_variance: bool

    @property
    def verdict(self) -> str:
        signs = [name for name in ("high_bias", "high_variance") if getattr(self, name)]
        return " and ".join(sign.replace("_", " ") for sign in signs) or "neither"


def diagnose(train: "ScoreDraws", validation: "ScoreDraws", *, desired_score: float, tolerated_gap: float) -> Diagnosis:
    """Returns the verdict of RULE on two scores and their bootstrap draws.

    Source of the scheme: Ng 2018, "Machine Learning Yearning", ch. 20-27 (avoidable bias against variance).
    """
    gap_interval = interval(train.draws - validation.draws)  # independent splits, so draws pair at random
    train_interval = interval(train.draws)
    return Diagnosis(
        train_score=train.score,
        train_interval=train_interval,
        validation_score=validation.score,
        validation_interval=interval(validation.draws),
        gap=train.score - validation.score,
        gap_interval=gap_interval,
        desired_score=desired_score,
        tolerated_gap=tolerated_gap,
        high_bias=train_interval[1] < desired_score,
        high_variance=gap_interval[0] > tolerated_gap,
    )


@dataclass(frozen=True)
class ScoreDraws:
    """A score and its (draws,) bootstrap values."""

    score: float
    draws: np.ndarray


def balanced_accuracy_draws(
    y_true: np.ndarray, y_pred: np.ndarray, group_ids: np.ndarray, *, draws: int, seed: int
) -> ScoreDraws:
    """Returns the balanced accuracy and `draws` cluster-bootstrap values of it, resampling whole groups.

    The same seed and groups give the same samples, so draws of two models on one split can be paired.
    """
    classes = np.unique(y_true)
    true = y_true[:, None] == classes
    hits = true & (y_pred == y_true)[:, None]

    def balanced_accuracy(weights: np.ndarray) -> np.ndarray:
        support = weights @ true
        recall = np.where(support > 0, (weights @ hits) / np.maximum(support, 1), np.nan)
        return np.nanmean(recall, axis=1)  # every sample holds at least one class

    weights = cluster_weights(group_ids, draws=draws, seed=seed)
    return ScoreDraws(float(balanced_accuracy(np.ones((1, len(y_true))))[0]), balanced_accuracy(weights))
