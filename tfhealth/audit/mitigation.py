"""Ways to lessen a gap in one yes-or-no question, fitted on train or validation, judged on test by audit/tradeoff.py.

None removes a gap for good: each moves errors from one group to another or to everyone, which the table shows. Group
thresholds, ThresholdOptimizer and group-wise calibration need to know the group at prediction time; group-balanced
weights and ExponentiatedGradient only in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import ErrorRate, ExponentiatedGradient, TruePositiveRateParity
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from tfhealth.audit.groups import SUPPRESS_BELOW
from tfhealth.audit.views import SENSITIVITY, operating_point

OTHERS = "others"  # all groups too small, or unknown in validation, to be fitted on their own
LARGEST_WEIGHT = 10.0  # times the mean; a group of a handful must not decide the training
LOGIT_LIMIT = 1e-6  # probabilities are kept this far from 0 and 1
WEAK_PENALTY = 1e6  # LogisticRegression's C: practically none, as Platt scaling has none


@dataclass(frozen=True)
class Scored:
    """One split's question. positive (n,) bool, score (n,) probability of yes, groups (n,) str."""

    positive: np.ndarray
    score: np.ndarray
    groups: np.ndarray


def fitted_groups(split: Scored) -> tuple[str, ...]:
    """Returns the groups with SUPPRESS_BELOW or more positives and negatives: enough for something of their own."""
    names = np.unique(split.groups).tolist()
    counts = {
        name: [np.sum(split.groups[split.positive == truth] == name) for truth in (True, False)] for name in names
    }
    return tuple(name for name in names if min(counts[name]) >= SUPPRESS_BELOW)


def group_thresholds(validation: Scored, sensitivity: float = SENSITIVITY) -> dict[str, float]:
    """Returns group -> threshold at which that group's sensitivity on validation is reached; OTHERS: everyone's."""
    found = {OTHERS: operating_point(validation.positive, validation.score, sensitivity)}
    for name in fitted_groups(validation):
        rows = validation.groups == name
        found[name] = operating_point(validation.positive[rows], validation.score[rows], sensitivity)
    return found


def decide_by_group(test: Scored, thresholds: Mapping[str, float]) -> np.ndarray:
    """Returns (n,) bool decisions; groups without a threshold of their own get that of OTHERS."""
    return test.score >= np.array([thresholds.get(name, thresholds[OTHERS]) for name in test.groups.tolist()])


def optimize_thresholds(
    validation: Scored, test: Scored, threshold: float, *, seed: int, constraints: str = "equalized_odds"
) -> np.ndarray:
    """Returns (n,) bool test decisions of Fairlearn's ThresholdOptimizer, fitted on validation.

    It meets its constraint on validation with the best balanced accuracy, by drawing between two thresholds per group:
    decisions are random (seeded), and the operating point is its own. Fairlearn answers "no" for a group that it has
    not seen, and refuses one whose examples are all of one kind: those are decided at `threshold`.

    Args:
        validation, test: the splits.
        threshold: of the unmitigated model.
        seed: of the random decisions.
        constraints: Fairlearn's name.

    Source: Hardt, Price, Srebro 2016, arXiv:1610.02413.
    """
    decisions, own = test.score >= threshold, fitted_groups(validation)
    if len(own) < 2:
        return decisions
    known, predicted = np.isin(validation.groups, own), np.isin(test.groups, own)
    optimizer = ThresholdOptimizer(
        estimator=_ScoreAsGiven(),
        constraints=constraints,
        objective="balanced_accuracy_score",
        prefit=True,
        predict_method="predict_proba",
    )
    optimizer.fit(
        validation.score[known, None],
        validation.positive[known].astype(int),
        sensitive_features=validation.groups[known],
    )
    answers = optimizer.predict(
        test.score[predicted, None], sensitive_features=test.groups[predicted], random_state=seed
    )
    decisions[predicted] = np.asarray(answers, bool)
    return decisions


@dataclass(frozen=True)
class Reduced:
    """Two classifiers on the same embedding: score (n,) and decided (n,) bool of each on the test split.

    after_score is the share of the randomised classifier's members, by weight, that say yes.
    """

    before_score: np.ndarray
    before_decided: np.ndarray
    after_score: np.ndarray
    after_decided: np.ndarray


