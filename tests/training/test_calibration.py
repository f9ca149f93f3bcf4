import numpy as np
import pytest

from tfhealth.training.calibration import apply_prior_shift, apply_temperature, fit_prior_shift, fit_temperature
from tfhealth.training.predict import softmax


def test_temperature_recovers_the_one_that_was_applied():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    honest = softmax(logits)
    y_true = np.array([rng.choice(3, p=row / row.sum()) for row in honest.astype(float)])
    assert fit_temperature(y_true, softmax(logits * 2.5)) == pytest.approx(2.5, rel=0.05)  # sampling error


def test_temperature_one_changes_nothing_and_no_temperature_changes_the_winner():
    y_prob = softmax(np.random.default_rng(0).normal(size=(50, 4)))
    np.testing.assert_allclose(apply_temperature(y_prob, 1.0), y_prob, atol=1e-6)  # float32
    assert (apply_temperature(y_prob, 3.0).argmax(1) == y_prob.argmax(1)).all()


def test_full_prior_shift_is_bayes_rule():
    y_prob, shares = np.array([[0.6, 0.4]]), np.array([0.75, 0.25])
    expected = np.array([0.6 / 0.75, 0.4 / 0.25])
    np.testing.assert_allclose(apply_prior_shift(y_prob, shares, 1.0)[0], expected / expected.sum(), rtol=1e-6)


def test_prior_shift_is_chosen_for_balanced_accuracy():
    rng = np.random.default_rng(1)
    y_true = (rng.random(5000) < 0.1).astype(int)
    logits = np.stack([np.zeros(5000), rng.normal(y_true * 2.0 - 1.0, 1.0) * 2 + np.log(0.1 / 0.9)], axis=1)
    y_prob, shares = softmax(logits), np.array([0.9, 0.1])
    tau = fit_prior_shift(y_true, y_prob, shares)
    assert tau == pytest.approx(1.0, abs=0.3)  # the posterior is exact, so dividing the shares out is best
    recalls = [np.mean(apply_prior_shift(y_prob, shares, tau).argmax(1)[y_true == k] == k) for k in (0, 1)]
    plain = [np.mean(y_prob.argmax(1)[y_true == k] == k) for k in (0, 1)]
    assert np.mean(recalls) > np.mean(plain) + 0.05
