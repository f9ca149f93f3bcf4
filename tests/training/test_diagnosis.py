import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tfhealth.training.diagnosis import ScoreDraws, balanced_accuracy_draws, diagnose


def draws(score, spread=0.01, seed=0):
    return ScoreDraws(score, np.random.default_rng(seed).normal(score, spread, 1000))


@pytest.mark.parametrize(
    ("train", "validation", "verdict"),
    [
        (0.60, 0.58, "high bias"),
        (0.98, 0.70, "high variance"),
        (0.75, 0.50, "high bias and high variance"),
        (0.90, 0.88, "neither"),
        (0.84, 0.83, "neither"),  # below the desired score, but by less than this sample can show
    ],
)
def test_verdict_follows_the_stated_rule(train, validation, verdict):
    found = diagnose(draws(train), draws(validation, seed=1), desired_score=0.85, tolerated_gap=0.05)
    assert found.verdict == verdict


def test_score_is_balanced_accuracy_and_draws_scatter_around_it():
    rng = np.random.default_rng(0)
    y_true, groups = rng.integers(0, 3, 600), np.repeat(np.arange(200), 3)
    y_pred = np.where(rng.random(600) < 0.7, y_true, rng.integers(0, 3, 600))
    found = balanced_accuracy_draws(y_true, y_pred, groups, draws=500, seed=0)
    assert found.score == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    assert found.draws.mean() == pytest.approx(found.score, abs=0.005)  # 4 standard errors of 500 draws
    assert 0.01 < found.draws.std() < 0.03  # binomial: 0.017