def reduce_gap(
    train_x: np.ndarray,
    train: Scored,
    test_x: np.ndarray,
    *,
    seed: int,
    difference_bound: float = 0.02,
    max_iter: int = 30,
) -> Reduced:
    """Returns logistic regression on a frozen embedding, without and with ExponentiatedGradient (equal opportunity).

    Errors cost as much as classes are rare (a miss counts negatives / positives times a false alarm), else the rarer
    class would hardly be predicted. The embedding is standardised by its training moments. Only training needs the
    group; small groups are one group, OTHERS.

    Args:
        train_x: (n, d) embedding of the training split. train: its truth and groups (its scores are not used).
        test_x: (m, d).
        seed: of the randomised decisions.
        difference_bound: tolerated difference in sensitivity on the training split.
        max_iter: of ExponentiatedGradient.

    Source: Agarwal et al. 2018, "A Reductions Approach to Fair Classification", arXiv:1803.02453.
    """
    mean, spread = train_x.mean(0), np.maximum(train_x.std(0), 1e-6)
    x, x_test = (train_x - mean) / spread, (test_x - mean) / spread
    positive, own = train.positive.astype(int), fitted_groups(train)
    groups = np.where(np.isin(train.groups, own), train.groups.astype(object), OTHERS).astype(str)
    miss = float(np.sum(positive == 0) / max(np.sum(positive), 1))
    before = _regression().fit(x, positive, sample_weight=np.where(positive == 1, miss, 1.0))
    reduction = ExponentiatedGradient(
        _regression(),
        constraints=TruePositiveRateParity(difference_bound=difference_bound),
        objective=ErrorRate(costs={"fp": 1.0, "fn": miss}),
        max_iter=max_iter,
    )
    reduction.fit(x, positive, sensitive_features=groups)
    members = np.stack([np.asarray(member.predict(x_test), float) for member in reduction.predictors_])
    share = np.asarray(reduction.weights_, float)[: len(members)] @ members
    score = before.predict_proba(x_test)[:, 1]
    drawn = np.random.default_rng(seed).random(len(x_test)) < share
    return Reduced(score, score >= 0.5, share, drawn)


def fit_group_platt(validation: Scored) -> dict[str, tuple[float, float]]:
    """Returns group -> (slope, intercept) of a logistic regression of the truth on the logit; OTHERS: of everyone.

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines".
    """
    found = {OTHERS: _platt(validation.score, validation.positive)}
    for name in fitted_groups(validation):
        rows = validation.groups == name
        found[name] = _platt(validation.score[rows], validation.positive[rows])
    return found


def apply_group_platt(test: Scored, parameters: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Returns (n,) recalibrated probabilities; groups without parameters of their own get those of OTHERS."""
    lines = np.array([parameters.get(name, parameters[OTHERS]) for name in test.groups.tolist()]).reshape(-1, 2)
    return 1 / (1 + np.exp(-(lines[:, 0] * _logit(test.score) + lines[:, 1])))


def group_balanced_weights(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns (n,) sample weights, mean 1, under which the groups of each class weigh the same and classes as before.

    A group's weight is cut at LARGEST_WEIGHT times the mean.

    Args:
        y: (n,) class ids of the training split.
        groups: (n,) str.

    Source: Idrissi et al. 2022, "Simple data balancing achieves competitive worst-group-accuracy", arXiv:2110.14503.
    """
    weights = np.ones(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        _, which, counts = np.unique(groups[members], return_inverse=True, return_counts=True)
        weights[members] = np.minimum(len(members) / (len(counts) * counts[which]), LARGEST_WEIGHT)
        weights[members] *= len(members) / weights[members].sum()
    return weights


class _ScoreAsGiven(ClassifierMixin, BaseEstimator):
    """A "classifier" whose input is its score: what ThresholdOptimizer takes for a model trained elsewhere."""

    classes_ = np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, x, y):
        return self

    def predict_proba(self, x) -> np.ndarray:
        score = np.asarray(x, float).reshape(-1)
        return np.stack([1 - score, score], axis=1)

    def predict(self, x) -> np.ndarray:
        return (self.predict_proba(x)[:, 1] >= 0.5).astype(int)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=0.1, max_iter=2000)


def _platt(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    fitted = LogisticRegression(C=WEAK_PENALTY, max_iter=1000).fit(_logit(score)[:, None], positive.astype(int))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _logit(score: np.ndarray) -> np.ndarray:
    kept = np.clip(score, LOGIT_LIMIT, 1 - LOGIT_LIMIT)
    return np.log(kept / (1 - kept))
